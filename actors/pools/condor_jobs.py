"""Jobs by class, counted in the schedd. Runs in a child.

One GroupBy query a schedd, never ad by ad: the schedd answers one ad for each combination of the attributes asked for,
with JobCount. What was measured (25.14 and 23.9):

- The constraint of a GroupBy sees only the attributes that are grouped by; on others it is undefined, and the answer is
  empty without an error. So all that the constraint refers to is asked for.
- Attributes that Requirements and Request expressions refer to are grouped by too, by the schedd itself.
- ServerTime, the schedd's clock, can be asked for in a plain query: the age of an idle job needs no clock of ours.

The queue is decided here, for each group: the first queue in the configuration's order whose expression is exactly
true gets it, and jobs that a later one matches too are counted as overlapping. An expression may refer to attributes
that differ from job to job; then there are as many groups as jobs, which is slower and still right.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import htcondor2
from classad2 import ClassAd, ExprTree, Value, quote

from actors.pools.condor_errors import asked_twice, explained
from actors.pools.condor_startds import startd_name

IDLE, RUNNING, HELD, LEAVING, SUSPENDED = 1, 2, 5, 6, 7
OFF_STARTDS = {7: "scheduler", 9: "grid", 12: "local"}
REQUEST = ("RequestCpus", "RequestMemory", "RequestDisk", "RequestGPUs")
ASKED = (*REQUEST, "Requirements", "Rank", "JobStatus", "JobUniverse", "MaxJobRetirementTime")
HERE = "JobStatus <= 7 && JobStatus != 3 && JobStatus != 4" + "".join(f" && JobUniverse != {n}" for n in OFF_STARTDS)
CLASSES_AT_ONCE = 1000
MANY = 20  # queues that compare one attribute
_COMPARED = re.compile(r"""\s*([A-Za-z_]\w*)\s*==\s*(?:"(?:[^"\\]|\\.)*"|\d+)\s*""", re.ASCII)

QueueSpec = tuple[str, str, str, float]  # name, jobs expression, the workers' start expression, min_idle_age_s
Class = tuple[Any, ...]  # queue, cpus, MiB, MiB, gpus, requirements, rank, attributes
Row = tuple[Any, ...]  # a class, then idle, young, running, held


def schedds(wanted: tuple[str, ...]) -> Iterator[list[tuple[str, str]]]:
    """(name, address) of the schedds that the collector knows, or of those wanted; names are compared without case."""
    with explained("the collector was asked for schedds"):
        collector = htcondor2.Collector(htcondor2.param["COLLECTOR_HOST"])
        ads = asked_twice(lambda: collector.query(htcondor2.AdType.Schedd, projection=["Name", "MyAddress"]))
    known = [(str(ad.get("Name", "")), str(ad.get("MyAddress", ""))) for ad in ads]
    if wanted:
        names = {name.lower() for name in wanted}
        known = [(name, address) for name, address in known if name.lower() in names]
    yield sorted(known)


def jobs(name: str, address: str, queues: tuple[QueueSpec, ...]) -> Iterator[Any]:
    """First the number of overlapping jobs, then lists of rows."""
    with explained(f"schedd {name} was asked for jobs"):
        census = _census(_schedd(address), queues)
    rows = [(*kind, *counts) for kind, counts in census.counts().items()]
    yield census.overlapping
    for start in range(0, len(rows), CLASSES_AT_ONCE):
        yield rows[start : start + CLASSES_AT_ONCE]


def jobs_on(name: str, address: str, machines: tuple[str, ...]) -> Iterator[dict[str, int]]:
    """How many running jobs of this schedd are on each of these machines (by startd name)."""
    asked = ["RemoteHost", "AllRemoteHosts", "JobStatus"]
    constraint = f"JobStatus == {RUNNING} || JobStatus == {LEAVING} || JobStatus == {SUSPENDED}"
    with explained(f"schedd {name} was asked for running jobs"):
        groups = _groups(_schedd(address), constraint, asked)
    wanted = {machine.lower(): machine for machine in machines}
    found: Counter[str] = Counter()
    for ad in groups:
        hosts = str(ad.get("AllRemoteHosts") or ad.get("RemoteHost") or "").split(",")
        for host in {startd_name(host.strip()).lower() for host in hosts}:
            if host in wanted:
                found[wanted[host]] += int(ad["JobCount"])
    yield dict(found)


def _schedd(address: str) -> htcondor2.Schedd:
    return htcondor2.Schedd(ClassAd({"MyAddress": address, "CondorVersion": ""}))


def _groups(schedd: htcondor2.Schedd, constraint: str, asked: list[str]) -> list[ClassAd]:
    return asked_twice(lambda: schedd.query(constraint, asked, opts=htcondor2.QueryOpt.GroupBy))


