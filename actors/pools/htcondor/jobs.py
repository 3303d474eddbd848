"""Jobs by class, counted in the schedd. Runs in a child.

One GroupBy query a schedd, never ad by ad: the schedd answers one ad for each combination of the attributes asked for,
with JobCount. What was measured (25.14 and 23.9):

- The constraint of a GroupBy sees only the attributes that are grouped by; on others it is undefined, and the answer is
  empty without an error. So all that the constraint refers to is asked for.
- Attributes that Requirements and Request expressions refer to are grouped by too, by the schedd itself. For attributes
  that name others twice each (`A1 = A0 + A0`, ...) that takes the schedd longer than anybody waits: see `condor_whole`.
- ServerTime, the schedd's clock, can be asked for in a plain query: the age of an idle job needs no clock of ours.

The queue is decided here, for each group: the first queue in the configuration's order whose expression is exactly
true gets it, and jobs that a later one matches too are counted as overlapping. Groups become classes by what clouds
answer them (`condor_judge`): so users may write what they like, and there are as many groups as they write differently,
but few classes. A group that cannot be read, or evaluated, is a class of its own that says so.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import htcondor2
from classad2 import ClassAd

from actors.fleet.matching import host_of
from actors.pools.htcondor import whole
from actors.pools.htcondor.apart import judged
from actors.pools.htcondor.census import (
    AGE,
    ASKED,
    LEAVING,
    RUNNING,
    SUSPENDED,
    AdReader,
    Census,
    QueueSpec,
    Row,
    Slots,
)
from actors.pools.htcondor.errors import asked_twice, explained
from actors.pools.htcondor.judge import IDLE
from actors.pools.htcondor.run_limits import NO_LIMITS, RUNNERS, Caps, Limits, known_to
from actors.pools.htcondor.startds import INSTANCE_ID, startd_name, text_of

OFF_STARTDS = {7: "scheduler", 9: "grid", 12: "local"}
HERE = "JobStatus <= 7 && JobStatus != 3 && JobStatus != 4" + "".join(f" && JobUniverse != {n}" for n in OFF_STARTDS)
INSTANCE_OF_JOB = tuple(f"MachineAttr{name}0" for name in INSTANCE_ID)  # where submitters or schedds ask for it
CLASSES_AT_ONCE = 1000
MANY = 20  # queues that compare one attribute
_COMPARED = re.compile(r"""\s*([A-Za-z_]\w*)\s*==\s*(?:"(?:[^"\\]|\\.)*"|\d+)\s*""", re.ASCII)

Avoided = tuple[int, ...]  # clusters
Head = tuple[int, tuple[str, ...], Avoided | None]  # overlapping jobs, notes, clusters that are better not asked for


def schedds(wanted: tuple[str, ...]) -> Iterator[Any]:
    """(name, address) of the schedds that the collector knows, or of those wanted; names are compared without case.
    Then the limits of running jobs, as far as the collector knows them (see `run_limits`).
    """
    with explained("the collector was asked for schedds"):
        collector = htcondor2.Collector(htcondor2.param["COLLECTOR_HOST"])
        ads = asked_twice(lambda: collector.query(htcondor2.AdType.Schedd, projection=["Name", "MyAddress", *RUNNERS]))
    known = [(text_of(ad, "Name"), text_of(ad, "MyAddress")) for ad in ads]
    if wanted:
        names = {name.lower() for name in wanted}
        known = [(name, address) for name, address in known if name.lower() in names]
    yield sorted(known)
    yield known_to(collector, ads)


def jobs(
    name: str,
    address: str,
    queues: tuple[QueueSpec, ...],
    slots: Slots,
    avoided: Avoided | None,
    limits: Limits = NO_LIMITS,
) -> Iterator[Head | list[Row]]:
    """First the Head, then lists of rows. `slots`: by queue, a free slot of each of its clouds' workers.

    `limits`: see `run_limits`. `avoided`: None: the schedd is asked for groups. Else it is asked for each job, without
    these clusters.
    """
    with explained(f"schedd {name} was asked for jobs"):
        census = _census(name, schedd_at(address), queues, slots, avoided, Caps(name, limits))
    rows = census.rows()
    yield census.overlapping, census.notes(), census.avoided
    for start in range(0, len(rows), CLASSES_AT_ONCE):
        yield rows[start : start + CLASSES_AT_ONCE]


