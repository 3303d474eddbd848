"""The simulated site: a pool that matches jobs to slots, and clouds whose VMs boot, run, drain and end.

What is modelled, after what was measured on real pools: a negotiation cycle matches waiting jobs to free slots, the
fullest slot that fits first; it comes at its time, and sooner where jobs are submitted or somebody asks for it; a job
that ends leaves its claim to a waiting job of the same shape at once, while the claim is not too old; a drained VM
takes no new job and ends with its last one, and VMs that have lived their time are drained, policy's drains within the
cloud's budget; a VM that is given up while it boots ends when it has joined. Boot times vary around the cloud's; spot
VMs are reclaimed at random, and their jobs wait and start anew. Slots are partitionable.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict, deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import simpy

from actors.fleet.max_life import FOREVER, Life
from actors.fleet.vm import State
from actors.policies.disruption.release_order import Candidate, choose, paid_left_s
from actors.policies.provisioning.matchmaking import Size
from actors.policies.rules import CloudRules
from actors.simulator.jobs import Job
from actors.simulator.machine import SimulatedMachine, WaitingJob, size_of
from actors.simulator.meter import Meter

Events = Generator[simpy.Event, Any, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudModel:
    """A cloud to simulate. `boot_s`: median from launch to the first ad; `spread` of its logarithm.

    `billed_s`: what was begun of such a period is paid; `min_life_s`: before that age policy gives no VM up; `at_once`,
    `share`: at most so many, or such a part, of its joined VMs are draining.
    """

    rules: CloudRules
    boot_s: float = 150.0
    spread: float = 0.2
    reclaims_per_hour: float = 0.0
    life: Life = FOREVER
    billed_s: float = 0.0
    min_life_s: float = 0.0
    at_once: int | None = None
    share: float | None = None

    @property
    def waits(self) -> bool:
        """Whether what is wanted of it may come about at another time than it is wanted."""
        return bool(self.life.ends or self.min_life_s or self.at_once is not None or self.share is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolModel:
    """The pool. HTCondor's defaults: NEGOTIATOR_INTERVAL, NEGOTIATOR_CYCLE_DELAY and CLAIM_WORKLIFE.

    `cycle_s`: between negotiations that nobody asks for; `least_s`: between two in any case; `claim_s`: a claim that is
    older takes no further job.
    """

    cycle_s: float = 60.0
    least_s: float = 20.0
    claim_s: float = 1_200.0


STOCK_POOL = PoolModel()
BOOTS_KEPT = 50  # the last so many boots say how long one takes


class SimulatedSite:
    """One run. `waiting` and `running`: by what jobs ask for; `machines`: not ended ones, by cloud and id.

    `changes` counts what happened to jobs and VMs; `boots_s` has the last boot times by cloud; `joined` counts VMs.
    """

    def __init__(
        self,
        env: simpy.Environment,
        jobs: Sequence[Job],
        clouds: Sequence[CloudModel],
        *,
        pool: PoolModel = STOCK_POOL,
        seed: int = 1,
    ) -> None:
        self.env = env
        self.clouds = {cloud.rules.name: cloud for cloud in clouds}
        self.waiting: dict[Size, deque[WaitingJob]] = defaultdict(deque)
        self.running: dict[Size, int] = defaultdict(int)
        self.machines: dict[str, dict[str, SimulatedMachine]] = {cloud: {} for cloud in self.clouds}
        self.meter = Meter(self.clouds.values())
        self.left = len(jobs)
        self.changes = self.joined = 0
        self.boots_s: dict[str, deque[float]] = {cloud: deque(maxlen=BOOTS_KEPT) for cloud in self.clouds}
        self._pool, self._negotiated, self._next, self._turn = pool, -math.inf, math.inf, 0
        self._open: dict[int, dict[SimulatedMachine, None]] = defaultdict(dict)
        self._chance = random.Random(seed)
        self._born = 0
        env.process(self._arrivals(jobs))

    # --- jobs -------------------------------------------------------------------------------------------------------

    def _arrivals(self, jobs: Sequence[Job]) -> Events:
        for number, job in enumerate(jobs):
            if job.at_s > self.env.now:
                yield self.env.timeout(job.at_s - self.env.now)
            ask = size_of(job.request)
            self.changes += 1
            self.waiting[ask].append(WaitingJob(number, job, ask, since=self.env.now))
            self.negotiate_soon()  # condor_submit asks for it
        yield self.env.timeout(0)

    def negotiate_soon(self) -> None:
        """What `condor_reschedule` does: a cycle as soon as one may be."""
        self._negotiate_at(max(self.env.now, self._negotiated + min(self._pool.least_s, self._pool.cycle_s)))

    def _negotiate_at(self, at_s: float) -> None:
        if at_s < self._next:
            self._next = at_s
            self._turn += 1
            turn = self._turn
            self._after(at_s - self.env.now, turn, self._negotiate)

    def _negotiate(self, turn: int) -> None:
        if turn != self._turn or not self.left:
            return  # one that was asked for came before
        self._negotiated, self._next = self.env.now, math.inf
        for ask in sorted((ask for ask, queue in self.waiting.items() if queue), reverse=True):
            self._match(ask)
        self._negotiate_at(self.env.now + self._pool.cycle_s)

    def _match(self, ask: Size) -> None:
        queue = self.waiting[ask]
        for cpus in sorted(self._open):
            if cpus < ask[0]:
                continue
            for machine in list(self._open[cpus]):
                while queue and machine.holds(ask):
                    self._start(machine, queue.popleft(), self.env.now)
                if not queue:
                    return

    def _start(self, machine: SimulatedMachine, waiting: WaitingJob, claimed: float) -> None:
        now = self.env.now
        self.changes += 1
        self._open[machine.free[0]].pop(machine, None)
        machine.take(waiting.ask)
        self._reopen(machine)
        machine.on[waiting.number] = (now + waiting.job.runtime_s, waiting)
        self.running[waiting.ask] += 1
        waiting.starts += 1
        waiting.claimed = claimed
        self.meter.waited(waiting.number, now - waiting.since)
        done = self.env.timeout(waiting.job.runtime_s, (machine, waiting, waiting.starts))
        assert done.callbacks is not None
        done.callbacks.append(self._ended)

    def _ended(self, event: Any) -> None:
        machine, waiting, start = event.value
        if start != waiting.starts or waiting.number not in machine.on:
            return  # it was reclaimed and started elsewhere
        self._leave(machine, waiting.number)
        self.left -= 1
        self.changes += 1
        self.meter.done(waiting.job, self.env.now)
        queue = self.waiting[waiting.ask]
        young = self.env.now - waiting.claimed < self._pool.claim_s
        if queue and young and machine.state is State.READY and machine.holds(waiting.ask):
            self._start(machine, queue.popleft(), waiting.claimed)
        if machine.state is State.DRAINING and not machine.jobs:
            self._end(machine)
        elif machine.state is State.READY and not machine.jobs and self.short(machine):
            self._outlive(machine)

    def _leave(self, machine: SimulatedMachine, number: int) -> None:
        ask = machine.on.pop(number)[1].ask
        self._open[machine.free[0]].pop(machine, None)
        machine.give(ask)
        self.running[ask] -= 1
        if not machine.jobs:
            machine.idle_since = self.env.now
        self._reopen(machine)

    def _reopen(self, machine: SimulatedMachine) -> None:
        if machine.open:
            self._open[machine.free[0]][machine] = None

    # --- VMs --------------------------------------------------------------------------------------------------------

    def apply(self, wants: Mapping[str, int]) -> None:
        """Make the supply of each cloud what is wanted: take back, start, or give up, as the real actors do."""
        for cloud, want in wants.items():
            mine = list(self.machines[cloud].values())
            missing = want - sum(machine.supply for machine in mine)
            if missing > 0:
                self._grow(cloud, mine, missing)
            elif missing < 0:
                self._shrink(mine, -missing)

    def _grow(self, cloud: str, mine: list[SimulatedMachine], missing: int) -> None:
        back = [m for m in mine if m.unwanted or (m.state is State.DRAINING and not m.final)][:missing]
        for machine in back:
            self.changes += 1
            machine.unwanted = False
            if machine.state is State.DRAINING:
                machine.state = State.READY
                self._reopen(machine)
        for _ in range(min(missing - len(back), self.room(cloud))):
            self._launch(self.clouds[cloud])

    def room(self, cloud: str) -> int:
        """VMs that may still be started on it."""
        rules = self.clouds[cloud].rules
        return min(rules.max_vms - len(self.machines[cloud]), rules.family_max_vms - self.family_used(cloud))

    def family_used(self, cloud: str) -> int:
        """VMs of all shapes of the cloud that this is a shape of; 0 where it is of none."""
        family = self.clouds[cloud].rules.family
        shapes = [name for name, one in self.clouds.items() if one.rules.family == family] if family else []
        return sum(len(self.machines[name]) for name in shapes)

    def _launch(self, cloud: CloudModel) -> None:
        self._born += 1
        self.changes += 1
        size = cloud.rules.size
        machine = SimulatedMachine(
            id=f"{self._born:06}", cloud=cloud.rules.name, born=self.env.now, cpus=size[0], free=size
        )
        self.machines[cloud.rules.name][machine.id] = machine
        boot_s = cloud.boot_s * math.exp(self._chance.gauss(0.0, cloud.spread))
        self._after(boot_s, machine, self._join)

    def _after(self, delay_s: float, what: Any, call: Any) -> None:
        event = self.env.timeout(delay_s)
        assert event.callbacks is not None
        event.callbacks.append(lambda _: call(what))

    def _join(self, machine: SimulatedMachine) -> None:
        machine.state, machine.idle_since = State.READY, self.env.now
        self.changes += 1
        self.joined += 1
        self.boots_s[machine.cloud].append(self.env.now - machine.born)
        if machine.unwanted:
            self._end(machine)
            return
        self._reopen(machine)
        left_s, useful_s = self.left_s(machine), self.clouds[machine.cloud].life.min_useful_s
        if math.isfinite(left_s):
            self._after(max(0.0, left_s - useful_s), machine, self._ages)
            self._after(max(0.0, left_s), machine, self._outlive)
        rate = self.clouds[machine.cloud].reclaims_per_hour
        if rate:
            self._after(self._chance.expovariate(rate / 3600.0), machine, self._reclaim)

    def _shrink(self, mine: list[SimulatedMachine], surplus: int) -> None:
        by_id = {machine.id: machine for machine in mine if machine.supply}
        for machine_id in choose(surplus, [self._candidate(one) for one in by_id.values()]):
            machine = by_id[machine_id]
            self.changes += 1
            if machine.state is State.BOOTING:
                machine.unwanted = True
            elif self._may_drain(self.clouds[machine.cloud]):
                self._drain(machine)

    def _may_drain(self, cloud: CloudModel) -> bool:
        """Within the cloud's disruption budget."""
        if cloud.at_once is None and cloud.share is None:
            return True
        states = [machine.state for machine in self.machines[cloud.rules.name].values()]
        away, joined = states.count(State.DRAINING), states.count(State.DRAINING) + states.count(State.READY)
        at_once, share = cloud.at_once, cloud.share
        return (at_once is None or away < at_once) and (share is None or away < max(1, int(share * joined)))

    def end_empty(self, machines: Iterable[SimulatedMachine]) -> None:
        """End VMs that have no job: by name, for who does not leave the choice to `apply`."""
        for machine in machines:
            if not machine.jobs:
                self._drain(machine)

    def left_s(self, machine: SimulatedMachine) -> float:
        """Of its life."""
        return self.clouds[machine.cloud].life.left_s(machine.id, machine.born, self.env.now)

    def short(self, machine: SimulatedMachine) -> bool:
        """Whether it lives too short for new jobs."""
        return self.clouds[machine.cloud].life.short(machine.id, machine.born, self.env.now)

    def _ages(self, machine: SimulatedMachine) -> None:
        """An idle VM that lives too short for new jobs is of no use."""
        if not machine.jobs:
            self._outlive(machine)

    def _outlive(self, machine: SimulatedMachine) -> None:
        machine.final = True
        if machine.id in self.machines[machine.cloud] and machine.state is State.READY:
            self._drain(machine)

    def _drain(self, machine: SimulatedMachine) -> None:
        self._open[machine.free[0]].pop(machine, None)
        machine.state = State.DRAINING
        if not machine.jobs:
            self._end(machine)

    def _reclaim(self, machine: SimulatedMachine) -> None:
        if machine.id in self.machines[machine.cloud]:
            self.meter.reclaimed(machine.jobs)
            for number, (_, waiting) in list(machine.on.items()):
                self._leave(machine, number)
                waiting.since = self.env.now
                self.waiting[waiting.ask].appendleft(waiting)
            self._end(machine)

    def finish(self) -> None:
        """The run is over: what still stands is paid up to now."""
        for machines in self.machines.values():
            for machine in list(machines.values()):
                self._end(machine)

    def _end(self, machine: SimulatedMachine) -> None:
        self._open[machine.free[0]].pop(machine, None)
        machine.state = State.ENDED
        self.changes += 1
        del self.machines[machine.cloud][machine.id]
        self.meter.ended(machine, self.env.now)

    def _candidate(self, machine: SimulatedMachine) -> Candidate:
        cloud = self.clouds[machine.cloud]
        return Candidate(
            id=machine.id,
            born=machine.born,
            joined=machine.state is State.READY,
            jobs=machine.jobs,
            idle_since=0.0 if machine.jobs else machine.idle_since,
            paid_left_s=paid_left_s(machine.born, self.env.now, cloud.billed_s),
            young=self.env.now - machine.born < cloud.min_life_s,
            old=self.short(machine),
        )
