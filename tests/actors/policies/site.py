"""A queue with clouds to decide about: short ways to say what a test is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from actors.fleet.observations import Failed, JobClass, JobsSeen, ScheddSeen
from actors.fleet.shape import Shape
from actors.fleet.want import CloudView, FleetView, Want
from actors.policies.provisioning.decide import Decision, decide
from actors.policies.provisioning.past import NO_PAST, Past
from actors.policies.rules import AheadRules, CloudRules, QueueRules, cloud_rules

NOW = 10_000.0


def cloud(name: str, max_vms: int = 10, cpus: int = 1, gpus: int = 0, **rules: object) -> CloudRules:
    shape = Shape(cpus=cpus, memory_mib=cpus * 2_000, disk_mib=cpus * 10_000, gpus=gpus)
    return cloud_rules(name=name, shape=shape, max_vms=max_vms, **rules)  # type: ignore[arg-type]


def jobs(idle: int = 0, *, running: int = 0, cpus: int = 1, gpus: int = 0, **more: object) -> JobClass:
    request = Shape(cpus=cpus, memory_mib=cpus * 1_000, disk_mib=1_000, gpus=gpus)
    return JobClass(queue="atlas", request=request, idle=idle, running=running, **more)  # type: ignore[arg-type]


def demand(*classes: JobClass, at: float = NOW, missing: str = "") -> JobsSeen:
    schedds = (ScheddSeen(name="a"), ScheddSeen(name="b", error=missing))
    return JobsSeen(source="pool", at=at, classes=classes, schedds=schedds)


def has(cloud_: CloudRules, *, idle: int = 0, busy: int = 0, at: float = NOW - 1, **more: object) -> FleetView:
    """Idle VMs are wholly free, busy ones wholly taken, unless `free` says otherwise."""
    more.setdefault("free", (cloud_.size,) * idle * cloud_.slots)
    return FleetView(cloud=cloud_.name, queue="atlas", at=at, ready=idle + busy, idle=idle, busy=busy, **more)  # type: ignore[arg-type]


def want(cloud_: str, n: int, **more: object) -> Want:
    return Want(queue="atlas", cloud=cloud_, n=n, reasons=("a test",), **more)  # type: ignore[arg-type]


@dataclass
class Site:
    """Clouds in tiers. Views not given are those of an empty, open cloud; wants not given equal the supply."""

    tiers: tuple[tuple[CloudRules, ...], ...]
    max_vms: int | None = None
    release_after_s: float = 60.0
    fleet: dict[str, FleetView | None] = field(default_factory=dict)
    views: dict[str, CloudView | None] = field(default_factory=dict)
    wants: dict[str, Want] = field(default_factory=dict)
    ahead: AheadRules | None = None
    past: Past = NO_PAST

    @property
    def clouds(self) -> dict[str, CloudRules]:
        return {cloud.name: cloud for tier in self.tiers for cloud in tier}

    @property
    def queue(self) -> QueueRules:
        cascade = tuple(tuple(cloud.name for cloud in tier) for tier in self.tiers)
        return QueueRules(
            name="atlas",
            cascade=cascade,
            max_vms=self.max_vms,
            release_after_s=self.release_after_s,
            ahead=self.ahead,
        )

    def decide(self, seen: JobsSeen | Failed | None, now: float = NOW) -> Decision:
        fleet: dict[str, FleetView | None] = {name: has(cloud) for name, cloud in self.clouds.items()}
        fleet |= self.fleet
        views: dict[str, CloudView | None] = {name: self._open(name, fleet) for name in self.clouds}
        views |= self.views
        supplied = {name: want(name, view.supply) for name, view in fleet.items() if view}
        before = supplied | self.wants
        return decide(self.queue, seen, fleet, self.clouds, views, before, now, "decision-1", past=self.past)

    def _open(self, name: str, fleet: Mapping[str, FleetView | None]) -> CloudView:
        view = fleet[name]
        used = view.supply if view else 0
        return CloudView(cloud=name, at=NOW - 1, room=max(0, self.clouds[name].max_vms - used))


def numbers(decision: Decision) -> dict[str, int]:
    return {cloud: want.n for cloud, want in decision.wants.items()}
