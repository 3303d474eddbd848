"""What is damaged in Redis, put right by whoever can: a host's round every few seconds.

Each host remembers what it came across and could not read (`Table.damages`), and tells it to all. Whoever holds the
post of a damaged row writes it anew: VMs and launches from the registry that it keeps of its cloud, anything else by
taking the post anew, since actors that begin write what they find missing. A whole key of another type is set aside.

What no host can know again (an operator's wish that nobody remembers) stays, is told, and is for a person to set aside:
`apf doctor rows`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Protocol

import structlog

from actors.fleet.vm import Intent, Vm
from actors.runtime.metrics import Gauges
from actors.runtime.pauses import pause_s
from actors.store import rows
from broker.connection.damage import DAMAGED, Damage, Infirmary, Where
from broker.rows.table import Table

EVERY_S = 3.0
SCAN_S = 300.0  # so often the holder of a cloud reads its rows, which it knows by heart, to see whether they are well
AGAIN_S = (30.0, 120.0, 600.0, 3_600.0)  # a place that is mended and damaged again and again is mended more seldom
REGISTERED = {"vm": Vm, "intent": Intent}

log = structlog.get_logger("host")


class Serves(Protocol):
    """What a host does now: its works."""

    @property
    def held(self) -> tuple[str, ...]: ...

    def mend(self, post: str, kinds: Iterable[tuple[str, str]]) -> bool:
        """Write these rows (kind, key; no key: all of it) as the cloud's registry knows them. False: it has none."""

    def take_anew(self, post: str) -> None: ...


class Caretaker:
    """`round` is for one thread. May raise Unreachable."""

    def __init__(self, table: Table, infirmary: Infirmary, gauges: Gauges, works: Callable[[], Serves]) -> None:
        self._table, self._infirmary, self._gauges, self._works = table, infirmary, gauges, works
        self._next = self._scan_at = 0.0
        self._mended: dict[Where, tuple[int, float]] = {}  # how often, and not again before (monotonic)

    @property
    def troubles(self) -> list[str]:
        return [f"it cannot read {one.where}: {one.why}" for one in self._table.damages.all()]

    def round(self) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + EVERY_S
        self._see_to_keys()
        if now >= self._scan_at:
            self._scan_at = now + SCAN_S
            self._scan()
        noted = self._table.damages.all()
        stands = self._infirmary.still(noted)
        self._table.damages.forget({one.where for one in noted} - {one.where for one in stands})
        self._gauges.damaged.set(len(stands))
        self._infirmary.tell(one for one in stands if one.where.post)
        self._mend(stands, now)

    def _see_to_keys(self) -> None:
        """Keys that no post's holder writes, and that would stop whoever does."""
        for key, kind in (("dead-letters", b"stream"), ("once:wish", b"hash"), ("once:outcome", b"hash"),
                          ("once:notice", b"hash"), (DAMAGED, b"hash")):  # fmt: skip
            if self._infirmary.foreign(key, kind) and self._infirmary.set_aside(Where(key=key)):
                log.error("key of another type set aside", key=key, hint="see `apf doctor rows`")

    def _scan(self) -> None:
        for post in self._works().held:
            for kind, type_ in REGISTERED.items() if post.startswith("cloud/") else ():
                rows.read(self._table, type_, kind, post)

    def _mend(self, stands: list[Damage], now: float) -> None:
        held = self._works().held
        mine = {where for where in (*self._infirmary.told(), *(one.where for one in stands)) if where.post in held}
        due = [where for where in mine if self._is_due(where, now)]
        for post in dict.fromkeys(where.post for where in due):
            self._mend_post(post, [where for where in due if where.post == post])
        self._infirmary.done(mine)

    def _is_due(self, where: Where, now: float) -> bool:
        times, until = self._mended.get(where, (0, 0.0))
        if now < until:
            return False
        self._mended[where] = (times + 1, now + pause_s(AGAIN_S, times))
        return True

    def _mend_post(self, post: str, places: list[Where]) -> None:
        log.warning("damaged rows are mended", post=post, places=[str(place) for place in places][:10])
        for place in places:
            if not place.field:
                self._infirmary.set_aside(place)
        known = [(kind_of(place), place.field) for place in places if kind_of(place) in REGISTERED]
        if known:
            self._works().mend(post, known)
        if len(known) < len(places):
            self._works().take_anew(post)


def kind_of(where: Where) -> str:
    return where.key.split(":")[1] if where.key.startswith("rows:") else ""
