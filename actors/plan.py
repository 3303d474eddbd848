"""What would be done now, and why, without doing it: one look at every pool and cloud, and one decision for each queue.

Nothing is remembered and nothing is written. So VMs are those that the clouds list with our tags, joined or not as the
pools show; a surplus is shown as if it had lasted already, since a plan has no past, and steps that count over time
have nothing to count; operators' holds are not known. A pool or a cloud that does not answer is named, and what rests
on it stays as it is, as in a running factory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from actors.clouds.port import CloudError
from actors.config import Config
from actors.fleet.matching import match
from actors.fleet.seen import Failed, JobsSeen, Listed, StartdsSeen
from actors.fleet.supply import view
from actors.fleet.vm import State, Vm
from actors.fleet.want import CloudView, FleetView, Want
from actors.policies.decide import Decision, decide
from actors.pools.port import PoolError
from actors.rules import rules_of

T = TypeVar("T")


class Looks(Protocol):
    """Of a pool, what a plan needs."""

    def jobs(self, now: float) -> JobsSeen: ...
    def startds(self, now: float) -> StartdsSeen: ...


class Lists(Protocol):
    """Of a cloud, what a plan needs."""

    def listing(self, now: float) -> Listed: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One queue's plan. `have`: VMs by cloud, None where that is not known."""

    have: Mapping[str, int | None]
    decision: Decision

    @property
    def changes(self) -> bool:
        return any(self.decision.wants[cloud].n != n for cloud, n in self.have.items() if n is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One look at the world."""

    jobs: Mapping[str, JobsSeen | Failed]
    startds: Mapping[str, StartdsSeen | Failed]
    listings: Mapping[str, Listed | Failed]


def look(pools: Mapping[str, Looks], clouds: Mapping[str, Lists], now: float) -> Seen:
    """Ask everything once. What does not answer is Failed, with its reason."""
    return Seen(
        jobs={name: _asked(name, now, pool.jobs) for name, pool in pools.items()},
        startds={name: _asked(name, now, pool.startds) for name, pool in pools.items()},
        listings={name: _asked(name, now, cloud.listing) for name, cloud in clouds.items()},
    )


def _asked(source: str, now: float, ask: Callable[[float], T]) -> T | Failed:
    try:
        return ask(now)
    except (PoolError, CloudError) as wrong:
        return Failed(source=source, at=now, reason=str(wrong))


def plan(config: Config, seen: Seen, now: float) -> tuple[Planned, ...]:
    """The plan of each queue, in the configuration's order."""
    return tuple(_planned(config, queue, seen, now) for queue in config.queues)


def _planned(config: Config, queue: str, seen: Seen, now: float) -> Planned:
    rules, pool = rules_of(config, queue), config.queues[queue].pool
    fleet: dict[str, FleetView | None] = {}
    views: dict[str, CloudView | None] = {}
    for cloud in rules.queue.clouds:
        fleet[cloud], views[cloud] = _views(config, cloud, queue, seen.listings[cloud], seen.startds[pool], now)
    have = {cloud: known.supply if known else None for cloud, known in fleet.items()}
    before = {cloud: Want(queue=queue, cloud=cloud, n=n, reasons=("what there is",)) for cloud, n in have.items() if n}
    at_once = replace(rules.queue, release_after_s=0.0)
    decision = decide(at_once, _of(seen.jobs[pool], queue), fleet, rules.clouds, views, before, now, "plan")
    return Planned(have=have, decision=decision)


def _of(seen: JobsSeen | Failed, queue: str) -> JobsSeen | Failed:
    if isinstance(seen, Failed):
        return seen
    return replace(seen, classes=tuple(job for job in seen.classes if job.queue == queue))


def _views(
    config: Config, cloud: str, queue: str, listing: Listed | Failed, startds: StartdsSeen | Failed, now: float
) -> tuple[FleetView | None, CloudView | None]:
    if isinstance(listing, Failed) or isinstance(startds, Failed):
        return None, None
    booting = [
        Vm(
            id=instance.id,
            cloud=cloud,
            queue=instance.queue,
            state=State.BOOTING,
            since=instance.launched_at,
            born=instance.launched_at,
            reason="listed",
            instance_id=instance.id,
        )
        for instance in listing.instances
        if instance.state in ("pending", "running")
    ]
    machines = match(startds.machines, booting).machines
    vms = [replace(vm, state=State.READY) if vm.id in machines else vm for vm in booting if vm.queue == queue]
    room = max(0, config.clouds[cloud].max_vms - len(booting))
    fleet = view(cloud, queue, vms, machines, frozenset(machines), now)
    return fleet, CloudView(cloud=cloud, at=now, room=room)
