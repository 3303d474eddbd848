"""What one cloud has for one queue: the counts and free capacity that the queue's scheduler decides by.

`vms` are the queue's rows of the cloud; `machines` their startds as last seen, by VM id. A VM that is not in `seen`
(the newest readings) counts as what it was when it was last seen, and as suspect: a collector that restarted must not
make the scheduler buy for jobs that have their place. `idle_since`: by VM id, since when no job was seen there.

The free slots of a VM that soon has lived its time (`max_life`) are no supply; its jobs count as they did.

`joins`: whether its VMs are workers of a pool. Else they are pilots: one that runs counts as busy with one job, whether
or not it has one at this moment.

`promised`: what one VM of the cloud has, as a person said. However much a worker says is free, or how many jobs it says
it runs, it is never more than that: one that lies keeps no job of others from a VM. None: not looked at.

`parts`: what the caller keeps from view to view, by VM id, so that only what changed is counted anew.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from actors.fleet.drain_and_hold import AGE, POLICY
from actors.fleet.max_life import FOREVER, Life
from actors.fleet.observations import Machine
from actors.fleet.shape import Shape
from actors.fleet.vm import SUPPLY, State, Vm
from actors.fleet.want import FleetView


def cancellable(vm: Vm, machine: Machine | None) -> bool:
    """A drain of policy's whose last job still runs, by the last reading: it may be taken back."""
    ours = vm.state is State.DRAINING and vm.drain_for == POLICY and not (vm.unwanted or vm.notice or vm.evicted)
    return ours and bool(vm.drain_asked) and machine is not None and machine.busy


def left_at(vm: Vm) -> float:
    """When it was taken out of service though its queue may want it: by an operator's drain, or for its age. 0: not."""
    asked = vm.drain_for == AGE or vm.drain_wish
    return vm.drain_begun if asked and vm.state not in SUPPLY else 0.0


NO_END = sys.maxsize
NOBODY_IDLE: Mapping[str, float] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewPart:
    """What one VM adds to a view, and what that was made of."""

    vm: Vm
    machine: Machine | None
    seen: bool
    short: bool  # it lives too short for new jobs
    labels: tuple[str, ...]
    free: tuple[tuple[int, int, int, int], ...] = ()
    claims: int = 0
    unclaimed: bool = False  # it is well, takes jobs and has none
    left_at: float = 0.0

    def is_of(self, vm: Vm, machine: Machine | None, seen: bool, short: bool) -> bool:
        """Rows and machines never change, so the same objects make the same part."""
        return self.vm is vm and self.machine is machine and self.seen is seen and self.short is short


def view(
    cloud: str,
    queue: str,
    vms: Collection[Vm],
    machines: Mapping[str, Machine],
    seen: frozenset[str],
    now: float,
    parts: dict[str, ViewPart] | None = None,
    life: Life = FOREVER,
    idle_since: Mapping[str, float] = NOBODY_IDLE,
    joins: bool = True,
    promised: Shape | None = None,
) -> FleetView:
    """One queue's part of one cloud; what goes in, and how it counts, is told at the head of this file."""
    if not vms:
        return FleetView(cloud=cloud, queue=queue, at=now)
    parts = {} if parts is None else parts
    for vm in vms:
        machine, there = machines.get(vm.id), vm.id in seen
        short = life.ends and life.short(vm.id, vm.born, now)
        part = parts.get(vm.id)
        if part is None or not part.is_of(vm, machine, there, short):
            parts[vm.id] = _part(vm, machine, there, short, promised) if joins else _pilot(vm)
    return _counted(cloud, queue, now, [parts[vm.id] for vm in vms], idle_since)


