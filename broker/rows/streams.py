"""The lines that were told beside a post's rows: a stream, read from its oldest or its newest line.

Each line was written in the Lua call that changed the row (`broker.rows.table.Append`), so its time is Redis time, and
its order is that of the changes. A stream is read in pieces: it may have a hundred thousand lines, and Redis answers
nobody else while it answers one call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis

from broker.connection.address import Site
from broker.connection.damage import text_of
from broker.errors import reaching
from broker.rows.table import lines_key

PIECE = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """`at`: Redis seconds when it was written. `key`: what it is about."""

    at: float
    key: str
    body: bytes


class Lines:
    """Thread-safe. Both may raise Unreachable."""

    def __init__(self, client: redis.Redis, site: Site) -> None:
        self._client, self._site = client, site

    def read(self, kind: str, post: str, since: float = 0.0) -> Iterator[Line]:
        """The lines of a kind and a post from `since` (Redis seconds), the oldest first."""
        stream, start = lines_key(self._site, kind, post), f"{since * 1000:.0f}"
        while True:
            with reaching():
                found: Any = self._client.xrange(stream, min=start, count=PIECE)
            for name, fields in (one for one in found if {b"k", b"b"} <= one[1].keys()):  # a foreign line is none
                yield Line(at=int(name.split(b"-")[0]) / 1000, key=text_of(fields[b"k"]), body=fields[b"b"])
            if len(found) < PIECE:
                return
            start = f"({found[-1][0].decode()}"

    def count(self, kind: str, post: str) -> int:
        with reaching():
            found: Any = self._client.xlen(lines_key(self._site, kind, post))
        return int(found)
