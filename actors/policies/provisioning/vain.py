"""Evidence against a pair of job class and cloud: VMs that joined, are well, and get none of its waiting jobs.

Our own matching says "it fits", and the pool says otherwise, for a reason that no ad shows us: a quota, a limit, a
negotiator's constraint, a claim that fails. Whatever it is, more VMs do not help. So where a VM of a cloud stays
unclaimed while jobs that it was bought for wait, for longer than several negotiations take, nothing more is bought
there for this class: its jobs go to their other clouds, and what stands idle is released as any surplus is.

It is a doubt and no proof. So one VM is tried again, after a pause that doubles each time; at once where the class or
what the workers are made of is another one, where its jobs were gone and others came, are twice as many, or ask
otherwise. The first job that begins beside the tried VM ends the doubt.

The rules it keeps: a class of which jobs run, on a cloud where jobs run, may well run there; then a single worker that
stays unclaimed is its own fault, and only several together are evidence. What an incomplete reading lacks is none.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache

from actors.fleet.observations import JobClass, JobsSeen
from actors.fleet.reasons import Unmatched
from actors.policies.provisioning.capacity import Capacity
from actors.policies.provisioning.cascade import Settled, unneeded
from actors.policies.provisioning.doubt import Doubt, Pair
from actors.policies.provisioning.matchmaking import Load, Unmet
from actors.policies.rules import CloudRules

FIRST, MOST = 2.0, 72.0  # the first pause and the longest, as multiples of the time that makes a doubt
SEVERAL, SHARE = 3, 0.1  # unclaimed VMs, and their share of those that joined, where the class may run on the cloud
KEPT = 500  # doubts of a queue
IN_VAIN = "they joined and got none of them: the pool does not match them"
SHOWN = 160  # characters of Requirements

Found = Mapping[Pair, tuple[int, Capacity]]  # the class's number in the load


@dataclass(frozen=True, slots=True, kw_only=True)
class Heeded:
    """The load without the doubted pairs. `watched`: since when a class waits beside unclaimed VMs of a cloud.

    `tried`: clouds on which one VM is to find out. `why`: sentences of doubts about jobs that have other clouds.
    """

    load: Load
    doubts: tuple[Doubt, ...] = ()
    watched: Mapping[Pair, float] = field(default_factory=dict)
    tried: frozenset[str] = frozenset()
    why: tuple[str, ...] = ()


def heed(
    demand: JobsSeen,
    load: Load,
    standing: Sequence[Capacity],
    before: Sequence[Doubt],
    watched: Mapping[Pair, float],
    now: float,
    after_s: float,
) -> Heeded:
    """`after_s`: how long VMs must have been unclaimed beside waiting jobs; 0: nothing is doubted."""
    known = {(doubt.cloud, doubt.pair): doubt for doubt in before}
    doubted = {cloud for cloud, _ in known}
    concerned = [cloud for cloud in standing if cloud.unclaimed_since or cloud.name in doubted]
    if not after_s or not concerned:
        return Heeded(load=load)
    found = {pair: place for cloud in concerned for pair, place in _pairs(demand, load, cloud)}
    beside = {pair: watched.get(pair, now) for pair, (_, cloud) in found.items() if cloud.unclaimed_since}
    doubts = {} if demand.complete else {pair: doubt for pair, doubt in known.items() if pair not in found}
    for pair, (i, cloud) in found.items():
        job = demand.classes[load.order[i]]
        doubt = _still(known.get(pair), job, load.left[i], cloud, now)
        if demand.complete and (doubt is None or now >= doubt.until):
            doubt = _found(pair, doubt, job, load.left[i], cloud, beside.get(pair, now), now, after_s) or doubt
        if doubt:
            doubts[pair] = doubt
    return _without(load, found, dict(list(doubts.items())[:KEPT]), beside, now)


def try_one(settled: Settled, standing: Sequence[Capacity], tried: frozenset[str]) -> None:
    """On each cloud where a doubt is due one VM that nobody needs: kept where there is one, else bought."""
    for cloud in (one for one in standing if one.name in tried and not one.kept):
        name, places = cloud.name, settled.places
        if unneeded(cloud, places):
            settled.spare[name] -= min(settled.spare[name], 1)
        elif not places.new[name] and min(cloud.room, settled.budget.room(cloud.rules)) > 0:
            places.new[name] += 1
            settled.budget.take(cloud.rules, 1)


def _pairs(demand: JobsSeen, load: Load, cloud: Capacity) -> Iterator[tuple[Pair, tuple[int, Capacity]]]:
    bits = load.suits[cloud.name]
    while bits:
        i = (bits & -bits).bit_length() - 1
        bits &= bits - 1
        if load.left[i]:
            yield (cloud.name, _word(demand.classes[load.order[i]], cloud.rules)), (i, cloud)


def _word(job: JobClass, rules: CloudRules) -> str:
    """Where a class is what clouds answer to it, its text is that of any one of its jobs, and says who that is only."""
    kind = job.answers or (job.request, job.requirements, job.attributes, job.rank)
    return _digest(kind, rules.size, rules.made_as)


def _asked(job: JobClass) -> str:
    return _digest(job.requirements, job.attributes)


@lru_cache(maxsize=10_000)
def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode(errors="replace")).hexdigest()[:16]


def _still(doubt: Doubt | None, job: JobClass, jobs: int, cloud: Capacity, now: float) -> Doubt | None:
    """What is left of a doubt: nothing once jobs of the class began beside the tried VM."""
    if doubt is None:
        return None
    if now < doubt.until:
        others = jobs > 2 * doubt.jobs or _asked(job) != doubt.asked
        return replace(doubt, until=now, jobs=jobs, asked=_asked(job)) if others else doubt
    if job.running > doubt.running and cloud.claims > doubt.claims:
        return None
    return replace(doubt, running=min(doubt.running, job.running), claims=min(doubt.claims, cloud.claims))


def _found(
    pair: Pair,
    before: Doubt | None,
    job: JobClass,
    jobs: int,
    cloud: Capacity,
    beside: float,
    now: float,
    after_s: float,
) -> Doubt | None:
    """A doubt, if VMs were unclaimed for long enough beside these jobs, since they were tried last."""
    since = max(beside, before.until if before else 0.0)
    vms = sum(now - max(at, since) >= after_s for at in cloud.unclaimed_since)
    may_run = job.running > 0 and cloud.claims > 0
    if vms < (max(SEVERAL, math.ceil(SHARE * (cloud.idle + cloud.busy))) if may_run else 1):
        return None
    tries = before.tries + 1 if before else 1
    until = now + after_s * min(MOST, FIRST * 2.0 ** min(tries - 1, 10))
    return Doubt(
        cloud=pair[0],
        pair=pair[1],
        jobs=jobs,
        vms=vms,
        until=until,
        tries=tries,
        why=_told(vms, cloud.name, jobs, job, until),
        running=job.running,
        claims=cloud.claims,
        asked=_asked(job),
    )


def _told(vms: int, cloud: str, jobs: int, job: JobClass, until: float) -> str:
    noun = f"this {jobs} job" if jobs == 1 else f"these {jobs} jobs"
    again = f"one is tried again at {datetime.fromtimestamp(until, UTC):%H:%M:%S} UTC"
    return f"bought {vms} of {cloud} for {noun}; {IN_VAIN}: {_shown(job)}; {again}"


def _shown(job: JobClass) -> str:
    text = job.requirements
    return f"Requirements {text if len(text) <= SHOWN else text[: SHOWN - 3] + '...'}"


def _without(
    load: Load, found: Found, doubts: Mapping[Pair, Doubt], beside: Mapping[Pair, float], now: float
) -> Heeded:
    """No place, and no new VM, on a doubted cloud; jobs that have no other one wait for no room."""
    suits, prefers, left = dict(load.suits), dict(load.prefers), list(load.left)
    about: dict[int, list[str]] = {}
    for pair in (pair for pair in doubts if pair in found):
        i, cloud = found[pair]
        about.setdefault(i, []).append(doubts[pair].why)
        for bits in (suits, prefers):
            if cloud.name in bits:
                bits[cloud.name] &= ~(1 << i)
    alone = [i for i in about if not any(bits >> i & 1 for bits in suits.values())]
    unmet = tuple(Unmet(jobs=left[i], why="; ".join(about[i]), code=Unmatched.IN_VAIN) for i in alone)
    for i in alone:
        left[i] = 0
    return Heeded(
        load=replace(load, suits=suits, prefers=prefers, left=tuple(left), unmet=(*load.unmet, *unmet)),
        doubts=tuple(doubts.values()),
        watched=beside,
        tried=frozenset(doubt.cloud for doubt in doubts.values() if now >= doubt.until),
        why=tuple(why for i, said in about.items() if i not in alone for why in said),
    )