def jobs_on(name: str, address: str, places: tuple[str, ...]) -> Iterator[dict[str, int]]:
    """How many running jobs of this schedd are at each of these places: a startd's name, the address of its host, or
    the id of its instance, where jobs record that.
    """
    asked = ["RemoteHost", "AllRemoteHosts", "JobStatus", "StartdIpAddr", *INSTANCE_OF_JOB]
    constraint = f"JobStatus == {RUNNING} || JobStatus == {LEAVING} || JobStatus == {SUSPENDED}"
    with explained(f"schedd {name} was asked for running jobs"):
        groups = _groups(schedd_at(address), constraint, asked)
    wanted = {place.lower(): place for place in places}
    found: Counter[str] = Counter()
    for ad in groups:
        for place in _places(ad) & wanted.keys():
            found[wanted[place]] += int(ad["JobCount"])
    yield dict(found)


def _places(ad: ClassAd) -> set[str]:
    """What tells where these jobs run, in lower case."""
    hosts = str(ad.get("AllRemoteHosts") or ad.get("RemoteHost") or "").split(",")
    ids = {str(ad.get(name, "")).lower() for name in INSTANCE_OF_JOB}
    return {startd_name(host.strip()).lower() for host in hosts} | ids | {host_of(str(ad.get("StartdIpAddr", "")))}


def schedd_at(address: str) -> htcondor2.Schedd:
    return htcondor2.Schedd(ClassAd({"MyAddress": address, "CondorVersion": ""}))


def _groups(schedd: htcondor2.Schedd, constraint: str, asked: list[str]) -> list[ClassAd]:
    return asked_twice(lambda: schedd.query(constraint, asked, opts=htcondor2.QueryOpt.GroupBy))


def _census(
    name: str,
    schedd: htcondor2.Schedd,
    queues: tuple[QueueSpec, ...],
    slots: Slots,
    avoided: Avoided | None,
    caps: Caps,
) -> Census:
    reader, census = AdReader(queues, slots, time.time(), caps), Census()
    asked, constraint = sorted({*ASKED, *reader.named}), f"{HERE} && ({concerns(queues)})"
    if avoided is None:
        ads = _groups(schedd, constraint, asked)
    else:
        ads, census.avoided, lost = whole.ads(schedd, constraint, asked, avoided)
        census.lose(lost)
    census.add(*judged(name, ads, reader.tell))
    aged = tuple(queue for queue in queues if queue[3] > 0)
    if aged:
        young = schedd.query(_young(aged) + whole.without(census.avoided), sorted({*asked, *whole.ID, *AGE}))
        census.add_young(judged(name, young, reader.tell_young)[0])
    census.left = caps.left(schedd, census.used(), census.idle())
    return census


def _young(aged: tuple[QueueSpec, ...]) -> str:
    """Idle jobs that may be younger than their queue asks for."""
    oldest = max(age for *_, age in aged)
    return f"JobStatus == {IDLE} && EnteredCurrentStatus > time() - {oldest:.0f} - 1 && {HERE} && ({_any_of(aged)})"


def concerns(queues: Sequence[QueueSpec]) -> str:
    """True for each job for which one of the queues' expressions is true; for others it may be.

    The schedd evaluates this for every job, while it does nothing else. Where more than MANY queues compare one
    attribute with a name each, it is asked once whether the attribute is there: what is of no queue is left out here,
    by groups. With few queues the groups of others, on a schedd that many share, would cost more than it saves.
    """
    names = [found[1] if (found := _COMPARED.fullmatch(jobs)) else "" for _, jobs, _, _ in queues]
    many = [name for name, times in Counter(filter(None, names)).items() if times > MANY]
    others = [queue for queue, name in zip(queues, names, strict=True) if name not in many]
    exact = [_any_of(others)] if others or not many else []
    return " || ".join([*exact, *(f"({name} =!= undefined)" for name in many)])


def _any_of(queues: Sequence[QueueSpec]) -> str:
    """Exactly true for one of them: an expression that is an error for a job must not hide it from the others."""
    return " || ".join(f"(({jobs}) =?= true)" for _, jobs, _, _ in queues) or "false"
