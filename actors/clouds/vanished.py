"""Jobs that a schedd showed alive, and shows no more: its history says what became of them.

Jobs that are over stay in the queue for a while, so this is for those that were forced out of it, or that ended while
nobody looked: the first look of a process reads the history of a day. What neither the queue nor the history know,
though the schedd was asked for it by name again and again, does not exist any more: its queue was lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from actors.clouds import schedd_jobs
from actors.clouds.port import CloudError
from actors.clouds.schedd_link import ScheddLink
from actors.fleet.observations import Instance

DAY_S = 86_400
MOST = 20_000  # jobs of the history, at the first look
AT_ONCE = 200
GONE_S = 300.0  # so long neither knows it
TOLD_S = 3_600.0  # so long one that is over is listed
GONE = "gone: neither the schedd's queue nor its history know it any more"

Reader = Callable[[schedd_jobs.Row, float], Instance]


class Vanished:
    """Of one cloud. Used by one thread at a time."""

    def __init__(self, link: ScheddLink, ours: str, reader: Reader) -> None:
        self._link, self._ours, self._reader = link, ours, reader
        self._alive: dict[str, Instance] = {}
        self._missing: dict[str, tuple[Instance, float]] = {}  # and since when (monotonic)
        self._over: dict[str, tuple[Instance, float]] = {}
        self._looked = False

    def of(self, there: Sequence[Instance]) -> tuple[Instance, ...]:
        """Those that are over and in the queue no more. `there`: what is in it now."""
        now, ids = time.monotonic(), {one.id for one in there}
        for key, one in self._alive.items():
            if key not in ids:
                self._missing.setdefault(key, (one, now))
        self._alive = {one.id: one for one in there if not one.dead}
        self._missing = {key: seen for key, seen in self._missing.items() if key not in ids}
        self._ask(now)
        self._over = {k: seen for k, seen in self._over.items() if now - seen[1] < TOLD_S and k not in ids}
        return tuple(one for one, _ in self._over.values())

    def _ask(self, now: float) -> None:
        """A history that does not answer is asked again at the next look: nothing follows from its silence."""
        try:
            if not self._looked:
                self._note(f"{self._ours} && EnteredCurrentStatus > time() - {DAY_S}", MOST, now)
                self._looked = True
            missing = list(self._missing)
            for start in range(0, len(missing), AT_ONCE):
                some = missing[start : start + AT_ONCE]
                self._note(schedd_jobs.one_of(some), -1, now)
        except CloudError:
            return
        for key, (one, since) in list(self._missing.items()):
            if now - since >= GONE_S:
                self._over[key] = (replace(one, state="terminated", reason=GONE), now)
                del self._missing[key]

    def _note(self, constraint: str, most: int, now: float) -> None:
        for row in self._link.left(constraint, schedd_jobs.NAMES, most):
            one = self._reader(row, 0.0)
            if one.dead:
                self._over[one.id] = (one, now)
                self._missing.pop(one.id, None)
