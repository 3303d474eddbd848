"""Jobs, VMs and startds, moved by events in the order of their times. It knows no network and reads no clock.

It behaves as HTCondor was measured to: a drain lets running jobs end and takes no new ones; it evicts at once where
MaxJobRetirementTime is 0; a drained machine that was busy, taken back, keeps a retirement time of 0; request ids count
from 1 for each startd; only one drain at a time. Clouds start a token's instances once, whatever is sent again.

The ledger is the truth that a test holds against what the factory believes: who was busy when it was ended, how often
each job started, what was paid.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

YEARS_S = 315_360_000


class Refusal(Exception):
    """The world says no; `kind` is the remedy's name on the wire."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(slots=True, kw_only=True)
class Job:
    id: int
    queue: str
    seconds: float
    cpus: int = 1
    memory_mib: int = 0
    state: str = "idle"  # idle, running, held, done
    since: float = 0.0
    starts: int = 0
    vm: str = ""
    submitted: float = 0.0
    started: float = 0.0  # first
    done: float = 0.0
    ran_on: str = ""  # the VM of its last start
    evictions: int = 0


@dataclass(slots=True, kw_only=True)
class Vm:
    """An instance, and the startd on it once it has booted."""

    id: str
    number: int
    cloud: str
    queue: str
    launched: float
    cpus: int
    memory_mib: int
    intent: str = ""
    decision: str = ""
    index: int = 0
    token: str = ""
    factory: str = ""
    market: str = ""
    usd_per_hour: float = 0.0
    retirement_s: int = YEARS_S
    state: str = "pending"  # pending, running, terminated
    reason: str = ""
    joined: float = 0.0
    ended: float = 0.0
    jobs: dict[int, Job] = field(default_factory=dict)
    drain: str = ""  # the nonce
    requests: int = 0
    was_busy: bool = False

    @property
    def name(self) -> str:
        return f"vm-{self.number}.sim"

    @property
    def address(self) -> str:
        return f"<10.{self.number >> 16 & 255}.{self.number >> 8 & 255}.{self.number & 255}:9618>"

    @property
    def here(self) -> bool:
        """Its startd answers."""
        return self.joined > 0 and self.state == "running"

    def free(self) -> tuple[int, int]:
        """Cpus and MiB that no job holds."""
        return (
            self.cpus - sum(job.cpus for job in self.jobs.values()),
            self.memory_mib - sum(job.memory_mib for job in self.jobs.values()),
        )


@dataclass(slots=True, kw_only=True)
class Ledger:
    evictions: int = 0
    killed: int = 0  # jobs that ran when their VM was ended
    ends: list[str] = field(default_factory=list)  # clouds, in the order in which VMs were ended


class World:
    """`boot_s` is from launch to the startd's first ad. Every call advances the world to `now` first."""

    def __init__(self, *, boot_s: float = 2.0, capacity: dict[str, int] | None = None) -> None:
        self.boot_s, self.capacity = boot_s, capacity or {}
        self.jobs: dict[int, Job] = {}
        self.vms: dict[str, Vm] = {}
        self.tokens: dict[tuple[str, str], tuple[str, list[str]]] = {}
        self.ledger = Ledger()
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
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
        """The ids of the new jobs."""
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
        self.jobs.update({job.id: job for job in new})
        self._match(now)
        return [job.id for job in new]

    def start(self, now: float, **facts: object) -> Vm:
        """One more instance; see Vm for the facts."""
        number = next(self._numbers)
        vm = Vm(id=f"i-{number:017x}", number=number, launched=now, **facts)  # type: ignore[arg-type]
        self.vms[vm.id] = vm
        self._later(now + self.boot_s, lambda at: self._join(vm, at))
        return vm

    def end(self, now: float, vm: Vm, reason: str) -> None:
        """The power is cut. Jobs on it go back to the queue, and the ledger knows."""
        if vm.state == "terminated":
            return
        vm.state, vm.reason, vm.ended = "terminated", reason, now
        self.ledger.ends.append(vm.cloud)
        self.ledger.killed += len(vm.jobs)
        self._put_back(vm, now)

    def startd(self, machine: str, address: str) -> Vm:
        """The VM whose startd answers at this address, if it is the machine that is meant."""
        vm = next((vm for vm in self.vms.values() if vm.address == address and vm.here), None)
        if vm is None:
            raise Refusal("away", f"nobody answers at {address}")
        if vm.name != machine:
            raise Refusal("away", f"startd {machine} was asked at {address}, and {vm.name} answered")
        return vm

    def drain(self, now: float, vm: Vm, instance_id: str, nonce: str, min_retirement_s: int) -> str:
        """The request id."""
        if vm.id != instance_id:
            raise Refusal("refused", f"startd {vm.name} refused to drain: it is instance {vm.id}, not {instance_id}")
        if vm.drain == nonce:
            return str(vm.requests)
        if vm.drain:
            raise Refusal("refused", f"startd {vm.name} refused to drain: it is draining already, for 'apf {vm.drain}'")
        if vm.retirement_s < min_retirement_s:
            raise Refusal("refused", f"startd {vm.name} refused to drain: MaxJobRetirementTime is {vm.retirement_s} s")
        vm.drain, vm.requests, vm.was_busy = nonce, vm.requests + 1, bool(vm.jobs)
        if vm.retirement_s == 0:
            self.ledger.evictions += len(vm.jobs)
            self._put_back(vm, now)
        return str(vm.requests)

    def cancel(self, now: float, vm: Vm, nonce: str, request_id: str) -> None:
        if vm.drain != nonce or str(vm.requests) != request_id:
            raise Refusal("refused", f"startd {vm.name} does not show our drain {nonce} as request {request_id}")
        vm.retirement_s = 0 if vm.was_busy and not vm.jobs else vm.retirement_s
        vm.drain = ""
        self._match(now)

    def _later(self, at: float, happen: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (at, next(self._order), happen))

    def _join(self, vm: Vm, at: float) -> None:
        if vm.state == "pending":
            vm.state, vm.joined = "running", at

    def _match(self, now: float) -> None:
        waiting = [job for job in self.jobs.values() if job.state == "idle"]
        if not waiting:
            return
        open_vms = [vm for vm in self.vms.values() if vm.here and not vm.drain]
        for job in waiting:
            vm = next((vm for vm in open_vms if vm.queue == job.queue and _fits(job, vm)), None)
            if vm is not None:
                self._run(job, vm, now)

    def _run(self, job: Job, vm: Vm, now: float) -> None:
        job.state, job.since, job.vm, job.starts = "running", now, vm.id, job.starts + 1
        job.started, job.ran_on = job.started or now, vm.id
        vm.jobs[job.id] = job
        started = job.starts
        self._later(now + job.seconds, lambda at: self._finish(job, started, at))

    def _finish(self, job: Job, started: int, at: float) -> None:
        """`started` tells this run of the job from a later one."""
        if job.state == "running" and job.starts == started:
            del self.vms[job.vm].jobs[job.id]
            job.state, job.since, job.vm, job.done = "done", at, "", at

    def _put_back(self, vm: Vm, now: float) -> None:
        for job in vm.jobs.values():
            job.state, job.since, job.vm, job.evictions = "idle", now, "", job.evictions + 1
        vm.jobs.clear()


def _fits(job: Job, vm: Vm) -> bool:
    cpus, memory_mib = vm.free()
    return job.cpus <= cpus and job.memory_mib <= memory_mib
