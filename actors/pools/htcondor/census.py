"""Groups of jobs become classes, and are counted. Runs in a child; `AdReader` in a fork of it (see `condor_apart`).

Jobs are alike when every cloud answers them the same and they would take the same there. Where the clouds of a queue
tell nothing to ask (a look without workers) they are alike when they ask for the same.

What cannot be read spoils only itself: text that is no UTF-8, an expression that is an error, too dear, or the end of
the process that evaluates it. Such jobs are a class of their own, of their queue as far as that is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from classad2 import ClassAd, ExprTree, Value, parseOne, quote

from actors.fleet.bounds import cut
from actors.pools.htcondor.apart import Lost
from actors.pools.htcondor.cost import TooCostly, has, refuse_costly
from actors.pools.htcondor.crowd import bounded
from actors.pools.htcondor.decided import NOTHING, Decided, decided
from actors.pools.htcondor.judge import (
    IDLE,
    OFFER,
    REQUEST,
    Answer,
    JudgedQueue,
    Slot,
    Unreadable,
    answers,
    matching,
    own_request,
    withheld,
)
from actors.pools.htcondor.rationed import Cap, limited
from actors.pools.htcondor.run_limits import Caps, sum_of

RUNNING, HELD, LEAVING, SUSPENDED = 2, 5, 6, 7
ASKED = (*REQUEST, "Requirements", "Rank", "JobStatus", "JobUniverse", "MaxJobRetirementTime", *OFFER)
AGE = ("EnteredCurrentStatus", "ServerTime")
MOST_DECIDED = 100  # Requirements that are taken apart in one reading
MOST_SHOWN = 1_000  # characters of a text that is only shown
MOST_ATTRIBUTES = 50  # of those that are only shown
MOST_NOTES = 5

QueueSpec = tuple[str, str, str, float]  # name, jobs expression, the workers' start expression, min_idle_age_s
Slots = Mapping[str, tuple[Slot, ...]]  # by queue
Sample = tuple[tuple[int, int, int, int], str, str, tuple[tuple[str, str], ...]]  # request, Requirements, Rank, others
NO_SAMPLE: Sample = ((1, 0, 0, 0), "true", "0", ())
Class = tuple[Any, ...]  # queue, answers, apart, decided, shares of limits; and the sample where there are no answers
Told = tuple[Any, ...]  # class (None: of no queue), status, jobs, overlapping, id of one, sample (None: told before)
Row = tuple[Any, ...]  # queue, cpus, MiB, MiB, gpus, requirements, rank, attributes, answers, apart, decided, 4 counts


class AdReader:
    """Tells of an ad which class it is of. `named`: the attributes of jobs that have to be asked for."""

    def __init__(self, queues: Sequence[QueueSpec], slots: Slots, now: float, caps: Caps) -> None:
        self._queues = [JudgedQueue(name, ExprTree(jobs), slots.get(name, ())) for name, jobs, *_ in queues]
        self._refers = [relevant(jobs, start, slots.get(name, ())) for name, jobs, start, _ in queues]
        self._ages = [age for *_, age in queues]
        self._now, self._caps = now, caps
        self._classes: dict[Class, Class] = {}
        self._decided: dict[tuple[str, str], Decided] = {}
        self._asked = (*OFFER, *caps.asked, *sorted({name for refers in self._refers for name in refers}))
        self.named = {*caps.asked, *(name for refers in self._refers for name in refers)}

    def tell(self, ad: ClassAd) -> Told:
        """A group of like jobs, or one job."""
        status, jobs, one = int(ad["JobStatus"]), int(ad.get("JobCount", 1)), id_of(ad)
        try:
            refuse_costly(ad, self._asked)
            numbers = matching(ad, self._queues)
        except (Unreadable, TooCostly) as why:
            return ("", (), str(why), NOTHING, ()), status, jobs, 0, one, None
        if not numbers:
            return None, status, jobs, 0, one, None
        kind, sample = self._kind(ad, numbers[0], status)
        return kind, status, jobs, jobs if len(numbers) > 1 else 0, one, sample

    def tell_young(self, ad: ClassAd) -> tuple[Class | None, bool]:
        """Its class, and whether this idle job is younger than its queue asks for."""
        kind, *_ = self.tell(ad)
        if not kind or not kind[0]:
            return None, False
        at = next(at for at, queue in enumerate(self._queues) if queue.name == kind[0])
        return kind, int(ad["ServerTime"]) - int(ad["EnteredCurrentStatus"]) < self._ages[at]

    def _kind(self, ad: ClassAd, number: int, status: int) -> tuple[Class, Sample | None]:
        queue = self._queues[number]
        why = withheld(ad, self._now) if status == IDLE else ""
        try:
            kind: Class = (queue.name, () if why else self._answers(ad, queue), why, NOTHING, self._caps.of(ad))
            if why or queue.slots:
                kind = (*kind[:3], self._decision(ad, queue, kind[1]), kind[4])
                known = self._classes.get(kind)
                return known or self._classes.setdefault(kind, kind), None if known else self._sample(ad, number)
            sample = self._sample(ad, number)
        except Unreadable as unreadable:
            return (queue.name, (), f"cannot be read: {unreadable}", NOTHING, ()), None
        return (*kind, sample), sample

    def _answers(self, ad: ClassAd, queue: JudgedQueue) -> tuple[Answer, ...]:
        return answers(ad, queue.slots)

    def _decision(self, ad: ClassAd, queue: JudgedQueue, told: tuple[Answer, ...]) -> Decided:
        if not told or any(answer[1] for answer in told):
            return NOTHING
        try:
            key = queue.name, str(ad.lookup("Requirements"))
        except ValueError:
            return NOTHING
        if key not in self._decided and len(self._decided) < MOST_DECIDED:
            self._decided[key] = decided(ad, queue.slots)
        return self._decided.get(key, NOTHING)

    def _sample(self, ad: ClassAd, number: int) -> Sample:
        try:
            refuse_costly(ad)
            return sample_of(ad, self._refers[number])
        except TooCostly as wrong:
            raise Unreadable(str(wrong)) from wrong


class Census:
    """Counts by class while groups come in."""

    def __init__(self) -> None:
        self._counts: dict[Class, Counter[int]] = {}
        self._samples: dict[Class, Sample | None] = {}
        self._young: Counter[Class] = Counter()
        self._notes: list[str] = []
        self.avoided: tuple[int, ...] | None = None
        self.overlapping = 0
        self.left: Mapping[str, Cap] = {}

    def add(self, told: Iterable[Told], lost: Iterable[Lost]) -> None:
        for kind, status, jobs, overlapping, one, sample in told:
            if kind is None:
                continue
            if not kind[0]:
                self._note(one, jobs, kind[2])
                continue
            if kind[2].startswith("cannot be read"):
                self._note(one, jobs, kind[2])
            self.overlapping += overlapping
            counts = self._counts.get(kind)
            if counts is None:
                counts = self._counts[kind] = Counter()
                self._samples[kind] = sample
            counts[status] += jobs
        self.lose(lost)

    def lose(self, lost: Iterable[Lost]) -> None:
        """Ads of which nothing can be told, not even their queue."""
        for ad, why in lost:
            self._note(id_of(ad), int(ad.get("JobCount", 1)), why)

    def add_young(self, told: Iterable[tuple[Class | None, bool]]) -> None:
        self._young.update(kind for kind, young in told if kind is not None and young)

    def rows(self) -> list[Row]:
        """The two queries are moments apart, so young is never more than idle."""
        rows = [(self._row(kind, by_status), kind[4]) for kind, by_status in self._counts.items()]
        kept, crowded = bounded(limited(rows, self.left))
        self._notes += crowded
        return kept

    def idle(self) -> int:
        return sum(by_status.get(IDLE, 0) for by_status in self._counts.values())

    def used(self) -> dict[str, float]:
        """Of what jobs share, by the running ones."""
        return sum_of((kind[4], running_of(by_status)) for kind, by_status in self._counts.items())

    def notes(self) -> tuple[str, ...]:
        more = len(self._notes) - MOST_NOTES
        return (*self._notes[:MOST_NOTES], *([f"and {more} more like these"] if more > 0 else []))

    def _row(self, kind: Class, by_status: Counter[int]) -> Row:
        young = min(self._young[kind], by_status[IDLE])
        running = running_of(by_status)
        queue, told, apart, deciding = kind[:4]
        sample = self._samples[kind] or NO_SAMPLE
        shown = flat(_only_shown(sample) if told else sample)
        return (queue, *shown, told, apart, deciding, by_status[IDLE] - young, young, running, by_status[HELD])

    def _note(self, one: str, jobs: int, why: str) -> None:
        what = f"job {one}" if jobs == 1 else f"{jobs} jobs like {one}"
        self._notes.append(f"{what}: {why}")


def running_of(by_status: Mapping[int, int]) -> int:
    return sum(by_status.get(status, 0) for status in (RUNNING, LEAVING, SUSPENDED))


def id_of(ad: ClassAd) -> str:
    """Of one of the jobs that the ad is about: cluster.proc."""
    return str(ad.get("JobIds") or f"{ad.get('ClusterId')}.{ad.get('ProcId')}").split()[0].rstrip(",")


def flat(sample: Sample) -> tuple[Any, ...]:
    request, *rest = sample
    return (*request, *rest)


def _only_shown(sample: Sample) -> Sample:
    """Of jobs whose answers are known: their texts are for a person, and there may be megabytes of them."""
    request, requirements, rank, attributes = sample
    few = tuple((name, cut(value, MOST_SHOWN)) for name, value in attributes[:MOST_ATTRIBUTES])
    return request, cut(requirements, MOST_SHOWN), cut(rank, MOST_SHOWN), few


def sample_of(ad: ClassAd, refers: frozenset[str]) -> Sample:
    """What these jobs ask for, their Requirements, and the attributes that either side looks at."""
    requirements, rank = _text(ad, "Requirements", "true"), _text(ad, "Rank", "0")
    refers = refers | references(requirements) | references(rank)
    attributes = tuple(sorted((name, _literal(ad, name)) for name in _present(ad, refers)))
    return own_request(ad), requirements, rank, attributes


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
def relevant(jobs: str, start: str, slots: tuple[Slot, ...] = ()) -> frozenset[str]:
    """The job attributes that a queue's expression, the START of its workers, or their slots refer to."""
    asked = (name for *_, text in slots for name in _asked_by(text))
    return frozenset({*references(jobs), *_named(start, scopes=("target",)), *asked, "MaxJobRetirementTime"})


