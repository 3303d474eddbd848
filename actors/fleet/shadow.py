"""What follows for each VM where nothing is done about it: the steps of a shadow, which looks on while others act.

A shadow's rows are a picture of what another factory, or nobody, does with the VMs that carry the tags. So here what is
not listed any more has ended: nothing is bought or ended on the strength of it. And a drain that is no longer shown
was taken back. No VM is late, given up or asked for anything.
"""

from __future__ import annotations

from actors.fleet.adoption import SETTLE_S
from actors.fleet.lifecycle import Event, move
from actors.fleet.pilots import evicted, runs
from actors.fleet.reconcile import Step, World, died, emptied, joined, moved_house, taken_over
from actors.fleet.vm import State, Vm


def vanished(vm: Vm, world: World) -> Vm | None:
    """A complete listing, begun long enough after the VM was adopted, does not show it."""
    if not vm.alive or world.listed is None or vm.instance_id in world.instances:
        return None
    if world.listed.at <= vm.since + SETTLE_S:
        return None
    return move(vm, Event.GONE, world.now, "no longer listed")


def given_back(vm: Vm, world: World) -> Vm | None:
    """Its startd shows no drain any more."""
    machine = world.machine(vm)
    if vm.state is not State.DRAINING or machine is None or machine.draining_for(vm.nonce):
        return None
    back = {"nonce": "", "drain_for": None, "drain_asked": 0.0}
    return move(vm, Event.BACK, world.now, "its startd drains no more", **back)


STEPS: tuple[Step, ...] = (died, vanished, joined, moved_house, given_back, taken_over, emptied)
OF_PILOTS: tuple[Step, ...] = (died, vanished, runs, evicted)


def watch(vm: Vm, world: World) -> Vm:
    """The VM after all steps; the same object if nothing changed."""
    for step in STEPS if world.joins else OF_PILOTS:
        vm = step(vm, world) or vm
    return vm
