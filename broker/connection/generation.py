"""Whether Redis still is the one whose rows we know.

Redis may restart with its last second of writes missing, fail over to a replica that lags, or come back empty.
Rows and leases cannot tell. A random key, set once by whoever comes first, and the server's `run_id` can.

The rule it keeps: one loss is told once to each process that saw the store before. A process that starts later
sees only the new generation: whoever did its "adoption" pass writes the `generation` into a row of its own and
compares it, so an empty store at the very first start counts as lost as well.

Beside it stands since when nothing can have been lost (`unbroken_since`): the time at which this server process was
first seen with these data. It goes with the data, and begins anew with another process.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import redis

from broker.connection.address import Site
from broker.connection.damage import Infirmary, Where
from broker.errors import reaching


@dataclass(frozen=True, kw_only=True)
class Same:
    """Nothing happened since the last check."""

    generation: str


@dataclass(frozen=True, kw_only=True)
class Restarted:
    """Another server process answers, with our data; its last second of writes may be missing."""

    generation: str
    seen: str


@dataclass(frozen=True, kw_only=True)
class DataLost:
    """The data are gone, in part or wholly, or this is the first start. Adopt before anything is started or ended."""

    generation: str
    seen: str


KEYS = {"generation": b"string", "unbroken": b"string"}  # their types


class Generation:
    """Watches for loss of data. Not shared between threads."""

    def __init__(self, client: redis.Redis, site: Site) -> None:
        self._client, self._site = client, site
        self._key, self._unbroken = site.key("generation"), site.key("unbroken")
        self._known: tuple[str, str] | None = None

    def mend(self, keys: Mapping[str, bytes]) -> list[str]:
        """Set aside those of `keys` (name: type) that have another type, and this one's own; where there were any, take
        the generation away, so that every host sees a loss. Returns what was set aside. Raises Unreachable.
        """
        infirmary = Infirmary(self._client, self._site)
        wrong = [key for key, kind in {**keys, **KEYS}.items() if infirmary.foreign(key, kind)]
        for key in wrong:
            infirmary.set_aside(Where(key=key))
        if wrong:
            with reaching():
                self._client.delete(self._key)
        return wrong

    def check(self) -> Same | Restarted | DataLost:
        """Look once. The first look is Lost if it had to make the key. Raises Unreachable."""
        offered = secrets.token_hex(8)
        with reaching():
            pipe = self._client.pipeline(transaction=True)
            pipe.setnx(self._key, offered)
            pipe.get(self._key)
            pipe.info("server")
            pipe.get(self._unbroken)
            pipe.time()
            answer: Any = pipe.execute()
        generation, run_id = answer[1].decode(errors="backslashreplace"), str(answer[2]["run_id"])
        if generation == offered or _process(answer[3]) != run_id:
            self._begin_anew(run_id, answer[4])
        before, self._known = self._known, (generation, run_id)
        if before is None:
            seen = "there was no generation key: a first start, or all is lost"
            return DataLost(generation=generation, seen=seen) if generation == offered else Same(generation=generation)
        if before[0] != generation:
            return DataLost(generation=generation, seen=f"generation {before[0]} is gone, {generation} is there")
        if before[1] != run_id:
            return Restarted(generation=generation, seen=f"server {before[1]} is gone, {run_id} answers")
        return Same(generation=generation)

    def _begin_anew(self, run_id: str, time: tuple[int, int]) -> None:
        with reaching():
            self._client.set(self._unbroken, f"{run_id} {time[0]}")


def unbroken_since(client: redis.Redis, site: Site) -> float:
    """Since when (Redis seconds) these data have lost nothing, as far as this can be told; 0: not known."""
    with reaching():
        try:
            said: Any = client.get(site.key("unbroken"))
        except redis.exceptions.ResponseError:
            return 0.0  # not a string: it is set aside
    since = (said or b"").rpartition(b" ")[2]
    return float(since) if since.isdigit() and len(since) < 12 else 0.0


def _process(said: bytes | None) -> str:
    return (said or b"").partition(b" ")[0].decode(errors="replace")
