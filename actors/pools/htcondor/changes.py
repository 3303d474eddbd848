"""A reading of all startds, told as what changed since the last one. Runs in a child.

Most of 10,000 ads are as they were. So the collector is first asked for their stamps: name, address, and two numbers
that are others with each update (a startd counts what it sends, and the collector notes when it came). An ad whose
stamp is known is as it was. The others are asked for whole, by the time of the oldest of them; and of these only those
that say something new are told to the host. Measured, with a quarter of 10,000 ads changed: a query for all that is
told takes 0.17 s, one for stamps 0.07 s, one for the changed ads 0.06 s; and each of these costs 20 us more, to make a
row of it, send it and make a machine of that. Where all changed, as in a first reading, the stamps come on top.

The rules it keeps:
- The first query says which ads there are. One that changed and is not among those of the second is looked for once
  more, among all: where a collector's clock was set back, times say nothing. Only then is it gone.
- An ad that does not say how often it was sent may change unseen within a second: it is always asked for.

Another program may merge attributes into an ad without a new stamp; the startd's next ad shows them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import htcondor2
from classad2 import ClassAd

from actors.pools.htcondor.errors import asked_twice, explained
from actors.pools.htcondor.startds import CONSTRAINT, PROJECTION, Row, json_of, row_of, startd_name, text_of

COUNT, HEARD = "UpdateSequenceNumber", "LastHeardFrom"
STAMP = ["Name", "MyAddress", COUNT, HEARD]
ADS_AT_ONCE = 250

Place = tuple[str, str, str]  # which ad: startd name, address, slot name
Changes = tuple[list[Row], list[Place]]  # slots that are new or say something new; slots that are gone

Ask = Callable[[str, list[str]], Sequence[ClassAd]]  # constraint and projection -> ads

_answers: list[Sequence[ClassAd]] = []  # until ours is out: freeing 10,000 ads takes 0.03 s


@dataclass(slots=True)
class Told:
    """What the host knows since a reading of this name."""

    name: str = ""
    stamps: dict[str, Place] = field(default_factory=dict)
    texts: dict[Place, str] = field(default_factory=dict)  # each ad as JSON; empty where it cannot be decoded


_last = Told()


def startds(known: str) -> Iterator[Any]:
    """First the names of this reading and of the one that it tells the changes to; then Changes, of at most ADS_AT_ONCE
    rows each, over all slots of startds of interest.

    `known`: the name of the last reading that the host has whole. Where that is not our last one, the changes are those
    to nothing, and its name is empty here.
    """
    global _last
    before, now = _last if known == _last.name else Told(), Told(secrets.token_hex(8))
    yield now.name, before.name
    with explained("the collector was asked for startds"):
        yield from changes(_ask, before, now)
    _last = now


def changes(ask: Ask, before: Told, now: Told) -> Iterator[Changes]:
    """Fills `now` on the way; it is whole when all changes were taken."""
    awaited = _stamped(ask(CONSTRAINT, STAMP), before, now)
    rows: list[Row] = []
    for ad, place in _whole(ask, awaited):
        now.texts[place] = text = json_of(ad)
        if not text or before.texts.get(place) != text:
            rows.append(row_of(ad, text))
        if len(rows) == ADS_AT_ONCE:
            yield rows, []
            rows = []
    yield rows, [place for place in before.texts if place not in now.texts]


def forget_ads() -> None:
    _answers.clear()


def _stamped(ads: Iterable[ClassAd], before: Told, now: Told) -> dict[Place, int]:
    """Note in `now` what is as it was; return where an ad has to be fetched, and when each came."""
    awaited = {}
    for ad in ads:
        stamp = json_of(ad)
        place = before.stamps.get(stamp)
        if place in before.texts:  # it was there when it was asked for
            now.texts[place], now.stamps[stamp] = before.texts[place], place
            continue
        place = _place(ad)
        awaited[place] = _number(ad, HEARD) or 0  # then all ads are asked for
        if _number(ad, COUNT) is not None:
            now.stamps[stamp] = place
    return awaited


def _whole(ask: Ask, awaited: dict[Place, int]) -> Iterator[tuple[ClassAd, Place]]:
    """The ads of these places, as they are by now."""
    since = min(awaited.values(), default=0)
    for constraint in (f"{HEARD} >= {since} && {CONSTRAINT}", CONSTRAINT):
        for ad in ask(constraint, PROJECTION) if awaited else ():
            place = _place(ad)
            if awaited.pop(place, None) is not None:
                yield ad, place


def _place(ad: ClassAd) -> Place:
    slot = text_of(ad, "Name")
    return startd_name(slot), text_of(ad, "MyAddress"), slot


def _number(ad: ClassAd, name: str) -> int | None:
    try:
        value = ad.get(name)
    except ValueError:
        return None
    return value if type(value) is int else None


def _ask(constraint: str, projection: list[str]) -> Sequence[ClassAd]:
    collector = htcondor2.Collector(htcondor2.param["COLLECTOR_HOST"])
    ads: Sequence[ClassAd] = asked_twice(lambda: collector.query(htcondor2.AdType.Startd, constraint, projection))
    _answers.append(ads)
    return ads
