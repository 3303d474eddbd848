"""What a cloud's holder tells the schedulers: how the cloud stands, and what each queue has there.

Both of the actors that write VM rows call `show` after they wrote, so that a scheduler hears of a refusal at once and
spills to the next tier. Views that say the same are not written again. Once in a while the cloud's own is, for its
time: with it all views of that cloud are as of then, and a scheduler trusts a view that is younger than its own last
want. A thousand queues whose VMs are as they were cost one row.

Who is woken: a queue whose own view says something else. All queues only when the cloud closes, opens, freezes or
thaws, or when the last room goes or the first comes back: every launch changes the room, and with hundreds of queues a
wake of all for each of them kept launches waiting for looks that changed nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from actors.config.as_policy import shape_of
from actors.config.policy_rules import life_of
from actors.config.schema import Config
from actors.fleet.boots import boots_of
from actors.fleet.breaker import admits, position, sentence
from actors.fleet.reasons import Closing, Freezing
from actors.fleet.want import CloudView, FleetView
from actors.runtime.messages import LookAtFleet, LookAtListing
from actors.runtime.metrics import Gauges
from actors.runtime.post_office import PostOffice
from actors.store.knowledge import Closed
from actors.store.views import CLOUD, fleet_views, key_of, publish, read_views, says_same
from actors.store.vms import Registry
from broker.posts.leases import Term
from broker.rows.table import Table

AGAIN_S = 20.0  # a cloud's view that says the same is written again after this long
STRANGE = "another factory of this name launches VMs there, with another database"
MOST_SUSPECTS, MOST_SAID = 5, 300  # of a cloud in its view; characters of each


class Noticeboard:
    def __init__(
        self, config: Config, table: Table, office: PostOffice, now: Callable[[], float], gauges: Gauges
    ) -> None:
        self._config, self._table, self._office, self._now, self._gauges = config, table, office, now, gauges
        self._queues, self._lock = config.queues_by_cloud, threading.Lock()
        self._ahead = {c for q in config.queues.values() if q.ahead for tier in q.cascade for c in tier}

    def recall(self, registry: Registry) -> None:
        """What the holder before us said last, so that a cloud that refused stays closed over a failover."""
        with self._lock:
            self._remember(registry)
        cloud = registry.shown.published.get(CLOUD)
        if not isinstance(cloud, CloudView) or registry.buying.closed.why:
            return
        if cloud.closed_until and cloud.closed_by is not Closing.BREAKER:
            registry.buying.closed = Closed(why=cloud.closed, until=cloud.closed_until, code=cloud.closed_by)

    def _remember(self, registry: Registry) -> None:
        """A takeover is no news: a queue whose view says what it said before is not woken, of a thousand none."""
        if not registry.shown.published:
            cloud, views = read_views(self._table, registry.cloud)
            registry.shown.published.update({**views, CLOUD: cloud} if cloud else views)

    def show(self, term: Term, registry: Registry, orphans: int = 0) -> None:
        """Write what changed, and wake the schedulers that it concerns. Nothing before the pools were looked at."""
        if not registry.judged.looked:
            return
        with self._lock:
            self._remember(registry)
            now = self._now()
            before = dict(registry.shown.published)
            views = self._views(registry, now, orphans)
            self._forget_old(registry, now)
            changed = publish(self._table, term, views, registry.shown.published)
        if changed:
            self._gauges.cost(registry.cloud, self._queues[registry.cloud], registry.vms())
        for seen in (seen for seen in views if key_of(seen) in changed):
            self._gauges.cloud(seen) if isinstance(seen, CloudView) else self._gauges.fleet(seen)
        for queue in concerned(self._queues[registry.cloud], before, views):
            self._office.send(f"scheduler@queue/{queue}", LookAtFleet(cloud=registry.cloud))

    def wake_submitter(self, registry: Registry) -> None:
        """What a cloud takes away is to be replaced in the same round."""
        self._office.send(f"submitter@cloud/{registry.cloud}", LookAtListing(cloud=registry.cloud))

    def _views(self, registry: Registry, now: float, orphans: int) -> list[FleetView | CloudView]:
        cloud = self._cloud(registry, now, orphans)
        settings = self._config.clouds[registry.cloud]
        queues = self._queues[registry.cloud]
        promised = shape_of(settings)
        return [cloud, *fleet_views(registry, queues, now, life_of(settings), settings.joins_pool, promised)]

    def _cloud(self, registry: Registry, now: float, orphans: int) -> CloudView:
        vms, breaker = registry.vms(), registry.breaker
        boot_s, boot_spread = boots_of(vms) if registry.cloud in self._ahead else (0.0, 0.0)
        left = room(self._config.clouds[registry.cloud].max_vms, sum(vm.alive for vm in vms), orphans + registry.unread)
        admitted, told = admits(breaker, vms, now), sentence(breaker, vms, now)
        closed = _closed(registry, told if admitted == 0 else "", now)
        return CloudView(
            cloud=registry.cloud,
            at=now,
            room=min(left, registry.buying.account.room, left if admitted is None else admitted),
            closed=closed.why,
            closed_until=closed.until,
            frozen=registry.judged.stopped or registry.judged.frozen,
            listing_short=registry.judged.listing_short,
            breaker=told,
            full=told or registry.buying.account.why,
            unsaid=registry.buying.account.unsaid,
            unmarked=registry.judged.unmarked,
            suspects=_some(registry.judged.suspects),
            strangers=_some(registry.judged.strangers),
            orphaned=_some(registry.judged.orphaned),
            account_used=registry.buying.account.used,
            family_used=registry.buying.account.family_used,
            closed_by=closed.code,
            frozen_by=Freezing.STOPPED if registry.judged.stopped else registry.judged.frozen_by,
            breaker_at=position(breaker, now),
            boot_s=boot_s,
            boot_spread=boot_spread,
        )

    def _forget_old(self, registry: Registry, now: float) -> None:
        seen = registry.shown.published.get(CLOUD)
        if seen and now - seen.at > AGAIN_S:
            registry.shown.published[CLOUD] = replace(seen, cloud="")  # differs from any view


def _closed(registry: Registry, by_breaker: str, now: float) -> Closed:
    """What comes first: the operator's word, what the submitter found, its breaker's sentence."""
    if registry.judged.closed_by:
        return Closed(
            why=registry.judged.closed_by, code=Closing.STOPPED if registry.judged.stopped else Closing.DRAINED
        )
    if registry.judged.strangers:
        return Closed(why=STRANGE, code=Closing.STRANGERS)
    if registry.buying.closed.why or not by_breaker:
        return registry.buying.closed
    until = registry.breaker.until
    return Closed(why=by_breaker, until=until if now < until else 0.0, code=Closing.BREAKER)


def _some(suspects: Mapping[str, str]) -> tuple[str, ...]:
    """The first few, and how many more: a view is read by every scheduler."""
    told = [suspects[key][:MOST_SAID] for key in sorted(suspects)]
    return (*told[:MOST_SUSPECTS], *([f"and {len(told) - MOST_SUSPECTS} more"] if told[MOST_SUSPECTS:] else []))


def concerned(
    queues: Iterable[str], before: Mapping[str, FleetView | CloudView], views: Iterable[FleetView | CloudView]
) -> list[str]:
    """The queues whose schedulers have something new to decide on. `before`: what was published last, by its key."""
    new = {key_of(seen): seen for seen in views}
    if _gate(new.get(CLOUD)) != _gate(before.get(CLOUD)):
        return list(queues)
    return [queue for queue in queues if not says_same(new.get(queue), before.get(queue))]


def _gate(cloud: FleetView | CloudView | None) -> tuple[str, str, str, bool] | None:
    """What of a cloud concerns every queue. How long it stays closed does not: its scheduler is told when it opens."""
    return (cloud.closed, cloud.frozen, cloud.unsaid, cloud.room > 0) if isinstance(cloud, CloudView) else None


def room(max_vms: int, alive: int, orphans: int) -> int:
    """VMs that may still be started. Instances that have our tags and no row yet count as ours."""
    return max(0, max_vms - alive - orphans)
