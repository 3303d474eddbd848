"""What would be done now, and why, without doing it: one look at every pool and cloud, and one decision for each queue.

Nothing is remembered and nothing is written. So VMs are those that the clouds list with our tags, joined or not as the
pools show; they count as what the newest of them that joined offer, however they were made; a surplus is shown as if it
had lasted already, since a plan has no past, and steps that count over time have nothing to count; operators' holds are
not known. A pool or a cloud that does not answer is named, and what rests on it stays as it is, as in a running
factory.

Queues that want more of a cloud than there is are planned together: what each asks for is divided as the clouds'
holders would, and the room that one queue takes is not there for the next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, runtime_checkable

from actors.clouds.port import CloudError
from actors.config.as_policy import shape_of
from actors.config.policy_rules import FactoryRules, life_of, rules_of, share_of_factory, shares, spent
from actors.config.schema import Config
from actors.fleet.fleet_view import view
from actors.fleet.joined import Joined, taught
from actors.fleet.matching import match
from actors.fleet.observations import Failed, Instance, JobsSeen, Listed, StartdsSeen
from actors.fleet.vm import State, Vm
from actors.fleet.want import CloudView, FleetView, Want
from actors.policies.limits import NO_LIMITS, NOTHING_SPENT
from actors.policies.provisioning.decide import Decision, decide
from actors.pools.port import NO_SLOTS, PoolError, Slots
from actors.store.shape_quotas import parts

T = TypeVar("T")
NOTHING_TO_ASK: Mapping[str, Slots] = {}


class Looks(Protocol):
    """Of a pool, what a plan needs."""

    def jobs(self, now: float, slots: Slots = NO_SLOTS) -> JobsSeen: ...


@runtime_checkable
class ShowsStartds(Protocol):
    """Of a pool that workers join, what a plan needs beside its jobs."""

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
        wants = self.decision.wants
        return any(wants[cloud].n != n for cloud, n in self.have.items() if n is not None and cloud in wants)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One look at the world."""

    jobs: Mapping[str, JobsSeen | Failed]
    startds: Mapping[str, StartdsSeen | Failed]
    listings: Mapping[str, Listed | Failed]


def look(
    pools: Mapping[str, Looks], clouds: Mapping[str, Lists], now: float, slots: Mapping[str, Slots] = NOTHING_TO_ASK
) -> Seen:
    """Ask everything once. What does not answer is Failed, with its reason. `slots`: by pool, see `Pool.jobs`."""
    return Seen(
        jobs={name: _asked(name, now, _jobs_of(pool, slots.get(name, NO_SLOTS))) for name, pool in pools.items()},
        startds={n: _asked(n, now, pool.startds) for n, pool in pools.items() if isinstance(pool, ShowsStartds)},
        listings={name: _asked(name, now, cloud.listing) for name, cloud in clouds.items()},
    )


def _jobs_of(pool: Looks, slots: Slots) -> Callable[[float], JobsSeen]:
    return lambda now: pool.jobs(now, slots) if slots else pool.jobs(now)


def _asked(source: str, now: float, ask: Callable[[float], T]) -> T | Failed:
    try:
        return ask(now)
    except (PoolError, CloudError) as wrong:
        return Failed(source=source, at=now, reason=str(wrong))
    except Exception as mistake:  # noqa: BLE001  the edge to other packages' kinds: one's mistake is not the others'
        said = f"its code raised {type(mistake).__name__}: {mistake}"
        return Failed(source=source, at=now, reason=said)


def plan(config: Config, seen: Seen, now: float) -> tuple[Planned, ...]:
    """The plan of each queue, in the configuration's order."""
    joined = {cloud: _joined(cloud, seen) for cloud in config.clouds}
    scenes = {queue: _scene(config, queue, seen, joined, now) for queue in config.queues}
    wants = _settled(config, scenes, now)
    parts = _parts(config, wants)
    planned: dict[str, Planned] = {}
    taken: Counter[str] = Counter()
    for queue in sorted(config.queues, key=lambda name: -config.queues[name].priority):
        scene = scenes[queue]
        decision = _decided(config, scene, parts, wants, taken, now)
        wants = {**wants, queue: decision.wants}
        planned[queue] = Planned(have=scene.have, decision=decision)
        taken.update({cloud: max(0, want.n - (scene.have[cloud] or 0)) for cloud, want in decision.wants.items()})
    return tuple(planned[queue] for queue in config.queues)


