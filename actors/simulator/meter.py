"""What a simulated run came to: waits, VM-hours, cost, utilisation, and how it looked over time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from actors.policies.rules import CloudRules
from actors.simulator.jobs import Job


class Priced(Protocol):
    @property
    def rules(self) -> CloudRules: ...
    @property
    def billed_s(self) -> float: ...


class Lived(Protocol):
    cloud: str
    born: float
    cpus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One moment: jobs waiting and running, VMs that exist, by cloud."""

    at_s: float
    waiting: int
    running: int
    vms: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """A run's figures. Waits are of jobs that started, from submission to start, and again after each reclaim; NaN when
    none did. VM-hours and US$ are what is paid, by what the clouds bill.
    """

    name: str
    jobs_done: int
    jobs_left: int
    mean_wait_s: float
    median_wait_s: float
    p95_wait_s: float
    vm_hours: Mapping[str, float]
    vms_started: Mapping[str, int]
    usd: float
    utilisation: float
    reclaimed_jobs: int
    ended_s: float
    samples: tuple[Sample, ...] = ()

    @property
    def all_vm_hours(self) -> float:
        return sum(self.vm_hours.values())


@dataclass(slots=True)
class Meter:
    clouds: Iterable[Priced]
    waits_s: dict[int, float] = field(default_factory=dict)  # by job
    vm_s: dict[str, float] = field(default_factory=dict)
    started: dict[str, int] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    core_s: float = 0.0
    used_core_s: float = 0.0
    jobs_done: int = 0
    reclaimed_jobs: int = 0
    last_end_s: float = 0.0
    _billed_s: dict[str, float] = field(default_factory=dict)

    def waited(self, job: int, wait_s: float) -> None:
        self.waits_s[job] = self.waits_s.get(job, 0.0) + wait_s

    def done(self, job: Job, now: float) -> None:
        self.last_end_s = now
        self.jobs_done += 1
        self.used_core_s += job.runtime_s * max(1, job.request.cpus)

    def reclaimed(self, jobs: int) -> None:
        self.reclaimed_jobs += jobs

    def ended(self, machine: Lived, now: float) -> None:
        billed_s = self._billed_s.setdefault(machine.cloud, self._of(machine.cloud))
        paid_s = math.ceil((now - machine.born) / billed_s) * billed_s if billed_s else now - machine.born
        self.vm_s[machine.cloud] = self.vm_s.get(machine.cloud, 0.0) + paid_s
        self.started[machine.cloud] = self.started.get(machine.cloud, 0) + 1
        self.core_s += (now - machine.born) * machine.cpus

    def _of(self, name: str) -> float:
        return next(cloud.billed_s for cloud in self.clouds if cloud.rules.name == name)

    def outcome(self, name: str, left: int, now: float) -> RunOutcome:
        """The figures, once all VMs have ended."""
        prices = {cloud.rules.name: cloud.rules.usd_per_hour for cloud in self.clouds}
        hours = {cloud: self.vm_s.get(cloud, 0.0) / 3600.0 for cloud in prices}
        waits_s = sorted(self.waits_s.values()) or [math.nan]
        return RunOutcome(
            name=name,
            jobs_done=self.jobs_done,
            jobs_left=left,
            mean_wait_s=sum(waits_s) / len(waits_s),
            median_wait_s=waits_s[len(waits_s) // 2],
            p95_wait_s=waits_s[min(len(waits_s) - 1, int(len(waits_s) * 0.95))],
            vm_hours=hours,
            vms_started={cloud: self.started.get(cloud, 0) for cloud in prices},
            usd=sum(hours[cloud] * prices[cloud] for cloud in prices),
            utilisation=self.used_core_s / self.core_s if self.core_s else 0.0,
            reclaimed_jobs=self.reclaimed_jobs,
            ended_s=now,
            samples=tuple(self.samples),
        )
