"""Claims that no schedd has a job for: what a schedd that lost its queue leaves on workers.

Measured (25.14): its startds go on running the jobs and say Claimed/Busy; the schedd, up again, says that it has none
there, and is right. They end when the claim's lease does (30 minutes by default), or the job's. Until then the VM is
busy for nobody, counts as running jobs of its queue, and drains for as long.

The rule it keeps: nothing follows from it but words. Between two jobs of a stream a claim has none either, so it is
told only of a VM whose startd showed the same work in ASKS asks in a row, while no schedd, all read in full, had a job
there. A schedd that the factory does not read may have one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from actors.fleet.fleet_view import claims
from actors.fleet.observations import Machine
from actors.fleet.vm import State, Vm

ASKS = 3
JOINED = frozenset({State.READY, State.DRAINING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphaned:
    """Of one VM: what its startd shows, and since when (Redis seconds), in how many asks, no schedd knows of it."""

    machine: Machine
    since: float
    asks: int = 1


def suspected(vm: Vm, machine: Machine | None) -> bool:
    """Whether schedds are to be asked for it."""
    return vm.state in JOINED and machine is not None and machine.busy


def noted(
    before: Mapping[str, Orphaned], busy: Mapping[str, Machine], jobs: Mapping[str, int], at: float
) -> dict[str, Orphaned]:
    """By VM id, after an ask at `at`. `busy`: those asked for; `jobs`: what all schedds have on each."""
    return {key: _noted(before.get(key), machine, at) for key, machine in busy.items() if jobs.get(key) == 0}


def told(vm: Vm, orphaned: Orphaned) -> str:
    """For a person; empty while it may be chance."""
    if orphaned.asks < ASKS:
        return ""
    since = datetime.fromtimestamp(orphaned.since, UTC).strftime("%H:%M:%S")
    count = claims(orphaned.machine)
    what = f"{count} claims" if count > 1 else "a claim"
    where = f"VM {vm.id} ({vm.instance_id}, startd {vm.machine})"
    return f"{where} has {what} for which no schedd has a job, since {since} UTC"


def _noted(before: Orphaned | None, machine: Machine, at: float) -> Orphaned:
    if before is None or _work(before.machine) != _work(machine):
        return Orphaned(machine=machine, since=at)
    return Orphaned(machine=machine, since=before.since, asks=before.asks + 1)


def _work(machine: Machine) -> tuple[Any, ...]:
    """What changes when a job ends or begins there."""
    slots = tuple((slot.name, slot.children, slot.free, slot.busy) for slot in machine.slots)
    return machine.started_at, machine.recent_jobs, slots
