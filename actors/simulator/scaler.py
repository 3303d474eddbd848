"""Who decides in a simulation: this project's own decision, by the same code that runs in a factory.

A scaler is asked every `interval_s` and says how many VMs each cloud should have. It sees what its real counterpart
could see. Readings are taken at that moment: their own delay is part of the interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from actors.fleet.boots import boots
from actors.fleet.observations import JobClass, JobsSeen, ScheddSeen
from actors.fleet.shape import Shape
from actors.fleet.vm import State
from actors.fleet.want import CloudView, FleetView, Want
from actors.policies.provisioning.decide import Decision, decide
from actors.policies.provisioning.matchmaking import Size
from actors.policies.provisioning.past import NO_PAST, SLOT_S
from actors.policies.rules import QueueRules
from actors.policies.steps import Counts
from actors.simulator.world import SimulatedSite


class Scaler(Protocol):
    name: str
    interval_s: float

    def scale(self, world: SimulatedSite) -> Mapping[str, int]:
        """VMs that each cloud should have now."""
        ...


class Ours:
    """The decision of a factory's scheduler for one queue."""

    def __init__(self, queue: QueueRules, *, interval_s: float = 15.0, name: str = "apf", wakes: bool = False) -> None:
        """`wakes`: where a VM joined and jobs wait, the pool is asked to negotiate."""
        self.name, self.interval_s = name, interval_s
        self._wakes, self._joined, self._past = wakes, 0, NO_PAST
        self.decision: Decision | None = None
        self._queue = queue
        self._wants: dict[str, Want] = {}

    def restless(self, world: SimulatedSite) -> bool:
        """A surplus waits for its time to be released, or what is kept ahead changes with time."""
        if any(want.surplus for want in self._wants.values()):
            return True
        if self._queue.ahead is None or self.decision is None:
            return False
        return bool(self._past.seen) and world.env.now - self.decision.at >= SLOT_S

    def scale(self, world: SimulatedSite) -> Mapping[str, int]:
        now = world.env.now
        fleet: dict[str, FleetView | None] = {cloud: fleet_view(world, cloud) for cloud in world.clouds}
        views: dict[str, CloudView | None] = {cloud: cloud_view(world, cloud) for cloud in world.clouds}
        rules = {name: cloud.rules for name, cloud in world.clouds.items()}
        counts, name = Counts(started=started(world)), f"t{now:.0f}"
        self.decision = decide(
            self._queue, seen(world), fleet, rules, views, self._wants, now, name, counts, past=self._past
        )
        self._wants, self._past = dict(self.decision.wants), self.decision.past
        if self._wakes and world.joined > self._joined and any(world.waiting.values()):
            world.negotiate_soon()
        self._joined = world.joined
        return {cloud: want.n for cloud, want in self._wants.items()}


def started(world: SimulatedSite) -> int:
    """VMs, ever."""
    return sum(world.meter.started.values()) + sum(map(len, world.machines.values()))


def seen(world: SimulatedSite) -> JobsSeen:
    """The pool's jobs as a reading shows them."""
    asked = {ask for ask, queue in world.waiting.items() if queue} | {ask for ask, n in world.running.items() if n}
    classes = tuple(
        JobClass(queue="queue", request=_shape(ask), idle=len(world.waiting[ask]), running=world.running[ask])
        for ask in sorted(asked)
    )
    return JobsSeen(source="simulated", at=world.env.now, classes=classes, schedds=(ScheddSeen(name="simulated"),))


def _shape(ask: Size) -> Shape:
    return Shape(cpus=ask[0], memory_mib=ask[1], disk_mib=ask[2], gpus=ask[3])


def fleet_view(world: SimulatedSite, cloud: str) -> FleetView:
    """One cloud's VMs as its holder publishes them."""
    counts = dict.fromkeys(("booting", "unwanted", "draining", "cancellable", "busy", "idle", "old", "claims"), 0)
    free: list[Size] = []
    ends = world.clouds[cloud].life.ends
    for machine in world.machines[cloud].values():
        if machine.state is State.BOOTING:
            counts["unwanted" if machine.unwanted else "booting"] += 1
        elif machine.state is State.DRAINING:
            counts["draining"] += 1
            counts["cancellable"] += not machine.final
        else:
            short = ends and world.short(machine)
            counts["busy" if machine.jobs else "idle"] += 1
            counts["old"] += short and not machine.jobs
            counts["claims"] += machine.jobs
            if machine.free[0] > 0 and not short:
                free.append(machine.free)
    view = FleetView(cloud=cloud, queue="queue", at=world.env.now, free=tuple(free), unclaimed_since=(), **counts)
    return replace(view, ready=view.busy + view.idle)


def cloud_view(world: SimulatedSite, cloud: str) -> CloudView:
    boot_s, boot_spread = boots(world.boots_s[cloud])
    return CloudView(
        cloud=cloud,
        at=world.env.now,
        room=world.room(cloud),
        family_used=world.family_used(cloud),
        boot_s=boot_s,
        boot_spread=boot_spread,
    )
