"""What a queue's steps ask beyond the present: VMs started in its life, and those that ended lately. From rows.

Only what some step of the queue asks for is read. VMs that a step must not start twice are counted from the moment they
are wanted: so the views are read before the tally of started VMs, which is written in one with the VM's row. Between
the two reads a VM may be counted twice, never not at all.

A VM is short when it ended by itself, or was never heard of, within `maxtime_s` of joining: a black hole. What policy
or an operator took out is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from actors.fleet.vm import State, Vm
from actors.fleet.want import FleetView, Want
from actors.policies.rules import QueueRules
from actors.policies.steps import ENDED, STARTED, Counts, asks
from actors.store.vms import read_started, read_vms
from broker.rows.table import Table


def counted(
    table: Table,
    queue: QueueRules,
    clouds: Iterable[str],
    fleet: Mapping[str, FleetView | None],
    wants: Mapping[str, Want],
    now: float,
) -> Counts:
    """`clouds`: all of the factory, also those that left the queue's cascade. `now`: Redis seconds."""
    asked = {what: step for step in queue.steps for what in asks(step)}
    started = ended = short = 0
    if STARTED in asked:
        started = on_the_way(fleet, wants) + sum(read_started(table, clouds, queue.name))
    if ENDED in asked:
        step = asked[ENDED]
        ended, short = lately(
            [vm for vm in read_vms(table, clouds) if vm.queue == queue.name],
            now,
            getattr(step, "interval_s", 0.0),
            getattr(step, "maxtime_s", 0.0),
        )
    return Counts(started=started, ended=ended, short=short)


def on_the_way(fleet: Mapping[str, FleetView | None], wants: Mapping[str, Want]) -> int:
    """VMs that are wanted or launching, and have no instance yet."""
    return sum(
        view.launching + max(0, (wants[cloud].n if cloud in wants else 0) - view.supply)
        for cloud, view in fleet.items()
        if view is not None
    )


def lately(vms: Iterable[Vm], now: float, interval_s: float, maxtime_s: float) -> tuple[int, int]:
    """(ended, short): of the VMs that ended within `interval_s`."""
    ended = [vm for vm in vms if vm.state is State.ENDED and now - vm.since <= interval_s]
    return len(ended), sum(_short(vm, maxtime_s) for vm in ended)


def _short(vm: Vm, maxtime_s: float) -> bool:
    taken_out = vm.drain_for or vm.killed or vm.unwanted
    return not taken_out and (not vm.joined or (vm.ran_s or vm.since - vm.joined) <= maxtime_s)
