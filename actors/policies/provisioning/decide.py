"""The decision: how many VMs of each cloud a queue wants, and why. Absolute numbers, never differences.

In order: what each cloud has (`capacity`), what waits and where it can run (`matchmaking`), where it got nothing though
it could run there (`vain`), jobs into places and new VMs down the cascade (`packing`, `cascade`), what is not needed
and for how long (`stabilization`), limits. Running jobs count through the VMs that are busy. Draining VMs are no
supply: when demand returns the want simply rises, and retirement takes drains back before the submitter buys.

What is not known changes nothing: without demand all wants stay; with a schedd missing they may rise, never fall; a
cloud that is not known keeps its want, and a frozen one keeps what it has: its want may rise, and fall only to that
(a VM that ended meanwhile is not bought again for nobody). So "no reading" and "no jobs" never look alike. Where the
want itself is not known (Redis was lost), none is said of a cloud that is not known: a want of 0 would give up VMs that
run jobs; and of one that is known what it has was wanted: too many must last here too before any is released.

A queue to which waiting is worth something buys some of it ahead, and keeps what it has by what was seen (`ahead`).

With a want goes what the queue asks for (`fair_asks`), by which others are given their share and it is given its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from actors.fleet.number_of import number_of
from actors.fleet.observations import Failed, JobsSeen
from actors.fleet.want import CloudView, FleetView, Want
from actors.policies.limits import NO_LIMITS, NOTHING_SPENT, Limit, Usage
from actors.policies.provisioning.adjust import adjust
from actors.policies.provisioning.ahead import BoughtAhead, look_ahead
from actors.policies.provisioning.capacity import Capacity, standings
from actors.policies.provisioning.cascade import Settled, settle
from actors.policies.provisioning.doubt import Doubt, Pair
from actors.policies.provisioning.fair_asks import Asked, asking, fewer, more
from actors.policies.provisioning.headroom import Headroom, Scope, over, scopes
from actors.policies.provisioning.matchmaking import Load, Unmet, load
from actors.policies.provisioning.past import NO_PAST, Past
from actors.policies.provisioning.sentences import grown, shrunk
from actors.policies.provisioning.stabilization import held_long_enough, less, old_enough, remember
from actors.policies.provisioning.vain import heed, try_one
from actors.policies.rules import CloudRules, QueueRules
from actors.policies.steps import Counts, run

NOTHING_COUNTED = Counts()
NOTHING_WATCHED: Mapping[Pair, float] = {}
NOTHING_ASKED = Asked(of_cloud={}, of_factory={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Counts of a queue's jobs. `known` is false when nothing was seen, `complete` when a schedd is missing.

    `status`: what the workload system says of the queue's site; empty: nothing.
    """

    known: bool
    complete: bool = False
    idle: int = 0
    young: int = 0
    running: int = 0
    held: int = 0
    status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The wants by cloud; `changed` names those whose row must be written anew.

    `why`: sentences, the queue's first, then each cloud's. `unmet`: jobs that no cloud can run. `waiting`: jobs that a
    cloud could run, had it room. `doubts`, `watched`: what the next decision is told (see `vain`), and `past`;
    `in_vain`: sentences of doubts about jobs that other clouds may run.
    """

    id: str
    queue: str
    at: float
    wants: Mapping[str, Want]
    changed: tuple[str, ...]
    why: tuple[str, ...]
    demand: Demand
    unmet: tuple[Unmet, ...] = ()
    waiting: int = 0
    doubts: tuple[Doubt, ...] = ()
    watched: Mapping[Pair, float] = field(default_factory=dict)
    in_vain: tuple[str, ...] = ()
    past: Past = NO_PAST


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a cloud's want becomes: the number, the sentences, and the surplus that is not released yet.

    `heard`: VMs that were taken out of service until then are not in the number; 0: as before.
    """

    n: int
    why: tuple[str, ...]
    surplus: tuple[tuple[float, int], ...] = ()
    heard: float = 0.0


