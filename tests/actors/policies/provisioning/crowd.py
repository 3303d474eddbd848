"""Several queues on the same clouds, each with its own scheduler, and clouds that do at once what is wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from actors.fleet.want import CloudView, FleetView, Want
from actors.policies.fair_share import Ask, AskOfFactory, divide, factory_share, short
from actors.policies.limits import Limit, Usage
from actors.policies.provisioning.decide import Decision, decide
from actors.policies.rules import CloudRules, QueueRules
from tests.actors.policies.site import NOW, demand, has, jobs


@dataclass(kw_only=True)
class Member:
    """One queue: `total` jobs that never end, of one core each. `vms` by cloud: idle and busy ones."""

    cascade: tuple[tuple[str, ...], ...]
    total: int
    priority: int = 0
    share: float = 1.0
    vms: dict[str, list[int]] = field(default_factory=dict)
    wants: dict[str, Want] = field(default_factory=dict)

    @property
    def running(self) -> int:
        return sum(busy for _, busy in self.vms.values())


class Crowd:
    """`round` lets each queue decide in the given order, as schedulers do; then the clouds' holders act."""

    def __init__(
        self,
        clouds: Sequence[CloudRules],
        members: Mapping[str, Member],
        factory: Limit = Limit(),  # noqa: B008
    ) -> None:
        self.clouds = {cloud.name: replace(cloud, shared=True) for cloud in clouds}
        self.members, self.factory = dict(members), factory
        self.now = NOW
        for member in self.members.values():
            for cloud in self.clouds:
                member.vms.setdefault(cloud, [0, 0])

    def have(self) -> dict[str, dict[str, int]]:
        return {q: {c: sum(vms) for c, vms in m.vms.items() if sum(vms)} for q, m in self.members.items()}

    def used(self, cloud: str) -> int:
        return sum(sum(member.vms[cloud]) for member in self.members.values())

    def round(self, order: Sequence[str] = ()) -> None:
        for queue in order or self.members:
            self.members[queue].wants = dict(self.decided(queue).wants)
        self._act()
        self.now += 20.0

    def settle(self, rounds: int = 12, order: Sequence[str] = ()) -> None:
        for _ in range(rounds):
            self.round(order)

    def decided(self, queue: str) -> Decision:
        member = self.members[queue]
        mine = {name: self.clouds[name] for tier in member.cascade for name in tier}
        fleet: dict[str, FleetView | None] = {name: self._view(queue, rules) for name, rules in mine.items()}
        views: dict[str, CloudView | None] = {
            name: CloudView(cloud=name, at=self.now, room=max(0, rules.max_vms - self.used(name)))
            for name, rules in mine.items()
        }
        rules = QueueRules(
            name=queue,
            cascade=member.cascade,
            release_after_s=30.0,
            factory_limit=self.factory,
            factory_shared=True,
        )
        seen = demand(jobs(member.total - member.running, running=member.running), at=self.now)
        return decide(
            rules,
            seen,
            fleet,
            mine,
            views,
            member.wants,
            self.now,
            f"d{self.now}",
            elsewhere=self._spent(*(q for q in self.members if q != queue)),
            factory_share=factory_share(self.factory, self._asks(), queue),
        )

    def _view(self, queue: str, rules: CloudRules) -> FleetView:
        asks = (
            Ask(queue=name, asked=want.asks, priority=member.priority, share=member.share)
            for name, member in self.members.items()
            if (want := member.wants.get(rules.name))
        )
        idle, busy = self.members[queue].vms[rules.name]
        share = short(rules.max_vms, asks).get(queue, -1)
        return replace(has(rules, idle=idle, busy=busy, at=self.now), queue=queue, share=share)

    def _spent(self, *queues: str, alone: bool = False) -> Usage:
        spent = Usage()
        for queue in queues:
            for name, want in self.members[queue].wants.items():
                cloud = self.clouds[name]
                spent = spent.plus(want.asks_of_factory if alone else want.n, cloud.cores, cloud.usd_per_hour)
        return spent

    def _asks(self) -> list[AskOfFactory]:
        return [
            AskOfFactory(queue=q, asked=self._spent(q, alone=True), priority=m.priority, share=m.share)
            for q, m in self.members.items()
        ]

    def _act(self) -> None:
        """First what is given up ends (its jobs wait again), then what is wanted starts, as far as there is room."""
        for member in self.members.values():
            for name, want in member.wants.items():
                idle, busy = member.vms[name]
                member.vms[name] = [max(0, min(idle, want.n - busy)), min(busy, want.n)]
        for name, rules in self.clouds.items():
            missing = (
                Ask(queue=q, asked=max(0, m.wants[name].n - sum(m.vms[name])), priority=m.priority, share=m.share)
                for q, m in self.members.items()
                if name in m.wants
            )
            for queue, vms in divide(rules.max_vms - self.used(name), missing).items():
                self.members[queue].vms[name][0] += vms
        for member in self.members.values():
            for vms in member.vms.values():
                started = min(vms[0], member.total - member.running)
                vms[0], vms[1] = vms[0] - started, vms[1] + started
