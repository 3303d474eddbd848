"""VMs for which nothing can have changed since the last look: they are not walked along the steps again.

Of ten thousand VMs nearly all are ready, and their ad and their instance are as they were. For such a VM the steps of
`reconcile` and of `shadow` look at nothing else: not at the time, not at the health of its pool. So one that a walk
left as it was stays as it is for as long as its row, its ad and its instance are the same objects (readings give the
same object where nothing changed). A VM in any other state, or given up, or not listed, is walked each time.

A step that looks at anything more of a ready VM has to be named in `_waits`; tests/actors/fleet/test_unchanged.py walks
random worlds both ways.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from actors.fleet.observations import Instance, Machine
from actors.fleet.reconcile import World
from actors.fleet.told import same_pool
from actors.fleet.vm import State, Vm


class Still:
    """Of one cloud, for one term."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[Vm, Machine | None, Instance]] = {}  # by VM id: what a walk left as it was

    def walked(self, walk: Callable[[Vm, World], Vm], vm: Vm, world: World) -> Vm:
        """As `walk(vm, world)`, which need not be made if nothing has changed."""
        machine, instance = world.machine(vm), world.instances.get(vm.instance_id)
        left = self._left.get(vm.id)
        if left and left[0] is vm and left[1] is machine and left[2] is instance:
            return vm
        after = walk(vm, world)
        if after is vm and instance is not None and not _waits(vm, machine, world):
            self._left[vm.id] = (vm, machine, instance)
        else:
            self._left.pop(vm.id, None)
        return after

    def forget_others(self, kept: Collection[str]) -> None:
        """Rows that are gone, once there are more of them than rows: nobody asks for them meanwhile."""
        if len(self._left) <= len(kept):
            return
        for vm_id in [vm_id for vm_id in self._left if vm_id not in kept]:
            del self._left[vm_id]


def _waits(vm: Vm, machine: Machine | None, world: World) -> bool:
    """Whether the time, what is seen of others, or of which pool the next reading is, may move this VM."""
    if vm.state is not State.READY or vm.unwanted:
        return True
    return machine is None or not same_pool(vm.pool, world.told)
