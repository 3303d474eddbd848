"""Who gets how much of what several queues want more of than there is: a cloud's VMs, or the factory's limits.

Higher priority first, and to each what it asks for. What is left is divided by shares inside one priority so that the
least served, by its share, is served next (max-min fairness): nobody gets more than it asks for, and what one queue
does not want goes to the others.

Absolute and without memory: a division depends on what all ask for, and neither on who has what already nor on the
order of the queues. So a steady demand has one division, and nothing swings. What a queue asks for is what it would
have, were it alone there (`fair_asks`): this does not depend on the division, or the two would chase each other.

Who computes it: of a cloud its holder, who reads the wants of all its queues anyway and writes each queue's share into
the view that it publishes. So one writer a row, and all schedulers go by the same division wherever they run. Of the
factory's limits each scheduler by itself, from the wants of all.

A queue that has more than its share gives it back as any surplus: after `release_after_s`, idle VMs first, then busy
ones, which take no new job and end with their last one. No job is killed for a priority.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from actors.policies.limits import Limit, Usage

EXACT = 1e-9  # a level times a share is not exact: so much below a whole number is that number's predecessor


class Asks(Protocol):
    @property
    def asked(self) -> float: ...
    @property
    def share(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What one queue asks for: VMs, or cores. Higher `priority` goes first; `share` is its weight, more than 0."""

    queue: str
    asked: int
    priority: int = 0
    share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOfFactory:
    """What one queue would use of the factory's limits, were it alone in it."""

    queue: str
    asked: Usage
    priority: int = 0
    share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Amount:
    queue: str
    asked: float
    share: float


def divide(room: int, asks: Iterable[Ask]) -> dict[str, int]:
    """What each queue gets of `room`: whole numbers, none above what is asked, `room` in all when that much is asked.

    More room, or a higher ask of its own, never gives a queue less.
    """
    given: dict[str, int] = {}
    for _, level in groupby(sorted(asks, key=lambda a: (-a.priority, a.queue)), key=lambda a: a.priority):
        equals = list(level)
        parts = _fairly(room, equals)
        given |= parts
        room -= sum(parts.values())
    return given


def short(room: int, asks: Iterable[Ask]) -> dict[str, int]:
    """The share of each queue that gets less than it asks for; who is absent has no need to hold back."""
    known = list(asks)
    if sum(ask.asked for ask in known) <= room:
        return {}
    given = divide(room, known)
    return {ask.queue: given[ask.queue] for ask in known if given[ask.queue] < ask.asked}


def factory_share(limit: Limit, asks: Iterable[AskOfFactory], queue: str) -> Limit:
    """What the factory's limit is for one queue, amount by amount; no limit where it gets all that it asks for."""
    known = list(asks)
    return Limit(
        vms=_whole_share(limit.vms, {a.queue: a.asked.vms for a in known}, known, queue),
        cores=_whole_share(limit.cores, {a.queue: a.asked.cores for a in known}, known, queue),
        usd_per_hour=_money_share(limit.usd_per_hour, known, queue),
    )


def _whole_share(most: int | None, asked: Mapping[str, int], asks: list[AskOfFactory], queue: str) -> int | None:
    if most is None:
        return None
    whole = (Ask(queue=a.queue, asked=asked[a.queue], priority=a.priority, share=a.share) for a in asks)
    return short(most, whole).get(queue)


def _money_share(most: float | None, asks: list[AskOfFactory], queue: str) -> float | None:
    if most is None or sum(ask.asked.usd_per_hour for ask in asks) <= most + EXACT:
        return None
    for _, level in groupby(sorted(asks, key=lambda a: (-a.priority, a.queue)), key=lambda a: a.priority):
        equals = [_Amount(queue=a.queue, asked=a.asked.usd_per_hour, share=a.share) for a in level]
        fair = _level(most, equals)
        for one in equals:
            gets = min(one.asked, fair * one.share)
            most -= gets
            if one.queue == queue:
                return gets if gets < one.asked - EXACT else None
        most = max(0.0, most)
    return None


def _level(room: float, asks: Iterable[Asks]) -> float:
    """The height, in units a share, to which `room` fills the asks; infinite when it fills them all."""
    open_ = sorted(asks, key=lambda a: a.asked / a.share)
    shares = math.fsum(ask.share for ask in open_)
    for ask in open_:
        if ask.asked / ask.share * shares > room:
            return room / shares
        room, shares = room - ask.asked, shares - ask.share
    return math.inf


def _fairly(room: int, asks: list[Ask]) -> dict[str, int]:
    """Whole parts at the level to which `room` fills, then unit by unit to who is then the least served."""
    if room <= 0:
        return dict.fromkeys((ask.queue for ask in asks), 0)
    level = _level(room, asks)
    if math.isinf(level):
        return {ask.queue: ask.asked for ask in asks}
    given = {ask.queue: min(ask.asked, max(0, math.floor(level * ask.share - EXACT))) for ask in asks}
    room -= sum(given.values())
    hungry = [((given[a.queue] + 1) / a.share, a.queue, a) for a in asks if given[a.queue] < a.asked]
    heapq.heapify(hungry)
    while room > 0 and hungry:
        _, queue, ask = heapq.heappop(hungry)
        given[queue] += 1
        room -= 1
        if given[queue] < ask.asked:
            heapq.heappush(hungry, ((given[queue] + 1) / ask.share, queue, ask))
    return given
