"""Startd ads, as the collector or a startd itself tells them, turned into rows of plain values. Runs in a child.

Only ads that carry an instance id or a queue of a factory are asked for, without dynamic slots: a partitionable slot
says how many children it has. An instance id is looked for in the order of INSTANCE_ID: HTCondor's own cloud feature
publishes the first, Annex and older APF the second, our user-data the third.

Speed (10,000 ads, of which the query itself takes 0.25 s): one library call an ad, to JSON, takes 0.08 s where one an
attribute takes 0.15 s; parsing takes 0.08 s more, and as much again to send the rows to the host and to make machines
of them. All this is saved for ads that did not change since the last reading: the host is told their place in that one.
Which these are their stamps say, for a quarter of what the JSON costs: a startd counts what it sends, and the collector
notes when it came. (Another program may merge attributes into an ad without that; the startd's next ad shows them.)

The rule it keeps: ads are a worker's word. A value of a wrong type, or an ad that cannot be decoded, spoils only
itself.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import htcondor2
from classad2 import ClassAd, Value, quote
from pydantic_core import from_json

from actors.pools.condor_errors import asked_twice, explained

INSTANCE_ID = ("CloudInstanceID", "EC2InstanceID", "APFInstanceID")
OURS = " || ".join(f"{name} =!= undefined" for name in (*INSTANCE_ID, "APFQueue"))
SLOTS = 'SlotType =!= "Dynamic"'
CONSTRAINT = f"({SLOTS}) && ({OURS})"
UPDATED = ("UpdateSequenceNumber", "LastHeardFrom")  # other numbers with each update, even of an ad that says the same
PROJECTION = [
    *INSTANCE_ID, "Name", "MyAddress", "APFQueue", "APFCloud", "AuthenticatedIdentity", "MaxJobRetirementTime",
    "DaemonStartTime", "State", "Activity", "SlotType", "PartitionableSlot", "NumDynamicSlots", "Cpus", "Memory",
    "Disk", "GPUs", "DrainReason", "Draining", "DrainingRequestId", "RecentJobBusyTimeCount", "RecentJobBusyTimeMax",
    *UPDATED,
]  # fmt: skip
ADS_AT_ONCE = 1000
CUSTOM = ("APFQueue", "APFCloud")  # from a worker's configuration, in whatever case it was written there

_JSON = json.JSONDecoder(strict=False)  # control characters in texts are let through

Row = tuple[Any, ...]
"""One slot: startd name, address, instance id, queue, cloud, identity, retirement s, start time, slot name, state,
activity, partitionable, children, cpus, MiB, MiB, gpus, drain reason, draining, request id, jobs that ended lately, the
longest of them in s."""

Entry = Row | int  # a row, or the place in the former reading of an ad that is as it was then

Stamp = tuple[str, str, int, int]  # of an ad: slot name, address, and UPDATED


class Reading:
    """What is kept of a reading: with it the next one knows which ads are as they were."""

    def __init__(self, ads: Sequence[ClassAd] = ()) -> None:
        self.name = secrets.token_hex(8)  # no other reading, of any child, is called so
        self.ads = ads  # until the answer is out: freeing 10,000 of them takes 0.03 s
        self._texts: list[str] = []
        self._by_stamp: dict[Stamp, int] = {}
        self._by_text: dict[str, int] = {}

    def entries(self, ads: Iterable[ClassAd], before: Reading) -> list[Entry]:
        """Of the next of its ads, in order."""
        return [self._entry(ad, before) for ad in ads]

    def _entry(self, ad: ClassAd, before: Reading) -> Entry:
        stamp = _stamp(ad)
        was = before._by_stamp.get(stamp) if stamp else None
        text = before._texts[was] if was is not None else _json(ad, stamp)
        if was is None and text:
            was = before._by_text.get(text)
        self._note(stamp, text)
        return row_of(ad, text) if was is None else was

    def _note(self, stamp: Stamp | None, text: str) -> None:
        place = len(self._texts)
        self._texts.append(text)
        if text:
            self._by_text[text] = place
            if stamp:
                self._by_stamp[stamp] = place


_last = Reading()


def startds(known: str) -> Iterator[Any]:
    """First this reading's name, then all slots of startds of interest: entries, in lists of at most ADS_AT_ONCE.

    `known`: the name of the last reading that the host has whole. Where it is not our last one, all entries are rows.
    """
    global _last
    with explained("the collector was asked for startds"):
        collector = htcondor2.Collector(htcondor2.param["COLLECTOR_HOST"])
        ads = asked_twice(lambda: collector.query(htcondor2.AdType.Startd, CONSTRAINT, PROJECTION))
    before = _last if known == _last.name else Reading()
    _last = Reading(ads)
    yield _last.name
    for start in range(0, len(ads), ADS_AT_ONCE):
        yield _last.entries(ads[start : start + ADS_AT_ONCE], before)


def joined(instance_ids: Sequence[str]) -> Iterator[list[Row]]:
    """All slots of the startds that advertise one of these instances: one list."""
    named = ", ".join(str(quote(one)) for one in instance_ids)
    ours = " || ".join(f"member({name}, {{{named}}}) =?= true" for name in INSTANCE_ID)
    with explained("the collector was asked for some startds"):
        collector = htcondor2.Collector(htcondor2.param["COLLECTOR_HOST"])
        ads = asked_twice(lambda: collector.query(htcondor2.AdType.Startd, f"({SLOTS}) && ({ours})", PROJECTION))
    yield [row_of(ad) for ad in ads]


def forget_ads() -> None:
    _last.ads = ()


def at(address: str) -> list[Row]:
    """What the startd at this address says of its slots. Raises the library's errors."""
    collector = htcondor2.Collector(ClassAd({"MyAddress": address}))
    ads = asked_twice(lambda: collector.query(htcondor2.AdType.Startd, SLOTS, PROJECTION))
    return [row_of(ad) for ad in ads if not _dynamic(ad)]