def _counted(
    cloud: str, queue: str, now: float, parts: Sequence[ViewPart], idle_since: Mapping[str, float]
) -> FleetView:
    labels = Counter(part.labels for part in parts)
    counts: Counter[str] = Counter(claims=sum(part.claims for part in parts))
    for several, number in labels.items():
        counts.update(dict.fromkeys(several, number))
    unclaimed = (idle_since[part.vm.id] for part in parts if part.unclaimed and part.vm.id in idle_since)
    told = {
        "free": tuple(slot for part in parts for slot in part.free),
        "unclaimed_since": tuple(sorted(unclaimed)),
        "left_at": max(part.left_at for part in parts),
    }
    return FleetView(cloud=cloud, queue=queue, at=now, **told, **counts)  # type: ignore[arg-type]


def _part(vm: Vm, machine: Machine | None, seen: bool, short: bool, promised: Shape | None) -> ViewPart:
    worker = machine if vm.state is State.READY and not (vm.notice or vm.astray) else None
    return ViewPart(
        vm=vm,
        machine=machine,
        seen=seen,
        short=short,
        labels=tuple(_labels(vm, machine, seen, short)),
        free=tuple(_clipped(_free(worker), promised)) if worker and not short else (),
        claims=min(claims(worker), promised.cpus if promised else NO_END) if worker else 0,
        left_at=left_at(vm),
        unclaimed=worker is not None and seen and not (short or vm.held) and _unclaimed(worker),
    )


def _pilot(vm: Vm) -> ViewPart:
    runs = vm.state is State.READY
    labels = [_label(vm)] if vm.alive else []
    labels += ["held"] if vm.alive and vm.held else []
    labels += ["busy"] if runs else []
    return ViewPart(vm=vm, machine=None, seen=False, short=False, labels=tuple(labels), claims=int(runs))


def _unclaimed(machine: Machine) -> bool:
    return bool(machine.slots) and all(
        slot.state == "Unclaimed" and not (slot.children or slot.draining) for slot in machine.slots
    )


def _labels(vm: Vm, machine: Machine | None, seen: bool, short: bool) -> list[str]:
    if not vm.alive:
        return []
    labels = [_label(vm)]
    if vm.held:
        labels.append("held")
    if vm.state is State.READY and not (vm.notice or vm.astray):
        busy = machine is not None and machine.busy
        labels += ["busy"] if busy else ["idle", "old"] if short else ["idle"]
        labels += [] if seen else ["suspect"]
    if cancellable(vm, machine):
        labels.append("cancellable")
    return labels


def _label(vm: Vm) -> str:
    if vm.notice and vm.state in SUPPLY:
        return "leaving"
    if vm.astray and vm.state in SUPPLY:
        return "astray"
    if vm.awaits_answer:
        return "silent"
    return "unwanted" if vm.unwanted and vm.state is not State.DRAINING else vm.state.value


def claims(machine: Machine) -> int:
    """How many jobs are, or may be, on it."""
    return sum(slot.children if slot.partitionable else int(slot.busy) for slot in machine.slots)


def _free(machine: Machine) -> list[tuple[int, int, int, int]]:
    """What new jobs find: all of a free static slot, the rest of a partitionable one; nothing on one that drains."""
    return [
        (slot.free.cpus, slot.free.memory_mib, slot.free.disk_mib, slot.free.gpus)
        for slot in machine.slots
        if slot.free.cpus and (slot.partitionable or not slot.busy) and not (slot.draining or slot.state == "Drained")
    ]


def _clipped(free: list[tuple[int, int, int, int]], most: Shape | None) -> Iterator[tuple[int, int, int, int]]:
    """The slots as far as they are within `most` all together, one after the other."""
    if most is None:
        yield from free
        return
    left = (most.cpus, most.memory_mib, most.disk_mib, most.gpus)
    for slot in free:
        cpus, memory_mib, disk_mib, gpus = map(min, slot, left)
        if cpus > 0:
            yield cpus, memory_mib, disk_mib, gpus
        left = (left[0] - cpus, left[1] - memory_mib, left[2] - disk_mib, left[3] - gpus)
