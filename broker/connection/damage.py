"""What stands in Redis and is not ours to read: each such value spoils itself, and nothing beside it.

A foreign hand, a half restored copy or a mistake of a version of ours may leave anything anywhere. Whoever reads a
value turns it into what it means, or notes it here as damaged, by its place, and goes on as if it were not known. Not
as if it were not there: what rests on it stays as it is.

Who owns the place puts it right where it can (it writes the row anew); what it replaces is set aside, never lost:

- A row that was overwritten, or asked to be set aside: in the hash `{prefix}aside`, by "key field ms".
- A whole key of another type than ours: renamed to `{prefix}aside:ms:KEY`, which the hash `{prefix}aside` names.

The places that hosts came across stand in the hash `{prefix}damaged`, so that the holder of a post learns what others
could not read of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import redis
import redis.exceptions as said

from broker.connection.address import Site
from broker.errors import reaching

ASIDE, DAMAGED = "aside", "damaged"
MOST_NOTED = 1_000  # places that one process remembers
SHORT = 300  # characters of why

# KEYS: from, aside hash. ARGV: field, name in the aside hash. -> 1 if something was there
SET_ASIDE = """
local value = redis.call('HGET', KEYS[1], ARGV[1])
if not value then return 0 end
redis.call('HSET', KEYS[2], ARGV[2], value)
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Where:
    """A field of a key ("rows:vm:cloud/a", without the factory's prefix), or with no field the whole key."""

    key: str
    field: str = ""

    def __str__(self) -> str:
        return printable(f"{self.key} {self.field}" if self.field else self.key)

    @property
    def post(self) -> str:
        """The post whose holder writes there; empty where there is none."""
        kind, _, rest = self.key.partition(":")
        return rest.partition(":")[2] if kind in ("rows", "lines") else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Damage:
    """`raw`: the bytes that stand there, to see whether they still do. `since`: monotonic."""

    where: Where
    why: str
    raw: bytes | None
    since: float


class Damages:
    """What one process came across. Thread-safe."""

    def __init__(self) -> None:
        self._noted: dict[Where, Damage] = {}
        self._lock = threading.Lock()

    def note(self, place: Where, why: str, raw: bytes | None = None) -> bool:
        """Whether it is news."""
        with self._lock:
            known = self._noted.get(place)
            if (known and known.raw == raw) or len(self._noted) >= MOST_NOTED:
                return False
            since = known.since if known else time.monotonic()
            self._noted[place] = Damage(where=place, why=printable(why)[:SHORT], raw=raw, since=since)
            return True

    def forget(self, places: Iterable[Where]) -> None:
        with self._lock:
            for place in places:
                self._noted.pop(place, None)

    def age_s(self, place: Where) -> float:
        """How long ago it was noted first; 0 when it was not."""
        with self._lock:
            known = self._noted.get(place)
        return time.monotonic() - known.since if known else 0.0

    def all(self) -> tuple[Damage, ...]:
        with self._lock:
            return tuple(self._noted.values())


class Infirmary:
    """What is damaged in a factory's Redis, told to its owners, and set aside. Every method may raise Unreachable."""

    def __init__(self, client: redis.Redis, site: Site) -> None:
        self._client, self._site = client, site
        self._aside = client.register_script(SET_ASIDE)

    def still(self, damages: Iterable[Damage]) -> list[Damage]:
        """Those whose places still hold what was noted."""
        return [one for one in damages if self._stands(one)]

    def tell(self, damages: Iterable[Damage]) -> None:
        """Write down the places, for whoever holds their posts."""
        told: dict[Any, Any] = {_packed(one.where): one.why.encode(errors="replace") for one in damages}
        if told:
            with reaching():
                self._right_type(DAMAGED)
                self._client.hset(self._site.key(DAMAGED), mapping=told)
                self._client.expire(self._site.key(DAMAGED), 600)

    def told(self) -> dict[Where, str]:
        """The places that hosts wrote down in the last minutes."""
        with reaching():
            if self._client.type(self._site.key(DAMAGED)) != b"hash":
                return {}
            rows: Any = self._client.hgetall(self._site.key(DAMAGED))
        return {_place(packed): why.decode(errors="replace") for packed, why in rows.items()}

    def done(self, places: Iterable[Where]) -> None:
        """They are mended, or their holders know of them."""
        names = [_packed(place) for place in places]
        if names:
            with reaching():
                self._client.hdel(self._site.key(DAMAGED), *names)

    def set_aside(self, place: Where) -> bool:
        """Move what stands there out of the way, where it can be had again. False: there was nothing."""
        with reaching():
            key, now_ms = self._site.key(place.key), int(time.time() * 1000)
            if not self._client.exists(key):
                return False
            if self._client.type(key) != b"hash" or not place.field:
                self._away(place.key)
                return True
            self._right_type(ASIDE)
            name = f"{key} {place.field} {now_ms}"
            field = place.field.encode(errors="surrogateescape")
            args: list[Any] = [field, name.encode(errors="surrogateescape")]
            return bool(self._aside(keys=[key, self._site.key(ASIDE)], args=args))

    def aside(self) -> list[str]:
        """The names of what was set aside, with when in Redis or this machine's milliseconds."""
        with reaching():
            rows: Any = self._client.hkeys(self._site.key(ASIDE)) if self._is_hash(ASIDE) else []
        return sorted(name.decode(errors="replace") for name in rows)

    def foreign(self, key: str, kind: bytes) -> bool:
        """Whether the key is there, with another type."""
        with reaching():
            return self._client.type(self._site.key(key)) not in (kind, b"none")

    def _away(self, key: str) -> None:
        name = self._site.key(ASIDE, str(int(time.time() * 1000)), key)
        self._client.rename(self._site.key(key), name)
        if key != ASIDE:
            self._right_type(ASIDE)
        self._client.hset(self._site.key(ASIDE), name, b"a whole key")

    def _is_hash(self, key: str) -> bool:
        return bool(self._client.type(self._site.key(key)) == b"hash")

    def _right_type(self, key: str) -> None:
        if self._client.type(self._site.key(key)) not in (b"hash", b"none"):
            self._away(key)

    def _stands(self, one: Damage) -> bool:
        key = self._site.key(one.where.key)
        with reaching():
            try:
                if not one.where.field:
                    return bool(self._client.type(key) not in (b"hash", b"none"))
                field = one.where.field.encode(errors="surrogateescape")
                return bool(self._client.hget(key, field) == one.raw)
            except said.ResponseError:
                return False  # another damage now: whoever reads it notes that


def printable(text: str) -> str:
    """What a foreign hand wrote, without what a terminal would obey."""
    return "".join(char if char.isprintable() else " " if char == "\n" else "?" for char in text)


def text_of(name: bytes) -> str:
    """A key or field as text, and back by the same error handler, whatever bytes it has."""
    return name.decode(errors="surrogateescape")


def _packed(place: Where) -> bytes:
    return f"{place.key}\n{place.field}".encode(errors="surrogateescape")


def _place(packed: bytes) -> Where:
    key, _, field = text_of(packed).partition("\n")
    return Where(key=key, field=field)