Wants = Mapping[str, Mapping[str, Want]]  # by queue and cloud
Parts = Mapping[str, Mapping[str, int]]  # by cloud and queue: a share, where all queues want too much
NOTHING_TAKEN: Counter[str] = Counter()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """What one queue decides on."""

    queue: str
    rules: FactoryRules
    jobs: JobsSeen | Failed
    fleet: Mapping[str, FleetView | None]
    views: Mapping[str, CloudView | None]

    @property
    def have(self) -> dict[str, int | None]:
        return {cloud: known.supply if known else None for cloud, known in self.fleet.items()}

    @property
    def before(self) -> dict[str, Want]:
        why = ("what there is",)
        return {cloud: Want(queue=self.queue, cloud=cloud, n=n, reasons=why) for cloud, n in self.have.items() if n}


def _joined(cloud: str, seen: Seen) -> Joined:
    """What a plan knows of what joined: the startds that it sees."""
    vms = _booting(cloud, seen.listings[cloud])
    joined = Joined(promise="")
    for startds in seen.startds.values():
        machines = match(startds.machines, vms).machines if isinstance(startds, StartdsSeen) else {}
        workers = [(replace(vm, state=State.READY, joined=vm.born), machines.get(vm.id)) for vm in vms]
        joined = taught(joined, [(vm, machine) for vm, machine in workers if machine])
    return joined


def _scene(config: Config, queue: str, seen: Seen, joined: Mapping[str, Joined], now: float) -> _Scene:
    rules, pool = rules_of(config, queue, joined), config.queues[queue].pool
    views = {cloud: _views(config, cloud, queue, seen, pool, now) for cloud in rules.queue.clouds}
    return _Scene(
        queue=queue,
        rules=replace(rules, queue=replace(rules.queue, release_after_s=0.0)),
        jobs=_of(seen.jobs[pool], queue),
        fleet={cloud: fleet for cloud, (fleet, _) in views.items()},
        views={cloud: view for cloud, (_, view) in views.items()},
    )


def _settled(config: Config, scenes: Mapping[str, _Scene], now: float) -> Wants:
    """The wants once all queues know of each other's: a round a tier, and two for the factory's limits."""
    wants: Wants = {queue: scene.before for queue, scene in scenes.items()}
    for _ in range(2 + max((len(queue.cascade) for queue in config.queues.values()), default=0)):
        parts, before = _parts(config, wants), wants
        wants = {q: _decided(config, scene, parts, before, NOTHING_TAKEN, now).wants for q, scene in scenes.items()}
        if _asks(wants) == _asks(before):
            break
    return wants


def _asks(wants: Wants) -> dict[tuple[str, str], tuple[int, int]]:
    return {(q, c): (want.asks, want.asks_of_factory) for q, of_queue in wants.items() for c, want in of_queue.items()}


def _parts(config: Config, wants: Wants) -> Parts:
    by_cloud: dict[str, dict[str, Want]] = {cloud: {} for cloud in config.clouds}
    for queue, of_queue in wants.items():
        for cloud, want in of_queue.items():
            by_cloud[cloud][queue] = want
    parts = {cloud: shares(config, cloud, of_cloud) for cloud, of_cloud in by_cloud.items()}
    return parts | {_all_of(name): _family_parts(config, shapes, by_cloud) for name, shapes in config.families.items()}


def _all_of(family: str) -> str:
    """The key of all shapes of a cloud together; no cloud has such a name."""
    return f"{family}-*"


def _family_parts(
    config: Config, shapes: tuple[str, ...], by_cloud: Mapping[str, Mapping[str, Want]]
) -> dict[str, int]:
    asked: Counter[str] = Counter()
    for shape in shapes:
        asked.update({queue: want.asks for queue, want in by_cloud[shape].items() if queue in config.queues})
    family = config.clouds[shapes[0]].family
    return parts(config, family.max_vms, asked) if family else {}