def startd_name(slot: str) -> str:
    """What a startd's slots, and the RemoteHost of its jobs, share: all behind the first "@"."""
    return slot.partition("@")[2] or slot


def _dynamic(ad: ClassAd) -> bool:
    return bool(ad.get("SlotType") == "Dynamic")


def _stamp(ad: ClassAd) -> Stamp | None:
    """None where a part is missing, or is not what it should be: then the whole ad is compared."""
    try:
        name, address, number, heard = ad.get("Name"), ad.get("MyAddress"), ad.get(UPDATED[0]), ad.get(UPDATED[1])
    except ValueError:
        return None
    if type(name) is str and type(address) is str and type(number) is int and type(heard) is int:
        return name, address, number, heard
    return None


def _json(ad: ClassAd, stamp: Stamp | None) -> str:
    """The ad without its stamp; empty where it cannot be decoded."""
    for name in UPDATED if stamp else ():
        del ad[name]
    try:
        return str(ad.printJson())
    except ValueError:
        return ""


def row_of(ad: ClassAd, text: str = "") -> Row:
    """`text` is the ad as JSON, where it is at hand."""
    told = _told(ad, text)
    slot = _text(told, "Name")
    return (
        startd_name(slot),
        _text(told, "MyAddress"),
        next((_text(told, name) for name in INSTANCE_ID if name in told), ""),
        _text(told, "APFQueue"),
        _text(told, "APFCloud"),
        _text(told, "AuthenticatedIdentity"),
        _whole(told, "MaxJobRetirementTime"),
        _whole(told, "DaemonStartTime"),
        slot,
        _text(told, "State"),
        _text(told, "Activity"),
        told.get("PartitionableSlot") is True or told.get("SlotType") == "Partitionable",
        _whole(told, "NumDynamicSlots"),
        _whole(told, "Cpus"),
        _whole(told, "Memory"),
        _whole(told, "Disk") // 1024,
        _whole(told, "GPUs"),
        _text(told, "DrainReason"),
        told.get("Draining") is True,
        str(told.get("DrainingRequestId", "")),
        _whole(told, "RecentJobBusyTimeCount"),
        _whole(told, "RecentJobBusyTimeMax"),
    )


def _told(ad: ClassAd, text: str) -> dict[str, Any]:
    """The ad's values by name; what cannot be decoded is left out, expressions are evaluated."""
    try:
        told: dict[str, Any] = _decoded(text or ad.printJson())
    except ValueError:
        return _one_by_one(ad, PROJECTION)
    if "/Expr(" in text or not text:
        told.update(_one_by_one(ad, [name for name, value in told.items() if _is_expression(value)]))
    if not all(name in told for name in (*CUSTOM, INSTANCE_ID[0])):
        told.update(_one_by_one(ad, [name for name in (*CUSTOM, *INSTANCE_ID) if name not in told]))
    return told


def _decoded(text: str) -> Any:
    """pydantic's decoder takes 3 us where Python's takes 8, and refuses control characters."""
    try:
        return from_json(text)
    except ValueError:
        return _JSON.decode(text)


def _is_expression(value: object) -> bool:
    return isinstance(value, str) and value.startswith("/Expr(")


def _one_by_one(ad: ClassAd, names: Sequence[str]) -> dict[str, Any]:
    """Undefined and error are integers in Python (Value is an IntEnum); here they are nothing."""
    told = {}
    for name in names:
        with suppress(ValueError, KeyError):
            value = ad.eval(name)
            told[name] = None if isinstance(value, Value) else value
    return told


def _text(told: dict[str, Any], name: str) -> str:
    value = told.get(name)
    return value if isinstance(value, str) else ""


def _whole(told: dict[str, Any], name: str) -> int:
    """What is no number counts as 0."""
    value = told.get(name)
    return int(value) if isinstance(value, int | float) and abs(value) < 1e18 else 0