class _Census:
    """Counts by class while groups come in."""

    def __init__(self, queues: tuple[QueueSpec, ...]) -> None:
        self._queues = [(name, ExprTree(jobs), relevant(jobs, start), age) for name, jobs, start, age in queues]
        self._counts: dict[Class, Counter[int]] = {}
        self._young: Counter[Class] = Counter()
        self.overlapping = 0

    def add(self, ad: ClassAd) -> None:
        """A group of like jobs."""
        matching = [queue for queue in self._queues if queue[1].eval(ad) is True]
        if not matching:
            return
        jobs = int(ad["JobCount"])
        self.overlapping += jobs if len(matching) > 1 else 0
        name, _, refers, _ = matching[0]
        self._counts.setdefault(class_of(ad, name, refers), Counter())[int(ad["JobStatus"])] += jobs

    def add_young(self, ad: ClassAd) -> None:
        """One idle job that may be younger than its queue asks for."""
        matching = next((queue for queue in self._queues if queue[1].eval(ad) is True), None)
        if matching is None:
            return
        name, _, refers, min_age_s = matching
        if int(ad["ServerTime"]) - int(ad["EnteredCurrentStatus"]) < min_age_s:
            self._young[class_of(ad, name, refers)] += 1

    def counts(self) -> dict[Class, tuple[int, int, int, int]]:
        """idle, young, running, held by class. The two queries are moments apart, so young is never more than idle."""
        found = {}
        for kind, by_status in self._counts.items():
            young = min(self._young[kind], by_status[IDLE])
            running = by_status[RUNNING] + by_status[LEAVING] + by_status[SUSPENDED]
            found[kind] = (by_status[IDLE] - young, young, running, by_status[HELD])
        return found


def _census(schedd: htcondor2.Schedd, queues: tuple[QueueSpec, ...]) -> _Census:
    census = _Census(queues)
    named = {name for _, jobs, start, _ in queues for name in relevant(jobs, start)}
    for ad in _groups(schedd, f"{HERE} && ({concerns(queues)})", sorted({*ASKED, *named})):
        census.add(ad)
    aged = tuple(queue for queue in queues if queue[3] > 0)
    if aged:
        _count_young(schedd, aged, named, census)
    return census


def _count_young(schedd: htcondor2.Schedd, aged: tuple[QueueSpec, ...], named: set[str], census: _Census) -> None:
    oldest = max(age for *_, age in aged)
    constraint = (
        f"JobStatus == {IDLE} && EnteredCurrentStatus > time() - {oldest:.0f} - 1 && {HERE} && ({_any_of(aged)})"
    )
    for ad in schedd.query(constraint, sorted({*ASKED, *named, "EnteredCurrentStatus", "ServerTime"})):
        census.add_young(ad)


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


def class_of(ad: ClassAd, queue: str, refers: frozenset[str]) -> Class:
    """What makes jobs alike: what they ask for, their Requirements, and the attributes that either side looks at."""
    cpus, memory, disk, gpus = (_amount(ad, name, default) for name, default in zip(REQUEST, (1, 0, 0, 0), strict=True))
    requirements, rank = _text(ad, "Requirements", "true"), _text(ad, "Rank", "0")
    refers = refers | references(requirements) | references(rank)
    attributes = tuple(sorted((name, _literal(ad, name)) for name in _present(ad, refers)))
    return (queue, cpus, memory, -(-disk // 1024), gpus, requirements, rank, attributes)


def _present(ad: ClassAd, refers: frozenset[str]) -> dict[str, None]:
    """The job's own attributes that count, without those of the request; those of expressions too."""
    have = {name.lower(): name for name in ad}
    found: dict[str, None] = {}
    waiting = list(refers)
    while waiting:
        name = have.pop(waiting.pop().lower(), None)
        if name is None or name in REQUEST or name in ("Requirements", "Rank"):
            continue
        found[name] = None
        waiting += references(_literal(ad, name))
    return found


@lru_cache(maxsize=10_000)
def references(expression: str) -> frozenset[str]:
    """The attributes of its own ad that an expression may refer to. Those of TARGET are not among them."""
    return frozenset(_named(expression, scopes=("my",)))


@lru_cache(maxsize=1_000)
def relevant(jobs: str, start: str) -> frozenset[str]:
    """The job attributes that a queue's expression, or the START of its workers, refers to."""
    return frozenset({*references(jobs), *_named(start, scopes=("target",)), "MaxJobRetirementTime"})


def _named(expression: str, *, scopes: tuple[str, ...]) -> Iterator[str]:
    """With htcondor2 loaded the library leaves "MY." out: what it names without a scope is counted, to be sure."""
    for name in ClassAd().externalRefs(ExprTree(expression)):
        scope, _, rest = name.partition(".")
        if not rest and scope:
            yield scope
        elif scope.lower() in scopes:
            yield rest.partition(".")[0]


def _amount(ad: ClassAd, name: str, default: int) -> int:
    """Rounded up. Undefined and error are integers in Python (Value is an IntEnum): they are looked for first."""
    value = ad.eval(name) if name in ad else None
    if isinstance(value, Value) or not isinstance(value, int | float) or not 0 <= value < 1e15:
        return default
    return math.ceil(value)


def _text(ad: ClassAd, name: str, default: str) -> str:
    return str(ad.lookup(name)) if name in ad else default


def _literal(ad: ClassAd, name: str) -> str:
    """The value as a ClassAd literal; an expression without a plain value stays an expression."""
    value = ad.eval(name)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return str(quote(value))
    if isinstance(value, int | float) and not isinstance(value, Value):
        return repr(value)
    return str(ad.lookup(name))
