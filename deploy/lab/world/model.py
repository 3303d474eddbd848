"""Jobs, VMs and startds, moved by events in the order of their times. It knows no network and reads no clock.

It behaves as HTCondor was measured to: a drain lets running jobs end and takes no new ones; it evicts at once where
MaxJobRetirementTime is 0; a drained machine that was busy, taken back, keeps a retirement time of 0; request ids count
from 1 for each startd; only one drain at a time; a startd that restarts forgets its drain and gets another address, and
a job that outlives the restart goes on. Clouds start a token's instances once, whatever is sent again.

What is asked for often is kept at hand (VMs by cloud, name and intent, VMs with room and waiting jobs by queue), so
that a world of ten thousand VMs answers as fast as its answers are long.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

from deploy.lab.world.things import INSIDE, SPOT, YEARS_S, BusyEnd, Job, Ledger, Refusal, Vm

__all__ = ["YEARS_S", "Job", "Ledger", "Refusal", "Vm", "World"]


CLAIMED_S = 0.5  # from a startd's first ad to its first job; on the lab's pool, at its quick pace, 0.7 to 2.0 s
BROKEN_S = 0.3  # a job on a black hole ends after this


class World:
    """`boot_s` is from launch to the startd's first ad. Every call advances the world to `now` first.

    `boots` may say another time for one VM, or None: it never joins. `unclaimed_poweroff_s`: the dead man's switch of
    its workers; 0: they have none. `cycle_s`: how often jobs are matched to VMs; 0: at every event. `hidden`: VMs whose
    ads the negotiator does not see either, so that they get no new job. `statistics_s`: startds tell of the jobs that
    ended on them within so many seconds; 0: they tell nothing.
    """

    def __init__(
        self, *, boot_s: float = 2.0, capacity: dict[str, int] | None = None, unclaimed_poweroff_s: float = 0.0
    ) -> None:
        self.boot_s, self.capacity, self.unclaimed_poweroff_s = boot_s, capacity or {}, unclaimed_poweroff_s
        self.cycle_s = self.statistics_s = 0.0
        self.boots: Callable[[Vm], float | None] = lambda _: self.boot_s
        self.hidden: Callable[[Vm, float], bool] | None = None
        self.jobs: dict[int, Job] = {}
        self.alive_jobs: dict[int, Job] = {}  # those that are not done
        self.vms: dict[str, Vm] = {}
        self.of_cloud: dict[str, dict[str, Vm]] = defaultdict(dict)
        self.of_intent: dict[str, list[Vm]] = defaultdict(list)
        self.alive: Counter[str] = Counter()  # by cloud
        self.prices: dict[str, float] = {}  # cloud -> times its usual price
        self.tokens: dict[tuple[str, str], tuple[str, list[str]]] = {}
        self.listings: Counter[str] = Counter()  # by cloud: how often it was listed
        self.notices: dict[str, dict[str, str]] = defaultdict(dict)  # by cloud: receipt -> a message about its VMs
        self.ledger = Ledger()
        self._named: dict[str, Vm] = {}
        self._at: dict[str, Vm] = {}
        self._open: dict[str, dict[str, Vm]] = defaultdict(dict)  # by queue: VMs that may take a job
        self._idle: dict[str, dict[int, Job]] = defaultdict(dict)
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._matched = 0.0
        self._order = itertools.count(1)
        self._numbers = itertools.count(1)

    def advance(self, now: float) -> None:
        """Let happen all that is due, in the order of time."""
        while self._events and self._events[0][0] <= now:
            at, _, happen = heapq.heappop(self._events)
            happen(at)
            self._match(at)
        self._match(now)

    def submit(
        self, now: float, queue: str, jobs: int, seconds: float, cpus: int = 1, memory_mib: int = 0
    ) -> list[int]:
        """The ids of the new jobs. `seconds` may be infinite: until `finish`."""
        new = [
            Job(
                id=next(self._numbers),
                queue=queue,
                seconds=seconds,
                cpus=cpus,
                memory_mib=memory_mib,
                since=now,
                submitted=now,
            )
            for _ in range(jobs)
        ]
        by_id = {job.id: job for job in new}
        self.jobs.update(by_id)
        self.alive_jobs.update(by_id)
        self._idle[queue].update(by_id)
        self._match(now)
        return list(by_id)

    def finish(self, now: float, ids: Iterable[int] | None = None) -> None:
        """Jobs that last until they are told to end (or these of them): those that run end now, others once they do."""
        told = self.alive_jobs if ids is None else set(ids)
        for job in [job for id, job in self.alive_jobs.items() if job.seconds == math.inf and id in told]:
            job.seconds = 0.0
            if job.state == "running":
                self._finish(job, job.starts, now)
        self._match(now)

    # --- instances

    def start(self, now: float, **facts: object) -> Vm:
        """One more instance; see Vm for the facts. Without an `id` it gets one."""
        number = next(self._numbers)
        named = {"id": f"i-{number:017x}", **facts}
        vm = Vm(number=number, launched=now, paid_to=now, **named)  # type: ignore[arg-type]
        self.vms[vm.id] = self.of_cloud[vm.cloud][vm.id] = self._named[vm.name] = vm
        self.of_intent[vm.intent].append(vm)
        self.alive[vm.cloud] += 1
        self.ledger.most_alive = max(self.ledger.most_alive, self.alive.total())
        boots_s = self.boots(vm)
        if boots_s is not None:
            self._later(now + boots_s, lambda at: self._join(vm, at))
        return vm

    def end(self, now: float, vm: Vm, reason: str, by: str = "") -> None:
        """The power is cut. Jobs on it go back to the queue, and the ledger knows."""
        if vm.state == "terminated":
            return
        self.settle(vm, now)
        vm.state, vm.reason, vm.ended = "terminated", reason, now
        self.alive[vm.cloud] -= 1
        self._shut(vm)
        self._at.pop(vm.address, None)
        self.ledger.ends.append(vm.cloud)
        self.ledger.ended[reason] += 1
        self.ledger.killed += len(vm.jobs) if reason != SPOT else 0
        if vm.jobs:
            end = BusyEnd(vm=vm.id, cloud=vm.cloud, jobs=len(vm.jobs), by=by or reason, reason=reason, at=now)
            self.ledger.busy_ends.append(end)
        self._put_back(vm, now)

    def end_later(self, at: float, vm: Vm, reason: str, by: str = "") -> None:
        self._later(at, lambda then: self.end(then, vm, reason, by))

    def tell(self, cloud: str, message: str) -> None:
        """Into the cloud's queue of notices."""
        self.notices[cloud][f"r-{next(self._numbers)}"] = message

    def price(self, now: float, cloud: str, times: float) -> None:
        """From now on a cloud's VMs cost so many times what they usually do."""
        for vm in self.of_cloud[cloud].values():
            self.settle(vm, now)
        self.prices[cloud] = times

    def settle(self, vm: Vm, now: float) -> None:
        """Pay until now."""
        if vm.state != "terminated":
            vm.paid_usd += vm.usd_per_hour * self.prices.get(vm.cloud, 1.0) * (now - vm.paid_to) / 3600
            vm.paid_to = now

    def forget(self, now: float, older_s: float) -> None:
        """No listing shows what ended more than `older_s` ago. The ledger keeps it."""
        for of_cloud in self.of_cloud.values():
            for vm in [vm for vm in of_cloud.values() if vm.state == "terminated" and vm.ended <= now - older_s]:
                del of_cloud[vm.id]

    # --- startds

    def startd(self, machine: str, address: str) -> Vm:
        """The VM whose startd answers at this address, if it is the machine that is meant."""
        vm = self._at.get(address)
        if vm is None:
            raise Refusal("away", f"nobody answers at {address}")
        if vm.name != machine:
            raise Refusal("wrong", f"startd {machine} was asked at {address}, and {vm.name} answered")
        return vm

    def drain(self, now: float, vm: Vm, instance_id: str, nonce: str, min_retirement_s: int) -> str:
        """The request id."""
        if vm.id != instance_id:
            raise Refusal("refused", f"startd {vm.name} refused to drain: it is instance {vm.id}, not {instance_id}")
        if vm.drain == nonce:
            return str(vm.requests)
        if vm.drain:
            raise Refusal("refused", f"startd {vm.name} refused to drain: it is draining already, for 'apf {vm.drain}'")
        if vm.jobs and vm.grants_s < min_retirement_s:
            raise Refusal("refused", f"startd {vm.name} refused to drain: MaxJobRetirementTime is {vm.grants_s} s")
        vm.drain, vm.requests, vm.was_busy = nonce, vm.requests + 1, bool(vm.jobs)
        vm.spoiled = vm.spoiled and vm.was_busy
        self._shut(vm)
        if vm.grants_s == 0:
            self.ledger.evictions += len(vm.jobs)
            self._put_back(vm, now)
        return str(vm.requests)

    def evict(self, now: float, vm: Vm, instance_id: str, nonce: str, request_id: str, new_nonce: str) -> str:
        """A quick drain in the place of the one with `nonce`: its jobs go back to the queue."""
        if vm.drain == new_nonce:
            return str(vm.requests)
        if vm.drain != nonce or str(vm.requests) != request_id or vm.id != instance_id:
            raise Refusal("refused", f"startd {vm.name} does not show our drain {nonce} as request {request_id}")
        vm.drain, vm.requests = new_nonce, vm.requests + 1
        self.ledger.evictions_asked_for += len(vm.jobs)
        self._put_back(vm, now)
        return str(vm.requests)

    def cancel(self, now: float, vm: Vm, nonce: str, request_id: str) -> None:
        if vm.drain != nonce or str(vm.requests) != request_id:
            raise Refusal("refused", f"startd {vm.name} does not show our drain {nonce} as request {request_id}")
        vm.spoiled = vm.was_busy and not vm.jobs
        vm.drain = ""
        self._unlock(vm)
        self._match(now)

    def restart_startd(self, now: float, vm: Vm) -> None:
        """It comes back at once, at another address, and knows of no drain. A job that runs goes on."""
        if not vm.here:
            return
        self._at.pop(vm.address, None)
        vm.lives, vm.drain, vm.requests, vm.joined, vm.spoiled = vm.lives + 1, "", 0, now, False
        self._at[vm.address] = vm
        self._unlock(vm)
        self._match(now)

    def jobs_told(self, vm: Vm, now: float) -> list[float]:
        """What a startd tells of the jobs that ended lately: how many, and how long the longest lived; or nothing."""
        vm.recent = [one for one in vm.recent if one[0] > now - self.statistics_s]
        return [len(vm.recent), max(lived for _, lived in vm.recent)] if vm.recent else []

    # --- what happens

    def _later(self, at: float, happen: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (at, next(self._order), happen))

    def _join(self, vm: Vm, at: float) -> None:
        """Not while an end call for it is under way: it would take a job, and no factory can help it."""
        if vm.state == "pending" and not vm.leaving:
            vm.state, vm.joined = "running", at
            self._at[vm.address] = vm
            self._later(at + CLAIMED_S, lambda _: self._unlock(vm))
            self._arm(vm, at)

    def _arm(self, vm: Vm, now: float) -> None:
        """Unclaimed from now on: its own switch ends it, unless a job comes in time."""
        if self.unclaimed_poweroff_s:
            vm.unclaimed = now
            self._later(now + self.unclaimed_poweroff_s, lambda at: self._switch(vm, now, at))

    def _switch(self, vm: Vm, armed: float, at: float) -> None:
        if vm.here and not vm.jobs and vm.unclaimed == armed:
            self.end(at, vm, INSIDE)

    def _unlock(self, vm: Vm) -> None:
        if vm.here and not (vm.drain or vm.spoiled) and vm.free()[0] > 0:
            self._open[vm.queue][vm.id] = vm

    def _shut(self, vm: Vm) -> None:
        self._open[vm.queue].pop(vm.id, None)

    def _match(self, now: float) -> None:
        if now - self._matched < self.cycle_s:
            return
        self._matched = now
        for queue, waiting in self._idle.items():
            vms = self._open[queue]
            if waiting and vms:
                hidden = self.hidden
                seen = {id: vm for id, vm in vms.items() if not hidden(vm, now)} if hidden else dict(vms)
                self._match_queue(waiting, seen, now)

    def _match_queue(self, waiting: dict[int, Job], vms: dict[str, Vm], now: float) -> None:
        """Jobs in their order, each on the first VM that has room; what did not fit once is not tried again."""
        too_big: set[tuple[int, int]] = set()
        for job in list(waiting.values()):
            if not vms:
                return
            if (job.cpus, job.memory_mib) in too_big:
                continue
            vm = next((vm for vm in vms.values() if _fits(job, vm)), None)
            if vm is None:
                too_big.add((job.cpus, job.memory_mib))
                continue
            del waiting[job.id]
            self._run(job, vm, now)
            if vm.free()[0] < 1:
                del vms[vm.id]

    def _run(self, job: Job, vm: Vm, now: float) -> None:
        job.state, job.since, job.vm, job.starts = "running", now, vm.id, job.starts + 1
        job.started, job.ran_on = job.started or now, vm.id
        vm.jobs[job.id], vm.unclaimed = job, 0.0
        vm.began_after = self.listings[vm.cloud] - vm.warned if vm.warned >= 0 else 0
        if vm.free()[0] < 1:
            self._shut(vm)
        started = job.starts
        lasts_s = BROKEN_S if vm.broken else job.seconds
        self._later(now + lasts_s, lambda at: self._finish(job, started, at))

    def _finish(self, job: Job, started: int, at: float) -> None:
        """`started` tells this run of the job from a later one."""
        if job.state == "running" and job.starts == started:
            vm = self.vms[job.vm]
            del vm.jobs[job.id]
            job.failed = vm.broken
            if self.statistics_s:
                vm.recent.append((at, at - job.since))
            job.state, job.since, job.vm, job.done = "done", at, "", at
            self.alive_jobs.pop(job.id, None)
            self._unlock(vm)
            if not vm.jobs:
                self._arm(vm, at)

    def _put_back(self, vm: Vm, now: float) -> None:
        for job in vm.jobs.values():
            job.state, job.since, job.vm, job.evictions = "idle", now, "", job.evictions + 1
            self._idle[job.queue][job.id] = job
        vm.jobs.clear()


def _fits(job: Job, vm: Vm) -> bool:
    cpus, memory_mib = vm.free()
    return job.cpus <= cpus and job.memory_mib <= memory_mib
