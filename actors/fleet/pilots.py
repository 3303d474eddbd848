"""VMs that are no workers of a pool: pilots, which take the jobs of a workload system and end by themselves.

They have no startd, so nobody drains them, and nobody sees whether they are busy. What their cloud says is all that is
known: they wait, run, or are over. The rules:

- One that waits may be taken back at once, when it is not wanted any more or is stuck (held for too long).
- One that runs is never ended by policy. That it is not wanted any more is forgotten: it ends when it finds no work.
- One that was evicted waits again, and may be taken back again.
- Right before it is taken back it may have begun to run: whoever ends it has to spare it then (`clouds.port`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from actors.fleet.lifecycle import Event, move
from actors.fleet.observations import Instance, Listed
from actors.fleet.vm import State, Vm

WAITS = ("pending", "stuck")


class PilotsWorld(Protocol):
    """What of `reconcile.World` counts for them."""

    @property
    def now(self) -> float: ...
    @property
    def listed(self) -> Listed | None: ...
    @property
    def instances(self) -> Mapping[str, Instance]: ...


def runs(vm: Vm, world: PilotsWorld) -> Vm | None:
    """Its cloud says that it runs."""
    instance = world.instances.get(vm.instance_id)
    if vm.state is not State.BOOTING or instance is None or instance.state != "running":
        return None
    return running(vm, world.now, f"it runs, {world.now - vm.born:.0f} s after it was submitted")


def running(vm: Vm, now: float, why: str) -> Vm:
    """It may not be taken back any more."""
    return move(vm, Event.JOINED, now, why, joined=now, unwanted=0.0)


def evicted(vm: Vm, world: PilotsWorld) -> Vm | None:
    """A listing that is newer than its row says that it waits again."""
    instance = world.instances.get(vm.instance_id)
    if vm.state is not State.READY or instance is None or instance.state not in WAITS:
        return None
    if world.listed is None or world.listed.at <= vm.since:
        return None
    return move(vm, Event.EVICTED, world.now, f"it waits again: {instance.reason or 'it was evicted'}")


def stuck(vm: Vm, world: PilotsWorld) -> Vm | None:
    """It waits, and its cloud says that it will not run."""
    instance = world.instances.get(vm.instance_id)
    if vm.state is not State.BOOTING or vm.held or instance is None or instance.state != "stuck":
        return None
    return move(vm, Event.TAKEN_BACK, world.now, f"stuck, and taken back: {instance.reason}")


def taken_back(vm: Vm, world: PilotsWorld) -> Vm | None:
    """It was given up while it waits."""
    if vm.state is not State.BOOTING or not vm.unwanted or vm.held:
        return None
    return move(vm, Event.TAKEN_BACK, world.now, "it waits and is not wanted any more: taken back")


def run_of(vm: Vm, instance: Instance, short_run_s: float, now: float) -> dict[str, Any]:
    """Of one that is over: how long it ran. That it did says that its cloud works, even if nobody saw it run."""
    if not instance.ran_s:
        return {}
    short = instance.finished and instance.ran_s < short_run_s
    return {"ran_s": instance.ran_s, "short": short, "joined": vm.joined or max(vm.born, now - instance.ran_s)}


def spared(vm: Vm, now: float) -> Vm:
    """It was to be taken back, and its cloud did not: it runs by now."""
    return replace(running(vm, now, "it began to run before it was taken back"), end_asked=0.0)


STEPS = (runs, evicted, stuck, taken_back)
