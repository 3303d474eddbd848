"""How a cloud stands, as rows for the schedulers: kind `fleet`, post `cloud/NAME`, key a queue, or "@": the cloud.

Whoever writes one of them writes, in the same call, all that changed. So a queue's view is as of the later of its own
time and its cloud's. The cloud's is read first: what is written in between makes a view younger than it looks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from operator import attrgetter

from actors.fleet.fleet_view import view
from actors.fleet.max_life import FOREVER, Life
from actors.fleet.shape import Shape
from actors.fleet.vm import Vm
from actors.fleet.want import CloudView, FleetView
from actors.store import rows
from actors.store.codec import pack
from actors.store.sentences import with_codes
from actors.store.vms import Registry
from broker.posts.leases import Term
from broker.rows.table import Place, Put, Row, Table

CLOUD = "@"


def publish(
    table: Table, term: Term, views: Iterable[FleetView | CloudView], before: dict[str, FleetView | CloudView]
) -> frozenset[str]:
    """Write the views that differ from `before` in more than their time, and note them there. Returns their keys."""
    changed = {key_of(seen): seen for seen in views if not says_same(seen, before.get(key_of(seen)))}
    puts = [Put(kind="fleet", key=key, body=pack(seen), expected_version=None) for key, seen in changed.items()]
    table.write(term, puts)
    before.update(changed)
    return frozenset(changed)


def fleet_views(
    registry: Registry,
    queues: Iterable[str],
    now: float,
    life: Life = FOREVER,
    joins: bool = True,
    promised: Shape | None = None,
) -> list[FleetView]:
    """One view a queue: those that the cloud serves, and those that still have VMs on it. The rest: see `view`."""
    by_queue: dict[str, list[Vm]] = defaultdict(list)
    for vm in registry.vms():
        by_queue[vm.queue].append(vm)
    names = dict.fromkeys((*queues, *by_queue))
    views = [
        view(
            *(registry.cloud, q, by_queue[q], registry.judged.machines, registry.judged.seen, now),
            parts=registry.shown.parts,
            life=life,
            idle_since=registry.judged.idle_since,
            joins=joins,
            promised=promised,
        )
        for q in names
    ]
    shares, of_all = registry.buying.shares, registry.judged.family_shares
    shared = [replace(one, share=shares[one.queue]) if one.queue in shares else one for one in views]
    return [replace(one, family_share=of_all[one.queue]) if one.queue in of_all else one for one in shared]


def read_views(table: Table, cloud: str) -> tuple[CloudView | None, dict[str, FleetView]]:
    post = f"cloud/{cloud}"
    found = table.read("fleet", post)
    return _cloud(table, cloud, found.pop(CLOUD, None)), rows.known(
        {queue: rows.value(table, FleetView, "fleet", post, row) for queue, row in found.items()}
    )


def view_places(clouds: Iterable[str], queue: str) -> list[Place]:
    """Where `views_of` has its rows from: read with others in one round trip."""
    return [("fleet", f"cloud/{cloud}", key) for cloud in clouds for key in (CLOUD, queue)]


def views_of(
    table: Table, clouds: Iterable[str], found: Sequence[Row | None]
) -> dict[str, tuple[CloudView | None, FleetView | None]]:
    """What one queue's scheduler needs to know of its clouds, of the rows at `view_places`."""
    return {
        cloud: (
            _cloud(table, cloud, head),
            rows.value(table, FleetView, "fleet", f"cloud/{cloud}", row),
        )
        for cloud, head, row in zip(clouds, found[::2], found[1::2], strict=True)
    }


def _cloud(table: Table, cloud: str, row: Row | None) -> CloudView | None:
    seen = rows.value(table, CloudView, "fleet", f"cloud/{cloud}", row)
    return with_codes(seen) if seen else None


def key_of(seen: FleetView | CloudView) -> str:
    """Of its row: the queue, or "@"."""
    return seen.queue if isinstance(seen, FleetView) else CLOUD


def says_same(one: FleetView | CloudView | None, other: FleetView | CloudView | None) -> bool:
    """Whether two views differ in nothing but their time. A host compares hundreds of them at each look."""
    if one is None or other is None or type(one) is not type(other):
        return one is other
    words = _WORDS[type(one)]
    return bool(words(one) == words(other))


_WORDS = {kind: attrgetter(*(f.name for f in fields(kind) if f.name != "at")) for kind in (FleetView, CloudView)}
