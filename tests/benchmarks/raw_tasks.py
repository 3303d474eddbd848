"""The raw htcondor2 calls that a reading is held against. Runs in a child, as the adapter's own tasks do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import htcondor2
from classad2 import ClassAd

from actors.pools.htcondor import census, condor_tasks
from actors.pools.htcondor import startds as condor_startds

begin, rest = condor_tasks.begin, condor_tasks.rest
VERSION = "$CondorVersion: 25.14.1 2026-10-16 PackageID: 25.14.1 $"


def advertise(count: int, turn: int = 0) -> Iterator[int]:
    """Ads of startds that do not exist. A tenth of them is free, in every second turn two tenths; each turn others."""
    collector = htcondor2.Collector(htcondor2.param["COLLECTOR_HOST"])
    numbers = [n for n in range(count) if turn == 0 or _free(n, turn) != _free(n, turn - 1)]
    collector.advertise([_ad(number, _free(number, turn), turn) for number in numbers], "UPDATE_STARTD_AD")
    yield len(numbers)


def _free(number: int, turn: int) -> bool:
    tenth = number // 20 % 10
    return tenth == turn % 10 or (turn % 2 == 1 and tenth == (turn + 5) % 10)


def startds() -> Iterator[tuple[int, float]]:
    """How many ads, and how many seconds, with the adapter's own projection and constraint."""
    collector = htcondor2.Collector(htcondor2.param["COLLECTOR_HOST"])
    start = time.perf_counter()
    ads = collector.query(htcondor2.AdType.Startd, condor_startds.CONSTRAINT, condor_startds.PROJECTION)
    yield len(ads), time.perf_counter() - start


def groups(address: str) -> Iterator[tuple[int, float]]:
    """How many groups, and how many seconds, by the attributes that the adapter groups by."""
    schedd = htcondor2.Schedd(ClassAd({"MyAddress": address, "CondorVersion": ""}))
    asked = [*census.ASKED, "MATCH_APF_QUEUE"]
    start = time.perf_counter()
    found = schedd.query("true", asked, opts=htcondor2.QueryOpt.GroupBy)
    yield len(found), time.perf_counter() - start


def _ad(number: int, free: bool, turn: int) -> ClassAd:
    address = f"<10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}:9618>"
    return ClassAd(
        {
            "MyType": "Machine",
            "Name": f"slot1@w{number}.bench",
            "Machine": f"w{number}.bench",
            "MyAddress": address,
            "StartdIpAddr": address,
            "CondorVersion": VERSION,
            "CloudInstanceID": f"i-{number:017x}",
            "APFQueue": f"q{number // 2 % 10}",
            "APFCloud": ("private", "spot")[number % 2],
            "State": "Unclaimed",
            "Activity": "Idle",
            "SlotType": "Partitionable",
            "PartitionableSlot": True,
            "NumDynamicSlots": 0 if free else 8,
            "Cpus": 8 if free else 0,
            "Memory": 16_384 if free else 384,
            "Disk": 100_000_000 + number,
            "GPUs": 0,
            "MaxJobRetirementTime": 315_360_000,
            "DaemonStartTime": 1_790_000_000 + number,
            "SlotID": 1,
            "UpdateSequenceNumber": 1 + turn,
        }
    )


TASKS: dict[str, Callable[..., Iterator[Any]]] = {"advertise": advertise, "startds": startds, "groups": groups}
