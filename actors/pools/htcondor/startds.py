"""Startd ads, as the collector or a startd itself tells them, turned into rows of plain values. Runs in a child.

Only ads that carry an instance id or a queue of a factory are asked for, without dynamic slots: a partitionable slot
says how many children it has. An instance id is looked for in the order of INSTANCE_ID: HTCondor's own cloud feature
publishes the first, Annex and older APF the second, our user-data the third.

Speed (10,000 ads, of which the query itself takes 0.25 s): one library call an ad, to JSON, takes 0.08 s where one an
attribute takes 0.15 s; parsing takes 0.08 s more. `changes` saves all this for ads that did not change.

The rule it keeps: ads are a worker's word. A value of a wrong type, or an ad that cannot be decoded, spoils only
itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import htcondor2
from classad2 import ClassAd, Value, quote
from pydantic_core import from_json

from actors.fleet.bounds import cut
from actors.pools.htcondor.errors import asked_twice, explained
from actors.pools.htcondor.words import LONG, SHORT, Words

INSTANCE_ID = ("CloudInstanceID", "EC2InstanceID", "APFInstanceID")
OURS = " || ".join(f"{name} =!= undefined" for name in (*INSTANCE_ID, "APFQueue"))
SLOTS = 'SlotType =!= "Dynamic"'
CONSTRAINT = f"({SLOTS}) && ({OURS})"
PROJECTION = [
    *INSTANCE_ID, "Name", "MyAddress", "APFQueue", "APFCloud", "AuthenticatedIdentity", "MaxJobRetirementTime",
    "DaemonStartTime", "State", "Activity", "SlotType", "PartitionableSlot", "NumDynamicSlots", "Cpus", "Memory",
    "Disk", "GPUs", "DrainReason", "Draining", "DrainingRequestId", "RecentJobBusyTimeCount", "RecentJobBusyTimeMax",
    "TotalSlotCpus", "TotalSlotMemory", "TotalSlotDisk", "TotalSlotGPUs", "APFFactory",
]  # fmt: skip
CUSTOM = ("APFQueue", "APFCloud", "APFFactory")  # from a worker's configuration, in whatever case it was written there

_JSON = json.JSONDecoder(strict=False)  # control characters in texts are let through

Row = tuple[Any, ...]
"""One slot: startd name, address, instance id, queue, cloud, identity, retirement s, start time, slot name, state,
activity, partitionable, children, cpus, MiB, MiB, gpus, drain reason, draining, request id, jobs that ended lately, the
longest of them in s, what the whole slot has, taken or not: cpus, MiB, MiB, gpus; 0 cpus: it does not tell; whose
factory it is of; and what no slot can mean of what it says."""


def joined(instance_ids: Sequence[str]) -> Iterator[list[Row]]:
    """All slots of the startds that advertise one of these instances: one list."""
    named = ", ".join(str(quote(one)) for one in instance_ids)
    ours = " || ".join(f"member({name}, {{{named}}}) =?= true" for name in INSTANCE_ID)
    with explained("the collector was asked for some startds"):
        collector = htcondor2.Collector(htcondor2.param["COLLECTOR_HOST"])
        ads = asked_twice(lambda: collector.query(htcondor2.AdType.Startd, f"({SLOTS}) && ({ours})", PROJECTION))
    yield [row_of(ad) for ad in ads]


def at(address: str) -> list[Row]:
    """What the startd at this address says of its slots. Raises the library's errors."""
    collector = htcondor2.Collector(ClassAd({"MyAddress": address}))
    ads = asked_twice(lambda: collector.query(htcondor2.AdType.Startd, SLOTS, PROJECTION))
    return [row_of(ad) for ad in ads if not _dynamic(ad)]


def names(address: str, constraint: str) -> list[str]:
    """Of all slots of the startd at this address for which `constraint` holds. Raises the library's errors."""
    collector = htcondor2.Collector(ClassAd({"MyAddress": address}))
    return [
        text_of(ad, "Name")
        for ad in asked_twice(lambda: collector.query(htcondor2.AdType.Startd, constraint, ["Name"]))
    ]


def startd_name(slot: str) -> str:
    """What a startd's slots, and the RemoteHost of its jobs, share: all behind the first "@"."""
    return slot.partition("@")[2] or slot


def _dynamic(ad: ClassAd) -> bool:
    return bool(ad.get("SlotType") == "Dynamic")


def json_of(ad: ClassAd) -> str:
    """Empty where it cannot be decoded."""
    try:
        return str(ad.printJson())
    except ValueError:
        return ""


def text_of(ad: ClassAd, name: str) -> str:
    """As `row_of` reads a text."""
    most = LONG if name == "MyAddress" else SHORT
    try:
        value = ad.get(name)
    except ValueError:
        return ""
    return cut(value if isinstance(value, str) else _one_by_one(ad, [name]).get(name), most)


def row_of(ad: ClassAd, text: str = "") -> Row:
    """`text` is the ad as JSON, where it is at hand."""
    told = _told(ad, text)
    said = Words(told)
    slot = said.text("Name")
    return (
        startd_name(slot),
        said.text("MyAddress", LONG),
        next((said.text(name) for name in INSTANCE_ID if name in told), ""),
        said.text("APFQueue"),
        said.text("APFCloud"),
        said.text("AuthenticatedIdentity"),
        said.whole("MaxJobRetirementTime"),
        said.whole("DaemonStartTime"),
        slot,
        said.text("State"),
        said.text("Activity"),
        told.get("PartitionableSlot") is True or told.get("SlotType") == "Partitionable",
        said.whole("NumDynamicSlots"),
        said.whole("Cpus"),
        said.whole("Memory"),
        said.whole("Disk") // 1024,
        said.whole("GPUs"),
        said.text("DrainReason"),
        told.get("Draining") is True,
        said.label("DrainingRequestId"),
        said.whole("RecentJobBusyTimeCount"),
        said.whole("RecentJobBusyTimeMax"),
        said.whole("TotalSlotCpus"),
        said.whole("TotalSlotMemory"),
        said.whole("TotalSlotDisk") // 1024,
        said.whole("TotalSlotGPUs"),
        said.text("APFFactory"),
        said.damaged,
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
