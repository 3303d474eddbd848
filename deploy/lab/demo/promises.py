"""Were the factory's promises kept? Judged by the pool's history and the cloud's ledger, never by the factory's word.

1. No job is killed by a retirement. 2. No VM is leaked or bought twice. 3. No job waits for capacity that could be had.
4. The cheapest place first; the dearest released first. 5. Every decision can be explained afterwards (here the
factory's log is heard: it is what explains).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from deploy.lab.demo.record import Life
from deploy.lab.pool.access_point import JobRecord

PROMISES = {
    1: "no job is killed",
    2: "no VM is leaked or bought twice",
    3: "no job waits for capacity that could be had",
    4: "the cheapest first, the dearest released first",
    5: "every decision is explained",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A cloud: `tier` 0 is the cheapest."""

    name: str
    tier: int
    max_vms: int
    usd_per_hour: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is judged. `jobs`: all that were submitted, those in the queue too. `explained`: the decisions that the log
    gives a reason for. `patience_s`: what readings, boots and a slow machine may take before it counts as waiting."""

    submitted: int
    jobs: Sequence[JobRecord]
    lives: Sequence[Life]
    places: Sequence[Place]
    explained: frozenset[str] = field(default_factory=frozenset)
    patience_s: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A promise that was not kept, and by what."""

    promise: int
    what: str

    def __str__(self) -> str:
        return f"promise {self.promise} ({PROMISES[self.promise]}) was broken: {self.what}"


def judge(evidence: Evidence) -> tuple[Broken, ...]:
    """Every promise that was broken, in order; empty when all were kept."""
    checks: tuple[tuple[int, Callable[[Evidence], Iterator[str]]], ...] = (
        (1, _killed),
        (2, _leaked),
        (2, _twice),
        (3, _undone),
        (3, _waited),
        (4, _dear_first),
        (4, _cheap_released),
        (5, _unexplained),
    )
    return tuple(Broken(promise=number, what=what) for number, check in checks for what in check(evidence))


def _killed(evidence: Evidence) -> Iterator[str]:
    for job in evidence.jobs:
        if not job.undisturbed:
            yield f"job {_name(job)} was started {job.starts} times and evicted {job.vacates} times"
        elif job.completed and job.exit_code != 0:
            yield f"job {_name(job)} ended with exit code {job.exit_code}"


def _leaked(evidence: Evidence) -> Iterator[str]:
    for life in evidence.lives:
        if life.ended_at is None:
            yield f"instance {life.id} of {life.cloud or 'no known cloud'} was never ended"
        elif life.how:
            yield f"instance {life.id} of {life.cloud} was not ended by the factory: {life.how}"


def _twice(evidence: Evidence) -> Iterator[str]:
    tokens: dict[str, set[str]] = {}
    for life in evidence.lives:
        tokens.setdefault(life.intent, set()).add(life.token)
    for intent, used in tokens.items():
        if not intent or len(used) > 1:
            yield f"launch {intent or 'without an intent'} was sent with {len(used)} tokens"
    for place in evidence.places:
        if (most := most_at_once(evidence.lives, place.name)) > place.max_vms:
            yield f"{most} VMs of {place.name} at once, {place.max_vms} are allowed"


def most_at_once(lives: Sequence[Life], cloud: str) -> int:
    """The largest number of instances of a cloud that lived at one moment."""
    of_cloud = [life for life in lives if life.cloud == cloud]
    return max((sum(life.alive_at(at.started_at) for life in of_cloud) for at in of_cloud), default=0)


def _undone(evidence: Evidence) -> Iterator[str]:
    done = sum(job.completed for job in evidence.jobs)
    if done < evidence.submitted:
        yield f"{done} of {evidence.submitted} jobs were done"


def _waited(evidence: Evidence) -> Iterator[str]:
    """Some job waited, and some cloud had room, for longer than patience, without a break."""
    since: float | None = None
    for begin, end in pairwise(_moments(evidence)):
        room = _with_room(evidence, (begin + end) / 2)
        since = (begin if since is None else since) if room else None
        if since is not None and end - since > evidence.patience_s:
            yield f"jobs waited for {end - since:.0f} s while {' and '.join(room)} had room"
            return


def _moments(evidence: Evidence) -> list[float]:
    """When something began or ended; between two of them nothing changed."""
    times = {float(job.submitted_at) for job in evidence.jobs}
    times |= {float(job.started_at) for job in evidence.jobs if job.started_at}
    times |= {life.started_at for life in evidence.lives}
    return sorted(times | {life.ended_at for life in evidence.lives if life.ended_at})


def _with_room(evidence: Evidence, at: float) -> list[str]:
    """The clouds that could have had another VM while a job waited; none when no job waited."""
    if not any(job.submitted_at <= at and not (job.started_at and job.started_at <= at) for job in evidence.jobs):
        return []
    counts = Counter(life.cloud for life in evidence.lives if life.alive_at(at))
    return [place.name for place in evidence.places if counts[place.name] < place.max_vms]


def _dear_first(evidence: Evidence) -> Iterator[str]:
    """A VM was started on a dear tier, and soon after a cheaper one still had room."""
    tiers = {place.name: place.tier for place in evidence.places}
    for life in evidence.lives:
        for place in evidence.places:
            soon = life.started_at + evidence.patience_s / 3
            began = sum(one.alive_at(one.started_at) and one.started_at <= soon for one in _of(evidence, place))
            if place.tier < tiers.get(life.cloud, 0) and began < place.max_vms:
                yield f"{life.id} was started on {life.cloud} while {place.name} had room"


def _cheap_released(evidence: Evidence) -> Iterator[str]:
    """A cheap VM was ended while a dearer one had been without a job for long."""
    tiers = {place.name: place.tier for place in evidence.places}
    for cheap in evidence.lives:
        if cheap.ended_at is None:
            continue
        for dear in evidence.lives:
            idle_s = _idle_s(evidence, dear, cheap.ended_at)
            if tiers.get(dear.cloud, 0) > tiers.get(cheap.cloud, 0) and idle_s > evidence.patience_s:
                idle = f"{dear.id} of {dear.cloud} was idle for {idle_s:.0f} s"
                yield f"{cheap.id} of {cheap.cloud} was ended while {idle}"


def _idle_s(evidence: Evidence, life: Life, at: float) -> float:
    """For how long an instance that lives at this moment has had no job."""
    if not life.alive_at(at):
        return 0.0
    own = [job for job in evidence.jobs if job.instance_id == life.id and job.started_at and job.started_at <= at]
    if any(job.completed_at is None or job.completed_at > at for job in own):
        return 0.0
    return at - max((job.completed_at for job in own if job.completed_at), default=life.started_at)


def _unexplained(evidence: Evidence) -> Iterator[str]:
    for life in evidence.lives:
        if life.decision not in evidence.explained:
            yield f"nothing in the log says why {life.id} was started (decision {life.decision or 'not tagged'})"


def _of(evidence: Evidence, place: Place) -> list[Life]:
    return [life for life in evidence.lives if life.cloud == place.name]


def _name(job: JobRecord) -> str:
    return f"{job.cluster}.{job.proc}"
