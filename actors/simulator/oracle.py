"""A yardstick: the reactive oracle. It knows when each running job will end and how long each waiting one will run, but
not what will be submitted. Boot times and limits are those of everybody.

Method, at every look: waiting jobs, in the order of their submission within a shape, the largest shapes first, are laid
onto the VMs that there are (and onto those that boot, from when they are expected), each at the earliest moment from
which its room stays free. Where that is later than a new VM could be there, one is bought. A VM that has no job, and
gets none by this plan, is given up at once. No factory can know what this one knows; a floor under VM-hours that needs
no method at all is the work divided by a VM's cores.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping

from actors.fleet.vm import State
from actors.policies.provisioning.matchmaking import Size
from actors.simulator.machine import SimulatedMachine, WaitingJob
from actors.simulator.world import CloudModel, SimulatedSite

NEVER = float("inf")


class Oracle:
    """The reactive oracle, for one cloud."""

    def __init__(self, *, interval_s: float = 5.0) -> None:
        self.name, self.interval_s = "oracle", interval_s

    def scale(self, world: SimulatedSite) -> Mapping[str, int]:
        ((name, cloud),) = world.clouds.items()
        plans = [_plan(world, machine, cloud) for machine in world.machines[name].values() if machine.supply]
        room = cloud.rules.max_vms - len(world.machines[name])
        bought = _lay(world, cloud, plans, room)
        unused = sum(plan.empty and not plan.used for plan in plans)
        return {name: len(plans) - unused + bought}


class FreeOverTime:
    """What is free on one VM from when on: steps `(time, free)`, the last for ever."""

    def __init__(self, free: Size, at: float, releases: Iterator[tuple[float, Size]], *, empty: bool) -> None:
        self.empty, self.used = empty, False
        self.steps: list[tuple[float, Size]] = [(at, free)]
        for when, ask in sorted(releases):
            free = _plus(free, ask)
            self.steps.append((max(when, at), free))

    def earliest(self, ask: Size) -> float:
        """From when on `ask` fits, and goes on to fit."""
        found = NEVER
        for when, free in reversed(self.steps):
            if not all(have >= want for have, want in zip(free, ask, strict=True)):
                break
            found = when
        return found

    def take(self, ask: Size, start: float, end: float) -> None:
        """A job of `ask` from `start` to `end`."""
        self.used = True
        moments = sorted({when for when, _ in self.steps} | {start, end})
        steps = []
        for when in moments:
            free = next(free for at, free in reversed(self.steps) if at <= when)
            steps.append((when, _minus(free, ask) if start <= when < end else free))
        self.steps = steps


def _plus(a: Size, b: Size) -> Size:
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3])


def _minus(a: Size, b: Size) -> Size:
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2], a[3] - b[3])


def _plan(world: SimulatedSite, machine: SimulatedMachine, cloud: CloudModel) -> FreeOverTime:
    now = world.env.now
    at = max(now, machine.born + cloud.boot_s) if machine.state is State.BOOTING else now
    releases = ((end, waiting.ask) for end, waiting in machine.on.values())
    return FreeOverTime(machine.free, at, releases, empty=machine.state is State.READY and not machine.jobs)


def _lay(world: SimulatedSite, cloud: CloudModel, plans: list[FreeOverTime], room: int) -> int:
    """Lay all waiting jobs; returns how many VMs are bought for them."""
    there = world.env.now + cloud.boot_s
    bought = 0
    for ask in sorted((ask for ask, queue in world.waiting.items() if queue), reverse=True):
        if not all(have >= want for have, want in zip(cloud.rules.size, ask, strict=True)):
            continue
        heap = [(plan.earliest(ask), number) for number, plan in enumerate(plans)]
        heapq.heapify(heap)
        for waiting in world.waiting[ask]:
            if bought < room and (not heap or heap[0][0] > there):
                plans.append(FreeOverTime(cloud.rules.size, there, iter(()), empty=False))
                heapq.heappush(heap, (there, len(plans) - 1))
                bought += 1
            if heap:
                _lay_one(heap, plans, ask, waiting)
    return bought


def _lay_one(heap: list[tuple[float, int]], plans: list[FreeOverTime], ask: Size, waiting: WaitingJob) -> None:
    start, number = heap[0]
    plan = plans[number]
    if start < NEVER:
        plan.take(ask, start, start + waiting.job.runtime_s)
        heapq.heapreplace(heap, (plan.earliest(ask), number))
