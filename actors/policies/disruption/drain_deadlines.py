"""How long a drain may take, by tier: `wait` (the default), `alarm`, or `evict`.

A drain lets running jobs end, and a job may run for weeks. Where that costs too much, a queue says for each tier of its
cascade after how long somebody is told (a metric, a line in the status), or after how long the jobs that still run are
evicted, to start again elsewhere. That is the one place where policy ends a job, and only where the configuration says
so: these are counted apart. A VM that an operator holds is never evicted, nor one whose queue or cloud the
configuration no longer has: nobody said anything about those.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from actors.fleet.vm import State, Vm


class Then(StrEnum):
    WAIT = "wait"
    ALARM = "alarm"
    EVICT = "evict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """Of one tier: what is done so many seconds after the drain was decided."""

    after_s: float
    then: Then


Deadlines = Mapping[tuple[str, str], Deadline]  # by queue and cloud


def overdue(vm: Vm, deadlines: Deadlines, now: float) -> Deadline | None:
    """The deadline that its drain has passed, unless nothing follows from that."""
    if vm.state is not State.DRAINING or not vm.drain_begun:
        return None
    deadline = deadlines.get((vm.queue, vm.cloud))
    late = deadline is not None and deadline.then is not Then.WAIT and now - vm.drain_begun >= deadline.after_s
    return deadline if late else None


def evictions(vms: Iterable[Vm], deadlines: Deadlines, now: float) -> dict[str, Vm]:
    """The rows that change, by id: VMs whose jobs are to be evicted now. Only of a drain that the startd has taken."""
    return {
        vm.id: replace(vm, evicted=now, reason=f"its jobs are evicted: {told(vm, deadline, now)}")
        for vm in vms
        if vm.drain_asked and not vm.evicted and not vm.held
        if (deadline := overdue(vm, deadlines, now)) and deadline.then is Then.EVICT
    }


def told(vm: Vm, deadline: Deadline, now: float) -> str:
    """For people."""
    return f"it drains for {now - vm.drain_begun:.0f} s, and {deadline.after_s:.0f} s are allowed on its tier"