def _decided(
    config: Config, scene: _Scene, given: Parts, wants: Wants, taken: Mapping[str, int], now: float
) -> Decision:
    everything = [want for of_queue in wants.values() for want in of_queue.values()]
    limited = scene.rules.look_elsewhere
    fleet = {
        cloud: replace(view, share=given[cloud].get(scene.queue, -1), family_share=_family_share(scene, cloud, given))
        if view
        else None
        for cloud, view in scene.fleet.items()
    }
    views = {cloud: _with_taken(config, view, taken) if view else None for cloud, view in scene.views.items()}
    return decide(
        scene.rules.queue,
        scene.jobs,
        fleet,
        scene.rules.clouds,
        views,
        scene.before,
        now,
        "plan",
        elsewhere=spent(config, [w for w in everything if w.queue != scene.queue]) if limited else NOTHING_SPENT,
        factory_share=share_of_factory(config, scene.queue, everything) if limited else NO_LIMITS,
    )


def _family_share(scene: _Scene, cloud: str, given: Parts) -> int:
    family = scene.rules.clouds[cloud].family
    return given[_all_of(family)].get(scene.queue, -1) if family else -1


def _with_taken(config: Config, view: CloudView, taken: Mapping[str, int]) -> CloudView:
    """With what queues that were planned before took of it, and of its sibling shapes."""
    family = config.clouds[view.cloud].family
    used = view.family_used + sum(taken.get(one, 0) for one in config.families[family.name]) if family else 0
    return replace(view, room=max(0, view.room - taken.get(view.cloud, 0)), family_used=used)


def _of(seen: JobsSeen | Failed, queue: str) -> JobsSeen | Failed:
    if isinstance(seen, Failed):
        return seen
    if unread := seen.of(queue).unread:
        return Failed(source=seen.source, at=seen.at, reason=unread)
    return replace(seen, classes=tuple(job for job in seen.classes if job.queue == queue))


def _views(
    config: Config, cloud: str, queue: str, seen: Seen, pool: str, now: float
) -> tuple[FleetView | None, CloudView | None]:
    listing, startds = seen.listings[cloud], _startds_of(config, cloud, seen, pool, now)
    if isinstance(listing, Failed) or isinstance(startds, Failed):
        return None, None
    booting = _booting(cloud, listing)
    machines = match(startds.machines, booting).machines
    vms = [replace(vm, state=State.READY) if vm.id in machines else vm for vm in booting if vm.queue == queue]
    room = max(0, config.clouds[cloud].max_vms - len(booting))
    settings = config.clouds[cloud]
    promised, life = shape_of(settings), life_of(settings)
    fleet = view(cloud, queue, vms, machines, frozenset(machines), now, life=life, promised=promised)
    return fleet, _with_siblings(config, CloudView(cloud=cloud, at=now, room=room), seen)


def _booting(cloud: str, listing: Listed | Failed) -> list[Vm]:
    """What a listing shows, as VMs that have not joined."""
    return [
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
        for instance in (_living(listing) if isinstance(listing, Listed) else ())
    ]


def _startds_of(config: Config, cloud: str, seen: Seen, pool: str, now: float) -> StartdsSeen | Failed:
    """Workers that join no pool have none there: what they do stands in their cloud's listing."""
    joins = config.clouds[cloud].joins_pool and config.pools[pool].has_startds
    return seen.startds[pool] if joins else StartdsSeen(source=pool, at=now, machines=())


def _with_siblings(config: Config, view: CloudView, seen: Seen) -> CloudView:
    """With what all shapes of its cloud have. While one of them is not known, nothing is bought of any, as in life."""
    family = config.clouds[view.cloud].family
    if not family:
        return view
    listings = {shape: seen.listings[shape] for shape in config.families[family.name]}
    away = [shape for shape, listing in listings.items() if isinstance(listing, Failed)]
    if away:
        return replace(view, room=0, full=f"what cloud/{away[0]} has of cloud {family.name} is not known")
    used = sum(len(_living(listing)) for listing in listings.values() if isinstance(listing, Listed))
    return replace(view, room=max(0, min(view.room, family.max_vms - used)), family_used=used)


def _living(listing: Listed) -> list[Instance]:
    return [instance for instance in listing.instances if instance.state in ("pending", "running")]