@lru_cache(maxsize=1_000)
def _asked_by(slot: str) -> frozenset[str]:
    """The job attributes that expressions of a slot look at, beside its requests."""
    ad = parseOne(slot)
    names = (name for value in ad for name in _named(str(ad.lookup(value)), scopes=("target",)) if name not in ad)
    return frozenset(names) - frozenset(REQUEST)


def _named(expression: str, *, scopes: tuple[str, ...]) -> Iterator[str]:
    """With htcondor2 loaded the library leaves "MY." out: what it names without a scope is counted, to be sure."""
    for name in ClassAd().externalRefs(ExprTree(expression)):
        scope, _, rest = name.partition(".")
        if not rest and scope:
            yield scope
        elif scope.lower() in scopes:
            yield rest.partition(".")[0]


def _text(ad: ClassAd, name: str, default: str) -> str:
    try:
        return str(ad.lookup(name)) if has(ad, name) else default
    except ValueError:
        return "undefined"  # no UTF-8; it is only shown


def _literal(ad: ClassAd, name: str) -> str:
    """The value as a ClassAd literal; an expression without a plain value stays an expression."""
    try:
        value = ad.eval(name)
    except ValueError:
        return "undefined"  # no UTF-8; it is only shown
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return str(quote(value))
    if isinstance(value, int | float) and not isinstance(value, Value):
        return repr(value)
    return str(ad.lookup(name))
