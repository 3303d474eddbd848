"""A factory's status, read from its rows alone: no host needs to answer, Redis is enough.

What is said of jobs and VMs is what the hosts last wrote; so the ages of the readings and the hosts' own beats belong
to the answer, and `troubles` weighs them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields

from actors.config.as_policy import shape_of
from actors.config.posts import posts_of
from actors.config.schema import Config
from actors.console.chain import chains
from actors.console.opened import held_clouds, known_edition, with_served
from actors.console.status_model import (
    AccountStatus,
    CloudStatus,
    HostStatus,
    PostStatus,
    QueueStatus,
    SourceStatus,
    Status,
    VmStatus,
    WantStatus,
    WishStatus,
)
from actors.console.troubles import troubles
from actors.fleet.joined import beyond, far_short, short
from actors.fleet.vm import State, Vm
from actors.fleet.want import CloudView
from actors.store import active_config
from actors.store.joined import read_joined
from actors.store.quotas import use_of
from actors.store.readings import demand_head, listing_head, startds_head
from actors.store.site import site_of
from actors.store.spot_notices import AGAIN_S, looked_head
from actors.store.views import read_views
from actors.store.vms import read_intents, read_vms
from actors.store.wants import QueueStanding, read_standing, read_wants, read_wishes
from broker.connection.clock import RedisClock
from broker.connection.damage import printable
from broker.errors import RedisRefused
from broker.mail.dead_letters import DeadLetters
from broker.posts.hosts import Hosts
from broker.posts.leases import Leases
from broker.rows.allotments import Allotments, Share
from broker.rows.document import Document
from broker.rows.table import Table

_LOOKER = "status#0"  # holds no post


class Reader:
    """Reads a factory's rows. Raises NotRunning when its embedded Redis is not up; `read` may raise Unreachable."""

    def __init__(self, config: Config) -> None:
        self._file = self._config = config
        site = site_of(config)
        self._client = site.client()
        self._table = Table(self._client, site)
        self._clock = RedisClock(self._client)
        self._hosts = Hosts(self._client, site)
        self._leases = Leases(self._client, site, _LOOKER, config.factory.ttl_s)
        self._dead = DeadLetters(self._client, site)
        self._allotments = Allotments(self._client, site)
        self._document = Document(self._client, site, active_config.NAME)

    def close(self) -> None:
        self._client.close()

    def read(self) -> Status:
        """Of all that the file names and of all that hosts serve: a cloud that it leaves out may still have VMs."""
        config = self._config = with_served(self._file, known_edition(self._document, self._table))
        table = self._table
        now = self._clock.sync()
        vms = sorted(read_vms(table, config.clouds), key=lambda vm: (vm.cloud, vm.born, vm.id))
        status = Status(
            factory=config.factory.known_as,
            at=now,
            troubles=(),
            hosts=tuple(self._live(now)),
            posts=tuple(self._posts()),
            queues=tuple(self._queue(name, vms) for name in config.queues),
            clouds=tuple(self._cloud(name, [vm for vm in vms if vm.cloud == name]) for name in config.clouds),
            sources=tuple(self._sources(now)),
            wishes=tuple(
                WishStatus(**{f: getattr(w, f) for f in _WISH}, ends_at=w.ends) for w in read_wishes(table, now)
            ),
            vms=tuple(_vm(vm, now) for vm in vms),
            dead_letters=self._dead.count(),
            accounts=tuple(self._account(name, vms) for name in config.accounts),
        )
        others, intents = self._unknown(), read_intents(self._table, self._config.clouds)
        status = status.model_copy(update={"damaged": tuple(self._damaged())})
        return status.model_copy(update={"troubles": troubles(status, config, [*vms, *others], intents)})

    def _damaged(self) -> Iterator[str]:
        """All that was read until now and could not be. What was mended since is forgotten: the next look notes it."""
        for one in self._table.damages.all():
            yield printable(f"{one.where}: {one.why}")
        self._table.damages.forget([one.where for one in self._table.damages.all()])
        for post in self._leases.damaged():
            yield printable(f"leases {post}: it does not read as a lease")

    def _unknown(self) -> list[Vm]:
        """VMs of clouds that a host once held and that no configuration names any more: nobody watches them."""
        return [
            vm for vm in read_vms(self._table, set(held_clouds(self._leases)) - set(self._config.clouds)) if vm.alive
        ]

    def _live(self, now: float) -> Iterator[HostStatus]:
        for live in self._hosts.live(within_s=self._config.factory.ttl_s):
            info = live.info
            yield HostStatus(
                name=info.name,
                version=info.version,
                posts=info.posts,
                started_at=info.started_at,
                beat_age_s=live.age_s,
                troubles=tuple(printable(one) for one in info.troubles),
            )

    def _posts(self) -> Iterator[PostStatus]:
        owners = {owner.post: owner for owner in self._leases.owners()}
        for post in posts_of(self._config):
            owner = owners.get(post)
            yield PostStatus(
                post=post,
                holder=(owner.holder if owner else "") or "",
                fence=owner.fence if owner else 0,
                since_at=owner.since if owner else 0.0,
            )

    def _queue(self, name: str, vms: list[Vm]) -> QueueStatus:
        standing = read_standing(self._table, name) or QueueStanding(known=False)
        wants = read_wants(self._table, name)
        order = [cloud for tier in self._config.queues[name].cascade for cloud in tier]
        return QueueStatus(
            name=name,
            pool=self._config.queues[name].pool,
            known=standing.known,
            idle=standing.idle,
            young=standing.young,
            running=standing.running,
            held=standing.held,
            waiting=standing.waiting,
            wants=tuple(
                WantStatus(cloud=c, vms=w.n, changed_at=w.changed, decision=w.decision, reasons=w.reasons)
                for c, w in sorted(wants.items(), key=lambda one: order.index(one[0]) if one[0] in order else 99)
            ),
            why=(
                *chains(self._config, name, standing.idle, vms),
                *(line for line in standing.why if line not in standing.unmet),
            ),
            cannot_run=standing.unmet,
            cannot_run_by=standing.unmet_by,
            in_vain=standing.in_vain,
            site_status=standing.status,
        )

    def _cloud(self, name: str, vms: list[Vm]) -> CloudStatus:
        seen, _ = read_views(self._table, name)
        config = self._config.clouds[name]
        view = seen or CloudView(cloud=name, at=0.0, room=0)
        alive = [vm for vm in vms if vm.alive]
        promised, joined = shape_of(config), read_joined(self._table, self._config, [name]).get(name)
        counts = Counter(vm.state for vm in vms)
        return CloudStatus(
            **{field: getattr(view, field) for field in _OF_VIEW},
            name=name,
            max_vms=config.max_vms,
            vms={state.value: counts[state] for state in State if counts[state]},
            usd_per_hour=config.usd_per_hour,
            usd_per_hour_now=sum(vm.usd_per_hour for vm in alive),
            drains_wait=tuple(drains_wait(alive)),
            left_out=name not in self._file.clouds,
            family=config.family.name if config.family else "",
            family_max_vms=config.family.max_vms if config.family else 0,
            shape_short=short(promised, joined),
            shape_far_short=far_short(promised, joined),
            shape_beyond=beyond(promised, joined),
        )

    def _account(self, name: str, vms: list[Vm]) -> AccountStatus:
        limits, use = self._config.accounts[name], use_of(self._config, name, self._said(name), vms)
        return AccountStatus(
            name=name,
            clouds=self._config.clouds_of(name),
            vms=use.vms,
            max_vms=limits.max_vms,
            cores=use.cores,
            max_cores=limits.max_cores,
            usd_per_hour=use.usd_per_hour,
            max_usd_per_hour=limits.max_cost_usd_per_hour,
            unknown=use.unknown,
        )

    def _said(self, account: str) -> Mapping[str, Share]:
        """Nothing for a user of Redis who may not read it, by rights older than this: then no use is known."""
        try:
            return self._allotments.read(account)
        except RedisRefused:
            return {}

    def _sources(self, now: float) -> Iterator[SourceStatus]:
        for name, pool in self._config.pools.items():
            demand = demand_head(self._table, name)
            missing = ", ".join(f"{schedd.name}: {schedd.error}" for schedd in demand.schedds if schedd.error)
            failed = demand.failed or missing
            yield _source(f"pool/{name}", "jobs", demand.at, failed, pool.interval_s, now)
            if pool.has_startds:
                startds = startds_head(self._table, name)
                yield _source(f"pool/{name}", "startds", startds.at, startds.failed, pool.interval_s, now)
        for name, cloud in self._config.clouds.items():
            listing = listing_head(self._table, name)
            yield _source(f"cloud/{name}", "listing", listing.at, listing.failed, cloud.interval_s, now)
            if getattr(cloud, "notices_queue", None):
                notices = looked_head(self._table, f"cloud/{name}")
                yield _source(f"cloud/{name}", "notices", notices.at, notices.failed, AGAIN_S, now)


