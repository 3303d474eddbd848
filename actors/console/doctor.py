"""`apf doctor rows`: every value of a factory in Redis that cannot be read; and, asked, set aside.

Set aside means moved out of the way, never deleted: a row's bytes stay in the hash `{prefix}aside`, under its key and
field, and a key of another type is renamed. Hosts that hold the post of such a row are told, and write it anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from actors.config.posts import posts_of
from actors.config.schema import Config
from actors.console.opened import Store, clouds_known, with_served
from actors.fleet.breaker import Breaker
from actors.fleet.joined import Joined
from actors.fleet.spot_notice import Notice
from actors.fleet.vm import Intent, Vm
from actors.fleet.want import CloudView, FleetView, Want
from actors.fleet.wish import Wish
from actors.policies.provisioning.past import Past
from actors.store import active_config
from actors.store.bulk_codec import unpack_instances, unpack_machines
from actors.store.codec import BadRow, unpack
from actors.store.readings import HEAD, Classes, DemandHead, ListingHead, StartdsHead
from actors.store.spot_notices import LOOKED
from actors.store.vms import Started
from actors.store.wants import Doubts, QueueStanding, WishOutcome
from broker.connection.damage import Damage, Where, printable
from broker.errors import DamagedRow
from broker.rows.document import Edition

ROWS: dict[str, tuple[str, type | None, object]] = {  # kind -> of which posts, what the head row is, what others are
    "vm": ("cloud", None, Vm),
    "intent": ("cloud", None, Intent),
    "fleet": ("cloud", CloudView, FleetView),
    "started": ("cloud", None, Started),
    "breaker": ("cloud", None, Breaker),
    "joined": ("cloud", None, Joined),
    "listing": ("cloud", ListingHead, unpack_instances),
    LOOKED: ("cloud", ListingHead, ListingHead),
    "want": ("queue", None, Want),
    "standing": ("queue", None, QueueStanding),
    "doubts": ("queue", None, Doubts),
    "past": ("queue", None, Past),
    "demand": ("pool", DemandHead, Classes),
    "startds": ("pool", StartdsHead, unpack_machines),
}
ONCE: dict[str, type] = {"wish": Wish, "outcome": WishOutcome, "notice": Notice}
KEYS = {
    "leases": b"hash",
    "hosts": b"zset",
    "host-infos": b"hash",
    "generation": b"string",
    "unbroken": b"string",
    "dead-letters": b"stream",
}
TOLD = 200


def damaged(config: Config, rows: Store) -> tuple[Damage, ...]:
    """All that cannot be read, by its place. Raises Unreachable."""
    _keys(rows)
    edition = _document(rows)
    config = with_served(config, edition)
    posts = dict.fromkeys((*posts_of(config), *(f"cloud/{cloud}" for cloud in _clouds(config, rows))))
    for kind, (of, head, type_) in ROWS.items():
        _rows(rows, kind, [post for post in posts if post.startswith(f"{of}/")], head, type_)
    for kind, type_ in ONCE.items():
        for key, body in rows.table.read_once(kind).items():
            _try(rows, kind, "", key, body, body, lambda raw, one=type_: unpack(one, raw))  # type: ignore[misc]
    if not rows.infirmary.foreign("leases", b"hash"):
        for post, raw in rows.leases.damaged().items():
            rows.table.damages.note(Where(key="leases", field=post), "it does not read as a lease", raw)
    return tuple(sorted(rows.table.damages.all(), key=lambda one: str(one.where)))


def set_aside(config: Config, rows: Store, damages: Iterable[Damage]) -> list[Damage]:
    """Move each out of the way, and tell the holders of their posts. Returns those that were there still.

    A lease of a post is not for us to move: whose it was is not known, and the hosts see to it within a TTL.
    """
    leases = {Where(key="leases", field=post) for post in posts_of(with_served(config, _document(rows)))}
    moved = [one for one in damages if one.where not in leases and rows.infirmary.set_aside(one.where)]
    rows.infirmary.tell(one for one in moved if one.where.post)
    return moved


def screen(found: Iterable[Damage], moved: Iterable[Damage], aside: Iterable[str], file: str) -> RenderableType:
    gone = {one.where for one in moved}
    return Group(*_lines(list(found), gone, list(aside), file))


def _lines(found: list[Damage], gone: set[Where], aside: list[str], file: str) -> Iterator[Text]:
    if not found:
        yield Text("every value can be read")
    for one in found[:TOLD]:
        word = "set aside" if one.where in gone else "damaged"
        yield Text(f"{word}  {printable(str(one.where))}: {printable(one.why)}")
    if len(found) > TOLD:
        yield Text(f"and {len(found) - TOLD} more")
    if len(found) > len(gone):
        yield Text(f"move them out of the way: apf doctor rows {file} --set-aside")
    if aside:
        yield Text(f"{len(aside)} values were set aside; they can be had again from Redis:")
    for name in aside[:TOLD]:
        yield Text(f"  {printable(name)}")


def _keys(rows: Store) -> None:
    for key, kind in KEYS.items():
        if rows.infirmary.foreign(key, kind):
            rows.table.damages.note(Where(key=key), "the key has a type that is not ours")


def _document(rows: Store) -> Edition | None:
    where = Where(key=f"document:{active_config.NAME}")
    try:
        edition = rows.document.read()
    except DamagedRow as bad:
        rows.table.damages.note(where, str(bad))
        return None
    if edition is not None and not active_config.is_ours(edition):
        rows.table.damages.note(where, "its body is no configuration of any version")
    return edition


def _clouds(config: Config, rows: Store) -> tuple[str, ...]:
    return () if rows.infirmary.foreign("leases", b"hash") else clouds_known(config, rows)


def _rows(rows: Store, kind: str, posts: list[str], head: type | None, type_: object) -> None:
    def read(raw: bytes, key: str) -> object:
        if key == HEAD and head is not None:
            return unpack(head, raw)
        return unpack(type_, raw) if isinstance(type_, type) else type_(raw)  # type: ignore[operator]

    for post, of_post in rows.table.read_many(kind, posts).items():
        for key, row in of_post.items():
            _try(rows, kind, post, key, row.body, row.packed, lambda raw, key=key: read(raw, key))  # type: ignore[misc]


def _try(
    rows: Store, kind: str, post: str, key: str, body: bytes, packed: bytes, read: Callable[[bytes], object]
) -> None:
    try:
        read(body)
    except BadRow as bad:
        rows.table.damaged(kind, post, key, str(bad), packed)
