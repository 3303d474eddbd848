"""What startds that joined advertise of what they are, for those who want to know what the next one will be. Runs in a
child.

Of an ad only plain values count (texts, numbers, true and false), of a bounded number and length: what others evaluate
beside it must not cost or end anything. Left out is what is of one machine, of one moment or of one slot, what a job
changes, and what the factory itself says or counts.

The rule it keeps: ads are a worker's word. A value that cannot be decoded spoils only itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import htcondor2
from classad2 import ClassAd, Value, quote

from actors.pools.htcondor.errors import asked_twice, explained
from actors.pools.htcondor.startds import INSTANCE_ID, SLOTS, startd_name, text_of

MOST_ATTRIBUTES, MOST_NAME, MOST_TEXT = 150, 64, 256  # of one ad; characters

Advertised = tuple[str, str, dict[str, str]]  # startd name, address, ClassAd literals by name

NOT_LEARNED = frozenset(name.lower() for name in (
    "Name", "Machine", "MyAddress", "MyType", "TargetType", "PublicNetworkIpAddr", "PrivateNetworkName", "AddressV1",
    "HardwareAddress", "SubnetMask", "UtsnameNodename", "UidDomain", "FileSystemDomain", "AuthenticatedIdentity",
    "AuthenticationMethod", "Cpus", "Memory", "Disk", "GPUs", "Swap", "VirtualMemory", "State", "Activity", "CpuBusy",
    "CpuBusyTime", "KeyboardIdle", "ConsoleIdle", "Rank", "Start", "Requirements", "WithinResourceLimits",
    "MaxJobRetirementTime", "PartitionableSlot", "SlotType", "SlotID", "SlotTypeID", "SlotWeight", "DSlotId",
    "TimeToLive", "StarterAbilityList", "AcceptedWhileDraining", "Draining", "DrainReason", "DrainingRequestId",
    "MachineLastMatchTime", "AvailableGPUs", "AssignedGPUs", "PslotRollupInformation", "APFFactory", "APFCloud",
    "APFQueue", "COLLECTOR_HOST_STRING", "CondorScratchDir", *INSTANCE_ID,
))  # fmt: skip
_PASSING = re.compile(
    r"(child|recent|monitor|total|detected|num|last|next|update|job|claim|activation|daemoncore|daemonlast|daemonstart"
    r"|entered|expected|retirement|clock|hibernat|wake|remote|current|client|global|newdslot|owner|accounting|concurrency"
    r"|drain|mycurrent|startdip|offline|offlog|public|devicegpus).*"
    r"|.*(loadavg|time|history|usage)",
    re.IGNORECASE,
)


def advertised(names: Sequence[str]) -> Iterator[list[Advertised]]:
    """One slot of each of these startds that the collector knows: one list."""
    ours = ", ".join(str(quote(name)) for name in names)
    with explained("the collector was asked for some startds"):
        collector = htcondor2.Collector(htcondor2.param["COLLECTOR_HOST"])
        constraint = f"({SLOTS}) && member(Machine, {{{ours}}}) =?= true"
        ads = asked_twice(lambda: collector.query(htcondor2.AdType.Startd, constraint))
    found: dict[tuple[str, str], ClassAd] = {}
    for ad in ads:
        found.setdefault((startd_name(text_of(ad, "Name")), text_of(ad, "MyAddress")), ad)
    yield [(name, address, attributes_of(ad)) for (name, address), ad in found.items()]


def attributes_of(ad: ClassAd) -> dict[str, str]:
    """What may be expected of the next worker too."""
    own = [text.lower() for text in (text_of(ad, one) for one in ("Machine", *INSTANCE_ID)) if text]
    found = {}
    for name in sorted(ad, key=str.lower):
        if len(name) > MOST_NAME or name.lower() in NOT_LEARNED or _PASSING.fullmatch(name):
            continue
        text = _literal(ad, name)
        if text and not any(one in text.lower() for one in own):
            found[name] = text
        if len(found) == MOST_ATTRIBUTES:
            break
    return found


def _literal(ad: ClassAd, name: str) -> str:
    """Empty where it is no plain value, or too long."""
    try:
        value = ad.get(name)
    except ValueError:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = str(quote(value))
    elif isinstance(value, int | float) and not isinstance(value, Value) and abs(value) < 1e18:
        text = repr(value)
    else:
        return ""
    return text if len(text) <= MOST_TEXT else ""
