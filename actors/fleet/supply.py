"""What one cloud has for one queue: the counts and free capacity that the queue's scheduler decides by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from actors.fleet.matching import Matched
from actors.fleet.seen import Machine
from actors.fleet.vm import State, Vm
from actors.fleet.want import FleetView


def cancellable(vm: Vm, machine: Machine | None) -> bool:
    """A drain of policy's whose last job still runs, by the last reading: it may be taken back."""
    ours = vm.state is State.DRAINING and vm.drain_for == "policy" and not vm.unwanted and bool(vm.drain_asked)
    return ours and machine is not None and machine.busy


def view(cloud: str, queue: str, vms: Iterable[Vm], matched: Matched | None, now: float) -> FleetView:
    """`vms` are this queue's rows of this cloud; `matched` the last reading of its pool."""
    machines = matched.machines if matched else {}
    counts: Counter[str] = Counter()
    free: list[tuple[int, int, int, int]] = []
    for vm in vms:
        machine = machines.get(vm.id)
        counts.update(_labels(vm, machine))
        if vm.state is State.READY and machine is not None:
            free.extend(_free(machine))
    return FleetView(cloud=cloud, queue=queue, at=now, free=tuple(free), **counts)


def _labels(vm: Vm, machine: Machine | None) -> list[str]:
    if not vm.alive:
        return []
    labels = ["unwanted" if vm.unwanted and vm.state is not State.DRAINING else vm.state.value]
    if vm.held:
        labels.append("held")
    if vm.state is State.READY:
        labels.append("suspect" if machine is None else "busy" if machine.busy else "idle")
    if cancellable(vm, machine):
        labels.append("cancellable")
    return labels


def _free(machine: Machine) -> list[tuple[int, int, int, int]]:
    """What new jobs find: all of a free static slot, the rest of a partitionable one."""
    return [
        (slot.free.cpus, slot.free.memory_mib, slot.free.disk_mib, slot.free.gpus)
        for slot in machine.slots
        if slot.free.cpus and (slot.partitionable or not slot.busy)
    ]