def decide(
    queue: QueueRules,
    demand: JobsSeen | Failed | None,
    fleet: Mapping[str, FleetView | None],
    clouds: Mapping[str, CloudRules],
    views: Mapping[str, CloudView | None],
    before: Mapping[str, Want],
    now: float,
    decision: str,
    counts: Counts = NOTHING_COUNTED,
    elsewhere: Usage = NOTHING_SPENT,
    factory_share: Limit = NO_LIMITS,
    doubts: Sequence[Doubt] = (),
    watched: Mapping[Pair, float] = NOTHING_WATCHED,
    past: Past = NO_PAST,
) -> Decision:
    """Decide for one queue. `demand` holds this queue's classes only; `now` is Redis time in seconds.

    `counts` gives the queue's steps what lies outside of this decision: started, ended, short, status.
    `elsewhere` is what the factory's other queues have, for the limits over all of them; `factory_share` is this
    queue's part of those limits, where all queues want too much. `doubts`, `watched`, `past`: as the decision before
    left them.
    """
    if demand is None or isinstance(demand, Failed):
        unknown = f"demand is not known ({demand.reason if demand else 'not read yet'}): wants stay as they were"
        changes = {cloud: Change(n=before[cloud].n, why=(unknown,)) for cloud in queue.clouds if cloud in before}
        made = _decision(queue, Demand(known=False), changes, NOTHING_ASKED, before, (unknown,), now, decision)
        return replace(made, doubts=tuple(doubts), past=past)
    standing = standings(queue, clouds, fleet, views, before, now)
    fitting = load(queue, demand, [cloud.rules for cloud in standing])
    heeded = heed(demand, fitting, standing, doubts, watched, now, queue.vain_after_s)
    wanted = heeded.load
    limits = scopes(queue, elsewhere, factory_share, standing)
    matched, budget = _just_matched(standing, wanted, demand), _budget(limits, standing, demand.complete)
    settled = settle(standing, wanted, matched, budget.at_most())
    shared, alone = _shared(queue, limits, standing, demand.complete)
    asked = asking(standing, wanted, matched, shared or budget, alone, settled)
    why: tuple[str, ...] = ()
    stepped = 0
    if queue.steps:
        counts = replace(counts, status=demand.of(queue.name).status or counts.status)
        n, why = run(queue.steps, settled.n, _counts(counts, elsewhere, queue, wanted, standing, before, now))
        stepped = n - settled.n
        settled = adjust(standing, wanted, matched, budget, settled, n)
    ahead = look_ahead(queue, past, standing, wanted, demand, settled, now)
    _give_back(limits, standing, settled)
    try_one(settled, standing, heeded.tried)
    changes = {
        cloud.name: _change(queue, cloud, settled, demand.complete, before.get(cloud.name), ahead, now)
        for cloud in standing
    }
    _clamp(limits, standing, changes, demand.complete)
    why = _queue_why(queue.name, wanted, settled, standing, demand) + heeded.why + why + ahead.why
    unsaid = [cloud.name for cloud in standing if cloud.kept and cloud.name not in before]
    why += tuple(sentence for name in unsaid for sentence in changes.pop(name).why)
    if stepped < 0 or not demand.complete:
        wants = {cloud: change.n for cloud, change in changes.items()}
        asked = fewer(asked, wants) if stepped < 0 else more(asked, wants)
    result = _decision(queue, _summary(queue.name, wanted, demand), changes, asked, before, why, now, decision)
    result = replace(result, doubts=heeded.doubts, watched=heeded.watched, in_vain=heeded.why, past=ahead.past)
    return replace(result, unmet=wanted.unmet, waiting=settled.waiting.jobs)


def _counts(
    outside: Counts,
    elsewhere: Usage,
    queue: QueueRules,
    wanted: Load,
    standing: Sequence[Capacity],
    before: Mapping[str, Want],
    now: float,
) -> Counts:
    in_cycle = [want for want in before.values() if now - want.cycle_since < queue.cycle_s]
    return replace(
        outside,
        ready=wanted.idle,
        factory=elsewhere.vms + sum(cloud.supply for cloud in standing),
        pending=sum(cloud.flight for cloud in standing),
        running=sum(cloud.supply - cloud.flight for cloud in standing),
        grown=sum(want.n - want.cycle_from for want in in_cycle),
    )


def _summary(queue: str, wanted: Load, demand: JobsSeen) -> Demand:
    return Demand(
        known=True,
        complete=demand.complete,
        idle=wanted.idle,
        young=wanted.young,
        running=wanted.running,
        held=wanted.held,
        status=demand.of(queue).status,
    )


