"""Startd ads, as the collector or a startd itself tells them, turned into rows of plain values. Runs in a child.

Only ads that carry an instance id or a queue of a factory are asked for, without dynamic slots: a partitionable slot
says how many children it has. An instance id is looked for in the order of INSTANCE_ID: HTCondor's own cloud feature
publishes the first, Annex and older APF the second, our user-data the third.

The ads go through JSON: one library call an ad, instead of one an attribute (measured: half the time).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import htcondor2
from classad2 import ClassAd, Value

from actors.pools.condor_errors import explained

INSTANCE_ID = ("CloudInstanceID", "EC2InstanceID", "APFInstanceID")
OURS = " || ".join(f"{name} =!= undefined" for name in (*INSTANCE_ID, "APFQueue"))
SLOTS = 'SlotType =!= "Dynamic"'
PROJECTION = [
    *INSTANCE_ID, "Name", "MyAddress", "APFQueue", "APFCloud", "AuthenticatedIdentity", "MaxJobRetirementTime",
    "DaemonStartTime", "State", "Activity", "SlotType", "PartitionableSlot", "NumDynamicSlots", "Cpus", "Memory",
    "Disk", "GPUs", "DrainReason", "Draining", "DrainingRequestId",
]  # fmt: skip
MACHINES_AT_ONCE = 500

Row = tuple[Any, ...]


def startds() -> Iterator[list[Row]]:
    """Machines (see `machines`), in lists of at most MACHINES_AT_ONCE."""
    with explained("the collector was asked for startds"):
        collector = htcondor2.Collector(htcondor2.param["COLLECTOR_HOST"])
        ads = collector.query(htcondor2.AdType.Startd, f"({SLOTS}) && ({OURS})", PROJECTION)
    rows = machines(ads)
    for start in range(0, len(rows), MACHINES_AT_ONCE):
        yield rows[start : start + MACHINES_AT_ONCE]


def at(address: str) -> list[Row]:
    """What the startd at this address says of itself (see `machines`). Raises the library's errors."""
    ads = htcondor2.Collector(ClassAd({"MyAddress": address})).query(htcondor2.AdType.Startd, SLOTS, PROJECTION)
    return machines(ad for ad in ads if ad.get("SlotType") != "Dynamic")


def machines(ads: Iterable[ClassAd]) -> list[Row]:
    """One row a startd: name, address, instance id, queue, cloud, identity, retirement s, start time, slots."""
    found: dict[tuple[str, str], list[Any]] = {}
    for ad in ads:
        told = _told(ad)
        name, address = startd_name(told.get("Name", "")), told.get("MyAddress", "")
        machine = found.get((name, address))
        if machine is None:
            found[name, address] = [name, address, *_machine(told), [_slot(told)]]
        else:
            _join(machine, _machine(told), _slot(told))
    return [(*machine[:-1], tuple(machine[-1])) for machine in found.values()]


def startd_name(slot: str) -> str:
    """What a startd's slots, and the RemoteHost of its jobs, share: all behind the first "@"."""
    return slot.partition("@")[2] or slot


def _told(ad: ClassAd) -> dict[str, Any]:
    """The ad's values by name. Expressions are evaluated; what cannot be decoded is left out, the rest still counts."""
    try:
        told: dict[str, Any] = json.loads(ad.printJson(), strict=False)
    except ValueError:
        return _one_by_one(ad)
    for name, value in told.items():
        if isinstance(value, str) and value.startswith("/Expr("):
            told[name] = _plain(ad.eval(name))
    return told


def _plain(value: object) -> object:
    """Undefined and error are integers in Python (Value is an IntEnum); here they are nothing."""
    return None if isinstance(value, Value) else value


def _one_by_one(ad: ClassAd) -> dict[str, Any]:
    told = {}
    for name in PROJECTION:
        with suppress(ValueError, KeyError):
            told[name] = _plain(ad.eval(name))
    return told


def _machine(told: dict[str, Any]) -> tuple[str, str, str, str, int, int]:
    instance = next((told[name] for name in INSTANCE_ID if name in told), "")
    return (
        _text(instance),
        _text(told.get("APFQueue", "")),
        _text(told.get("APFCloud", "")),
        _text(told.get("AuthenticatedIdentity", "")),
        _whole(told.get("MaxJobRetirementTime", 0)),
        _whole(told.get("DaemonStartTime", 0)),
    )


def _slot(told: dict[str, Any]) -> Row:
    """name, state, activity, partitionable, children, cpus, MiB, MiB, gpus, drain reason, draining, request id."""
    return (
        _text(told.get("Name", "")),
        _text(told.get("State", "")),
        _text(told.get("Activity", "")),
        told.get("PartitionableSlot") is True or told.get("SlotType") == "Partitionable",
        _whole(told.get("NumDynamicSlots", 0)),
        _whole(told.get("Cpus", 0)),
        _whole(told.get("Memory", 0)),
        _whole(told.get("Disk", 0)) // 1024,
        _whole(told.get("GPUs", 0)),
        _text(told.get("DrainReason", "")),
        told.get("Draining") is True,
        str(told.get("DrainingRequestId", "")),
    )


def _join(machine: list[Any], later: tuple[str, str, str, str, int, int], slot: Row) -> None:
    """Another slot of a startd. The smallest retirement time counts: a job below it may be evicted."""
    for at, text in enumerate(later[:4], start=2):
        machine[at] = machine[at] or text
    machine[6] = min(machine[6], later[4])
    machine[7] = max(machine[7], later[5])
    machine[8].append(slot)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: object) -> int:
    """A worker's word may be of any type; what is no number counts as 0."""
    return int(value) if isinstance(value, int | float) and abs(value) < 1e18 else 0