def drains_wait(vms: Iterable[Vm]) -> Iterator[str]:
    """One sentence for each cause that keeps drains waiting."""
    for why, drains in Counter(vm.drain_waits for vm in vms if vm.drain_waits).items():
        yield f"{drains} drain{'' if drains == 1 else 's'} wait{'s' * (drains == 1)}: {why}"


_OF_VIEW = tuple(CloudStatus.model_fields.keys() & {field.name for field in fields(CloudView)})
_WISH = ("id", "verb", "selector", "names", "reason", "by", "at")


def _source(post: str, what: str, at: float, failed: str, interval_s: float, now: float) -> SourceStatus:
    age_s = max(0.0, now - at) if at else None
    return SourceStatus(name=f"{post} {what}", post=post, read_age_s=age_s, interval_s=interval_s, failed=failed)


def _vm(vm: Vm, now: float) -> VmStatus:
    return VmStatus(
        id=vm.id,
        cloud=vm.cloud,
        queue=vm.queue,
        state=vm.state.value,
        state_age_s=max(0.0, now - vm.since),
        age_s=max(0.0, now - vm.born),
        instance_id=vm.instance_id,
        machine=vm.machine,
        why=vm.drain_refused or (f"its drain waits: {vm.drain_waits}" if vm.drain_waits else vm.reason),
        held=vm.held,
        unwanted=bool(vm.unwanted),
        usd_per_hour=vm.usd_per_hour,
    )