def _just_matched(standing: Sequence[Capacity], wanted: Load, demand: JobsSeen) -> int:
    """Jobs that the demand still calls idle and that a cloud, seen later, shows on a slot already.

    A cloud that was not seen to change since has the running jobs that it had. A pilot that runs takes a job whenever
    there is one: that the demand does not say so yet, however new it is, is what a workload system is late by.
    """
    if not demand.complete:
        return 0
    later = sum(cloud.claims for cloud in standing if cloud.seen_at > demand.at or not cloud.rules.joins)
    return max(0, min(later, sum(cloud.claims for cloud in standing) - wanted.running))


def _budget(limits: Sequence[Scope], standing: Sequence[Capacity], complete: bool) -> Headroom:
    """New VMs that the limits allow, beside those that there are and those whose want will not fall."""
    have = {c.name: c.supply if complete and c.may_fall else max(c.supply, c.before) for c in standing}
    return Headroom(limits, have, {cloud.name: cloud.rules for cloud in standing})


def _shared(
    queue: QueueRules, limits: Sequence[Scope], standing: Sequence[Capacity], complete: bool
) -> tuple[Headroom, Headroom] | tuple[None, None]:
    """The room within this queue's share of the factory's limits, and without any; None where nobody else is."""
    if not queue.factory_limit or not queue.factory_shared:
        return None, None
    own = [limit for limit in limits if limit.binding]
    share = [limit for limit in limits if limit.rounded_up and not limit.of_others]
    return _budget([*own, *share], standing, complete), _budget(own, standing, complete)


def _give_back(limits: Sequence[Scope], standing: Sequence[Capacity], settled: Settled) -> None:
    """What is beyond this queue's share of the factory is a surplus, the dearest first."""
    for scope in (limit for limit in limits if limit.rounded_up):
        wants = {c.name: c.supply - settled.spare[c.name] + settled.places.new[c.name] for c in standing}
        floor = {c.name: c.held if c.may_fall else wants[c.name] for c in standing}
        for name, n in over(scope, standing, wants, floor).items():
            settled.spare[name] += wants[name] - n


def _change(
    queue: QueueRules,
    cloud: Capacity,
    settled: Settled,
    complete: bool,
    want: Want | None,
    ahead: BoughtAhead,
    now: float,
) -> Change:
    new, spare = settled.places.new[cloud.name], settled.spare[cloud.name]
    if cloud.kept:
        return Change(n=cloud.before, why=(f"{cloud.name}: {cloud.kept}; its want stays as it was",))
    target = cloud.supply - spare + new
    base = min(cloud.before, cloud.supply)
    if cloud.frozen and target < base:
        return Change(n=base, why=(f"{cloud.name}: frozen: {cloud.frozen}; what it has is kept",), heard=cloud.left_at)
    if not complete and target < cloud.before:
        return Change(n=cloud.before, why=(f"{cloud.name}: not every schedd answered; its want does not fall",))
    if target >= base:
        return Change(n=target, why=(grown(cloud, settled.places, new),), heard=cloud.left_at)
    steps = remember(want.surplus if want else (), base - target, now)
    holds = ahead.holds(cloud, base - target, queue.release_after_s, now)
    released = held_long_enough(steps, now, holds) if holds else old_enough(steps, now, queue.release_after_s)
    why = shrunk(cloud, base - target, released, now - steps[0][0], queue.release_after_s, holds)
    return Change(n=base - released, why=(why,), surplus=less(steps, released), heard=cloud.left_at)


def _clamp(limits: Sequence[Scope], standing: Sequence[Capacity], changes: dict[str, Change], complete: bool) -> None:
    """Limits that the supply itself passes (they were lowered): the dearest goes first. Kept wants are left alone.

    What may not fall is lowered to what it was only; nor, when demand is not complete, does a want within limits fall.
    """
    for cloud in standing:
        limit = cloud.rules.max_vms
        most = limit if cloud.may_fall else max(limit, cloud.before)
        _lower(changes, cloud.name, most, f"at most {number_of(limit, 'VM')} of this cloud")
    stays = {cloud.name: cloud.before for cloud in standing if not cloud.may_fall}
    floors = (stays,) if complete else ({cloud.name: cloud.before for cloud in standing}, stays)
    for scope in limits:
        for floor in floors if scope.binding else ():
            wants = {name: change.n for name, change in changes.items()}
            for name, most in over(scope, standing, wants, floor).items():
                _lower(changes, name, most, f"{scope.name} has {scope.limit}")


def _lower(changes: dict[str, Change], cloud: str, most: int, why: str) -> None:
    change = changes[cloud]
    if change.n > most:
        lowered = (*change.why, f"{cloud}: {change.n} lowered to {most}: {why}")
        changes[cloud] = Change(n=most, why=lowered, heard=change.heard)


