"""What a queue's demand was seen to do in the last two hours: how fast it grows, and how soon a level is needed again.

Demand is counted in cores, of waiting and of running jobs, and remembered by slots of half a minute: the level in the
end of each, and its peak. Only slots in which the level changed are written down, so a quiet queue has a short past. It
stands in a row: who takes the queue over knows what was seen. What is not known, before the first slot, is no growth.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache

SLOT_S = 30.0
KEPT_S = 7_200.0
KEPT = int(KEPT_S / SLOT_S)

Seen = tuple[int, int, int]  # the slot's number (time / SLOT_S), cores in its end, cores at its peak


@dataclass(frozen=True, slots=True)
class Past:
    """`seen`: slots in which the level changed, the oldest first."""

    seen: tuple[Seen, ...] = ()

    def with_level(self, cores: int, now: float) -> Past:
        """After demand was seen to be `cores` at `now` (seconds). The same object where nothing changed."""
        slot = int(now / SLOT_S)
        if not self.seen:
            return Past(((slot, cores, cores),))
        last, level, peak = self.seen[-1]
        if cores == level or slot < last:
            return self
        if slot == last:
            return Past((*self.seen[:-1], (slot, cores, max(peak, cores))))
        oldest = slot - KEPT
        kept = bisect_left(self.seen, (oldest,))
        return Past((*self.seen[max(0, kept - 1) :], (slot, cores, max(level, cores))))

    def newer_than(self, written: Past) -> bool:
        """Whether it has a slot that the written one has not: a row is written once a slot."""
        return bool(self.seen) and (not written.seen or self.seen[-1][0] > written.seen[-1][0])

    def growth(self, quantile: float, within_s: float, now: float) -> int:
        """Cores by which demand grew within `within_s`, at most, in that part (0 to 1) of the last two hours."""
        slot = int(now / SLOT_S)
        over = (
            self.seen[:-1] if self.seen and self.seen[-1][0] >= slot else self.seen
        )  # the same until the slot is over
        return _growth(over, quantile, max(1, math.ceil(within_s / SLOT_S)), slot)

    def returns(self, level: int, now: float) -> tuple[float, ...]:
        """For each fall of demand below `level` cores: seconds until it was needed again; infinite: not so far."""
        return _returns(self.seen, level, int(now / SLOT_S))


NO_PAST = Past()


@lru_cache(maxsize=1_024)
def _growth(seen: tuple[Seen, ...], quantile: float, slots: int, now: int) -> int:
    levels, peaks = _expanded(seen, now)
    grown = sorted(
        max(0, max(peaks[at + 1 : at + 1 + slots], default=0) - levels[at]) for at in range(len(levels) - slots)
    )
    unknown = KEPT - len(grown)
    place = math.ceil(quantile * KEPT) - 1 - unknown
    return grown[min(place, len(grown) - 1)] if place >= 0 and grown else 0


def _returns(seen: tuple[Seen, ...], level: int, now: int) -> tuple[float, ...]:
    found: list[float] = []
    below: int | None = None
    was = 0
    for slot, cores, peak in seen:
        if below is not None and peak >= level:
            found.append((slot - below) * SLOT_S)
            below = None
        if cores < level <= max(was, peak):
            below = slot
        was = cores
    return (*found, math.inf) if below is not None and (now - below) * SLOT_S > 0 else tuple(found)


def _expanded(seen: tuple[Seen, ...], now: int) -> tuple[list[int], list[int]]:
    """Levels and peaks of each slot of the last two hours that is known, the one of now left out."""
    levels: list[int] = []
    peaks: list[int] = []
    first = now - KEPT
    for at, (slot, level, peak) in enumerate(seen):
        until = seen[at + 1][0] if at + 1 < len(seen) else now
        for one in range(max(slot, first), min(until, now)):
            levels.append(level)
            peaks.append(peak if one == slot else level)
    return levels, peaks
