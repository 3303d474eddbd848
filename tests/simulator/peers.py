"""The peers, driven by the simulator: what others do with the same jobs, clouds and boot delays.

Settings are those of their documentation where it gives any, and are all written here:

apf-chain   AutoPyFactory's Ready, Scale, MaxPerCycle, MaxPending, once a minute. APF starts one VM for each ready job,
            so Scale is one divided by the jobs that a VM holds. It never gives a VM up; a worker that is idle for
            10 minutes powers itself off.
cobald-*    COBalD's own LinearController and RelativeSupplyController. Less when the utilisation is below a threshold,
            more when the allocation is above it: 0.9, as in the example of TARDIS' documentation (LinearController,
            low_utilisation 0.90, high_allocation 0.90, rate 1, at least 1), and 0.5, COBalD's own default. Linear: 1
            core a second; relative: 0.9 and 1.1 times the supply; all defaults. They are asked every 15 s, as we read
            every 15 s, with that interval (default: 1 s, which makes the same ramp of 1 core a second). A Standardiser
            keeps at least one VM, as they cannot start from nothing. COBalD sees no queue of jobs, by design.
kubernetes  like its cluster-autoscaler: a scan every 10 s packs what waits onto new nodes; an empty node goes after 10
            minutes, and not within 10 minutes after a scale-up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from cobald.controller.linear import LinearController
from cobald.controller.relative_supply import RelativeSupplyController
from cobald.decorator.standardiser import Standardiser
from cobald.interfaces import Controller, Pool

from actors.fleet.vm import State
from actors.policies.rules import QueueRules
from actors.policies.steps import Counts, MaxPending, MaxPerCycle, Ready, Scale, run
from actors.simulator.machine import Machine
from actors.simulator.scaler import Ours
from actors.simulator.world import World

IDLE_S = 600.0


def only_cloud(world: World) -> str:
    (name,) = world.clouds
    return name


def supply(world: World) -> list[Machine]:
    return [machine for machine in world.machines[only_cloud(world)].values() if machine.supply]


def idle_for(world: World, age_s: float) -> int:
    ready = (machine for machine in supply(world) if machine.state is State.READY and not machine.jobs)
    return sum(world.env.now - machine.idle_since >= age_s for machine in ready)


class ApfChain:
    name, interval_s = "apf-chain", 60.0

    def __init__(self, jobs_a_vm: int) -> None:
        self._steps = (Ready(), Scale(factor=1 / jobs_a_vm), MaxPerCycle(maximum=50), MaxPending(maximum=100))

    def scale(self, world: World) -> Mapping[str, int]:
        vms = supply(world)
        counts = Counts(
            ready=sum(map(len, world.waiting.values())), pending=sum(machine.state is State.BOOTING for machine in vms)
        )
        n, _ = run(self._steps, 0, counts)
        return {only_cloud(world): len(vms) + n - idle_for(world, IDLE_S)}


class Kubernetes:
    name, interval_s = "kubernetes", 10.0

    def __init__(self, queue: QueueRules) -> None:
        self._packing = Ours(replace(queue, release_after_s=math.inf), interval_s=self.interval_s)
        self._added = -math.inf

    def scale(self, world: World) -> Mapping[str, int]:
        vms = len(supply(world))
        wanted = max(vms, self._packing.scale(world)[only_cloud(world)])
        if wanted > vms:
            self._added = world.env.now
        elif world.env.now - self._added >= IDLE_S:
            wanted -= idle_for(world, IDLE_S)
        return {only_cloud(world): wanted}


class SimulatedPool(Pool):  # type: ignore[misc]
    """The simulated cloud as COBalD sees it: cores."""

    def __init__(self) -> None:
        self.world: World | None = None
        self._demand = 0.0

    @property
    def _ready(self) -> list[Machine]:
        return [machine for machine in supply(self.world) if machine.state is State.READY] if self.world else []

    @property
    def supply(self) -> float:
        return sum(machine.cpus for machine in self._ready)

    @property
    def demand(self) -> float:
        return self._demand

    @demand.setter
    def demand(self, value: float) -> None:
        self._demand = value

    @property
    def utilisation(self) -> float:
        return self._mean(min)

    @property
    def allocation(self) -> float:
        return self._mean(max)

    def _mean(self, of: Callable[[list[float]], float]) -> float:
        ready = self._ready
        if not ready or self.world is None:
            return 1.0
        size = self.world.clouds[ready[0].cloud].rules.size
        return sum(of([1 - machine.free[i] / size[i] for i in (0, 1)]) for machine in ready) / len(ready)


class Cobald:
    interval_s = 15.0

    def __init__(self, kind: str, threshold: float) -> None:
        self.name = f"cobald-{kind} {threshold:g}"
        self._pool = SimulatedPool()
        self._kind, self._threshold = kind, threshold
        self._controller: Controller | None = None

    def scale(self, world: World) -> Mapping[str, int]:
        name = only_cloud(world)
        rules = world.clouds[name].rules
        self._pool.world = world
        if self._controller is None:
            self._controller = self._made(rules.size[0], rules.max_vms)
        self._controller.regulate(self.interval_s)
        return {name: min(rules.max_vms, math.ceil(self._pool.demand / rules.size[0]))}

    def _made(self, cores: int, max_vms: int) -> Controller:
        target = Standardiser(self._pool, minimum=cores, maximum=cores * max_vms)
        limits = {"low_utilisation": self._threshold, "high_allocation": self._threshold}
        if self._kind == "linear":
            return LinearController(target, **limits, rate=1, interval=15)
        return RelativeSupplyController(target, **limits, low_scale=0.9, high_scale=1.1, interval=15)
