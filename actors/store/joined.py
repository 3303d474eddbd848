"""What joined, as rows: kind `joined`, post `cloud/NAME`, key what the VMs were made from (`config_promise`).

The cloud's holder is their only writer (`registry`). A row that cannot be read is one that was not learned yet: it is
written anew by the next worker that joins, and the shape counts as it was promised until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import structlog

from actors.config.promise import promises_of
from actors.config.schema import Config
from actors.fleet.joined import Joined
from actors.store.codec import BadRow, pack, unpack
from broker.rows.table import Place, Put, Row, Table

KIND = "joined"

log = structlog.get_logger("registry")


def joined_row(joined: Joined) -> Put:
    return Put(kind="joined", key=joined.promise, body=pack(joined), expected_version=None)


def joined_places(promises: Mapping[str, str], clouds: Iterable[str]) -> list[Place]:
    """Where `joined_of` has its rows from: in one round trip with others. `promises`: of now, by cloud."""
    return [(KIND, f"cloud/{cloud}", promises[cloud]) for cloud in clouds]


def joined_of(clouds: Iterable[str], rows: Sequence[Row | None]) -> dict[str, Joined]:
    """By cloud, of the rows at `joined_places`; a cloud of which nothing joined yet is absent."""
    found = ((cloud, _unpacked(row.body)) for cloud, row in zip(clouds, rows, strict=True) if row)
    return {cloud: joined for cloud, joined in found if joined}


def read_joined(table: Table, config: Config, clouds: Iterable[str]) -> dict[str, Joined]:
    """By cloud, what joined of those that are made as the configuration says now."""
    names = list(clouds)
    places = joined_places(promises_of(config, names), names)
    return joined_of(names, table.get_many(places))  # who only looks may run no script


def all_joined(table: Table, post: str) -> dict[str, Joined]:
    """By promise, all rows of one cloud's post."""
    found = ((key, _unpacked(row.body)) for key, row in table.read(KIND, post).items())
    return {key: joined for key, joined in found if joined}


@lru_cache(maxsize=1_000)
def _unpacked(body: bytes) -> Joined | None:
    """They hardly ever change, and each queue's scheduler reads them at each look."""
    try:
        return unpack(Joined, body)
    except BadRow as bad:
        log.warning("what joined cannot be read, and is learned anew", why=str(bad))
        return None
