"""Rows as values: the one place where what stands in Redis becomes a Vm, a Want, a head of a reading, or damage.

A row that cannot be read spoils itself alone: it is left out, and noted with its place in `table.damages`. What a
missing one means is for each reader to say; of most the answer is "not known", and their writer writes them anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from actors.store.codec import BadRow, unpack
from broker.connection.damage import Where
from broker.errors import DamagedRow
from broker.rows.table import Place, Row, Table

FROZEN_S = 60.0  # what rests on a damaged row stays as it is for so long: its writer puts it right meanwhile

T = TypeVar("T")


def value(table: Table, type_: type[T], kind: str, post: str, row: Row | None) -> T | None:
    """None when there is none, or it is damaged."""
    if row is None:
        return None
    try:
        return unpack(type_, row.body)
    except BadRow as bad:
        table.damaged(kind, post, row.key, str(bad), row.packed)
        return None


def read(table: Table, type_: type[T], kind: str, post: str) -> dict[str, T]:
    """All rows of a kind and a post that can be read, by key."""
    return read_many(table, type_, kind, [post])[post]


def read_many(table: Table, type_: type[T], kind: str, posts: Iterable[str]) -> dict[str, dict[str, T]]:
    """As `read`, for several posts in one round trip."""
    return {
        post: known({key: value(table, type_, kind, post, row) for key, row in rows.items()})
        for post, rows in table.read_many(kind, posts).items()
    }


def get(table: Table, type_: type[T], kind: str, post: str, key: str) -> T | None:
    return value(table, type_, kind, post, table.get(kind, post, key))


def once(table: Table, type_: type[T], kind: str) -> dict[str, T]:
    """All write-once rows of a kind that can be read, by key."""
    found: dict[str, T] = {}
    for key, body in table.read_once(kind).items():
        try:
            found[key] = unpack(type_, body)
        except BadRow as bad:
            table.damaged(kind, "", key, str(bad), body)
    return found


def known(values: Mapping[str, T | None]) -> dict[str, T]:
    return {key: one for key, one in values.items() if one is not None}


def frozen_by(table: Table, places: Iterable[Place], rows: Sequence[Row | None], values: Sequence[object]) -> None:
    """Raises DamagedRow where a row of these is damaged, and not for long yet: its writer has the time to mend it.

    After FROZEN_S it is not known, and what does not rest on it goes on.
    """
    for (kind, post, key), row, seen in zip(places, rows, values, strict=True):
        if seen is None and (age_s := damaged_s(table, kind, post, key)) and age_s < FROZEN_S:
            raise DamagedRow(kind, post, row.key if row else key)


def damaged_s(table: Table, kind: str, post: str, key: str) -> float:
    """For how long the row, or its whole key, is known to be damaged; 0 when it is not."""
    name = f"rows:{kind}:{post}"
    return max(table.damages.age_s(Where(key=name, field=key)), table.damages.age_s(Where(key=name)))


def frozen_while_damaged(table: Table, kind: str, posts: Iterable[str]) -> None:
    """As `frozen_by`, for all rows of a kind and these posts."""
    keys = {f"rows:{kind}:{post}": post for post in posts}
    for one in table.damages.all():
        if one.where.key in keys and table.damages.age_s(one.where) < FROZEN_S:
            raise DamagedRow(kind, keys[one.where.key], one.where.field)


def damaged_keys(table: Table, kind: str, post: str) -> frozenset[str]:
    return frozenset(one.where.field for one in table.damages.all() if one.where.key == f"rows:{kind}:{post}")