def _queue_why(
    queue: str, wanted: Load, settled: Settled, standing: Sequence[Capacity], demand: JobsSeen
) -> tuple[str, ...]:
    new = sum(settled.places.new.values())
    jobs = f"{wanted.idle} waiting and {number_of(wanted.running, 'running job')}"
    none = "no new VM can be had" if settled.waiting.jobs else "no new VM needed"
    why = [f"{jobs}: {number_of(new, 'new VM')} needed" if new else f"{jobs}: {none}"]
    if status := demand.of(queue).status:
        why.append(f"its site is {status}")
    if not demand.complete:
        missing = ", ".join(f"{schedd.name} ({schedd.error})" for schedd in demand.schedds if schedd.error)
        why.append(f"demand is incomplete, without {missing or 'any schedd'}")
    if settled.waiting.jobs:
        each = "; ".join(f"{cloud.name}: {_no_more(cloud, settled)}" for cloud in standing)
        why.append(f"{number_of(settled.waiting.jobs, 'job', 'wait')} for room ({each})")
    why += [f"workers of {cloud.name} that joined have {cloud.rules.short}" for cloud in standing if cloud.rules.short]
    return (*why, *(unmet.why for unmet in wanted.unmet))


def _no_more(cloud: Capacity, settled: Settled) -> str:
    """Why jobs that are left get no VM there."""
    if not settled.waiting.wants(cloud.name):
        return "none of them can run there"
    new = settled.places.new.get(cloud.name, 0)
    return cloud.full or settled.budget.full(cloud.rules) or (f"its room goes to {new} new" if new else "no room")


def _decision(
    queue: QueueRules,
    demand: Demand,
    changes: Mapping[str, Change],
    asked: Asked,
    before: Mapping[str, Want],
    why: tuple[str, ...],
    now: float,
    decision: str,
) -> Decision:
    gone = {c: Change(n=0, why=(f"{c} is not in this queue's cascade",)) for c in before if c not in changes}
    wants, changed = {}, []
    for cloud, change in {**changes, **gone}.items():
        wants[cloud], new = _want(queue, cloud, change, asked, before.get(cloud), why, now, decision)
        if new:
            changed.append(cloud)
    sentences = tuple(sentence for change in changes.values() for sentence in change.why if sentence not in why)
    return Decision(
        id=decision,
        queue=queue.name,
        at=now,
        wants=wants,
        changed=tuple(changed),
        why=why + sentences,
        demand=demand,
    )


def _want(
    queue: QueueRules,
    cloud: str,
    change: Change,
    asked: Asked,
    old: Want | None,
    why: tuple[str, ...],
    now: float,
    decision: str,
) -> tuple[Want, bool]:
    """The want's row, and whether it is a new one. Its reasons are those of its number's last change."""
    told = _besides(cloud, change, asked, old)
    if old is not None and old.n == change.n:
        new = replace(old, **told)
        return (old, False) if new == old else (replace(new, at=now), True)
    since, came_from = _cycle(queue, old, now)
    reasons = why + tuple(sentence for sentence in change.why if sentence not in why)
    want = Want(
        queue=queue.name,
        cloud=cloud,
        n=change.n,
        reasons=reasons,
        decision=decision,
        at=now,
        changed=now,
        cycle_since=since,
        cycle_from=came_from,
        **told,
    )
    return want, True


def _besides(cloud: str, change: Change, asked: Asked, old: Want | None) -> dict[str, Any]:
    """What of a want's row may change though its number does not."""
    of_cloud, of_factory = (_unless(change.n, one.get(cloud)) for one in (asked.of_cloud, asked.of_factory))
    heard = max(change.heard, old.heard if old else 0.0)
    return {"surplus": change.surplus, "asked": of_cloud, "asked_of_factory": of_factory, "heard": heard}


def _cycle(queue: QueueRules, old: Want | None, now: float) -> tuple[float, int]:
    """When the cycle began that a changed number belongs to, and what the number was before it."""
    if old is None:
        return now, 0
    goes_on = now - old.cycle_since < queue.cycle_s
    return (old.cycle_since, old.cycle_from) if goes_on else (now, old.n)


def _unless(n: int, asked: int | None) -> int:
    """-1 where what is asked for is what is wanted: most wants, whose rows then change no more often."""
    return -1 if asked is None or asked == n else asked
