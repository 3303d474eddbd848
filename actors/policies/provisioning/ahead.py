"""What is bought, and kept, before jobs wait for it. One number says how much: what a second of waiting is worth.

`waiting_worth` is in VM-seconds: so many would be paid, that one job waits one second less. From it follow

spare   free capacity for what demand may grow by while a VM boots: a VM that holds k jobs, and would be used in more
        than 1 / (k * worth) of all moments, is worth its price. So the growth is the quantile 1 - 1 / (k * worth) of
        what was seen (see `past`).
hedge   more VMs booted than needed, where boot times spread: the first ones to join are the ones that are used, the
        last ones are given up. A part of 2 * spread * worth, at most MOST_HEDGED, and only of groups in which that is
        a VM.
hold    how long an idle VM is kept. To give it up and need it again costs its boot, and its jobs' waiting for that; to
        keep it costs its time. The hold that would have cost least in the last two hours, of all that one may choose.

Only what is on the tiers that are named for it is bought ahead, and no more than is allowed there. Where boot times, or
the past, are not known yet, nothing is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actors.fleet.number_of import number_of
from actors.fleet.observations import JobsSeen
from actors.policies.limits import Usage
from actors.policies.limits import room as room_of
from actors.policies.provisioning.capacity import Capacity
from actors.policies.provisioning.cascade import Settled
from actors.policies.provisioning.matchmaking import Load
from actors.policies.provisioning.past import Past
from actors.policies.rules import AheadRules, QueueRules

MOST_HEDGED = 0.4
LEAST_SPREAD = 0.05  # of the logarithm of boot times: below it nobody is late
LEAST_HOLD_S = 15.0
NEAR_QUOTA = 2  # times what is hedged must still be free
EXACT = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Cores of the jobs that wait and have a place, or run; and jobs of them."""

    cores: int
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BoughtAhead:
    """What was bought ahead, in sentences, and by what VMs are held. Without `rules` nothing is."""

    past: Past
    rules: AheadRules | None = None
    needs: Needs = Needs(cores=0, jobs=0)
    why: tuple[str, ...] = ()

    def holds(self, cloud: Capacity, surplus: int, least_s: float, now: float) -> Mapping[int, float]:
        """By a number of surplus VMs (1, 2, 4, ... up to `surplus`): seconds for which so many are kept. Empty: as long
        as the queue says, `least_s`. What is beyond the queue's share is not kept for long.
        """
        if self.rules is None or cloud.over:
            return {}
        return _holds(self.rules, self.past, cloud, self.needs, surplus, least_s, now)


def look_ahead(
    queue: QueueRules,
    past: Past,
    standings: Sequence[Capacity],
    load: Load,
    demand: JobsSeen,
    settled: Settled,
    now: float,
) -> BoughtAhead:
    """Changes `settled` by what is bought ahead. A demand that is not complete teaches nothing and buys nothing."""
    rules = queue.ahead
    if rules is None or not demand.complete:
        return BoughtAhead(past=past)
    needs = _needs(load, demand, settled)
    past = past.with_level(needs.cores, now)
    why = _keep_spare(rules, past, standings, needs, settled, now) + _hedge(rules, standings, settled)
    why += _unknown(rules, standings)
    return BoughtAhead(past=past, rules=rules, needs=needs, why=why)


def _unknown(ahead: AheadRules, standings: Sequence[Capacity]) -> tuple[str, ...]:
    young = [cloud.name for cloud in standings if cloud.tier in ahead.tiers and not cloud.boot_s]
    return (f"ahead: not yet on {', '.join(young)}: how long a VM boots there is known after a few",) if young else ()


def _needs(load: Load, demand: JobsSeen, settled: Settled) -> Needs:
    placed = [n - settled.waiting.left(i) for i, n in enumerate(load.left)]
    running = [(max(1, one.request.cpus), one.running) for one in demand.classes if one.running]
    return Needs(
        cores=sum(n * ask[0] for n, ask in zip(placed, load.asks, strict=True)) + sum(c * n for c, n in running),
        jobs=sum(placed) + sum(n for _, n in running),
    )


def quantile(worth: float, jobs_a_vm: float) -> float:
    """Of demand's growth, for which capacity is kept free; 0: none."""
    return max(0.0, 1.0 - 1.0 / (jobs_a_vm * worth)) if worth > 0 and jobs_a_vm > 0 else 0.0


def hedged(worth: float, spread: float) -> float:
    """The part of VMs that is booted beyond what is needed."""
    return min(MOST_HEDGED, 2.0 * spread * worth) if spread >= LEAST_SPREAD else 0.0


def _jobs_a_vm(cloud: Capacity, needs: Needs) -> float:
    return max(1.0, cloud.rules.cores * needs.jobs / needs.cores) if needs.cores else 1.0


def _keep_spare(
    ahead: AheadRules, past: Past, standings: Sequence[Capacity], needs: Needs, settled: Settled, now: float
) -> tuple[str, ...]:
    able = [cloud for cloud in standings if cloud.tier in ahead.tiers and cloud.boot_s > 0 and not cloud.kept]
    if not able or settled.waiting.jobs:
        return ()
    first = able[0]
    part = quantile(ahead.worth, _jobs_a_vm(first, needs))
    grown = past.growth(part, first.boot_s, now) if part > 0 else 0
    free = max(0, _capacity(standings, settled) - needs.cores)
    if grown <= free:
        return ()
    kept = _keep(ahead, able, settled, grown - free)
    new = _buy(ahead, able, settled, max(0, grown - free - kept.cores), kept)
    if not kept.vms and not new:
        return ()
    what = f"{number_of(kept.vms, 'VM')} kept and {new} new" if kept.vms and new else ""
    what = what or (number_of(new, "new VM") if new else f"{number_of(kept.vms, 'VM')} kept")
    return (
        f"spare: {what}: in {part:.1%} of the last two hours demand grew by no more than {number_of(grown, 'core')}"
        f" in the {first.boot_s:.0f} s that a VM boots, and {free} would be free (a second of waiting is worth"
        f" {ahead.worth:g} VM-seconds)",
    )


def _capacity(standings: Sequence[Capacity], settled: Settled) -> int:
    return sum((c.supply - settled.spare[c.name] + settled.places.new[c.name]) * c.rules.cores for c in standings)


def _keep(ahead: AheadRules, able: Sequence[Capacity], settled: Settled, cores: int) -> Usage:
    """VMs that nothing needs stay until there are so many cores, the cheapest first."""
    used = Usage()
    for cloud in able:
        spare = settled.spare[cloud.name] - cloud.over
        vms = max(0, min(_vms(ahead, cloud, used, cores - used.cores), spare))
        settled.spare[cloud.name] -= vms
        used = used.plus(vms, cloud.rules.cores, cloud.rules.usd_per_hour)
    return used


def _buy(ahead: AheadRules, able: Sequence[Capacity], settled: Settled, cores: int, used: Usage) -> int:
    """New VMs, beside those `used` ahead already."""
    kept = used
    for cloud in able:
        new = settled.places.new
        left = cores - (used.cores - kept.cores)
        room = min(settled.budget.room(cloud.rules), cloud.room - new[cloud.name])
        vms = max(0, min(_vms(ahead, cloud, used, left), room))
        settled.budget.take(cloud.rules, vms)
        new[cloud.name] += vms
        used = used.plus(vms, cloud.rules.cores, cloud.rules.usd_per_hour)
    return used.vms - kept.vms


def _vms(ahead: AheadRules, cloud: Capacity, used: Usage, cores: int) -> int:
    """VMs of a cloud for so many cores, within what may be bought ahead."""
    rules = cloud.rules
    return min(math.ceil(max(0, cores) / rules.cores), room_of(ahead.limit, used, rules.cores, rules.usd_per_hour))


def _hedge(ahead: AheadRules, standings: Sequence[Capacity], settled: Settled) -> tuple[str, ...]:
    said = []
    for cloud in standings:
        name, new = cloud.name, settled.places.new
        needed = settled.places.flight[name] + new[name]
        more = int(hedged(ahead.worth, cloud.boot_spread) * needed + EXACT)
        if more and _may_hedge(ahead, cloud, settled, more):
            kept = min(more, max(0, settled.spare[name] - cloud.over))
            settled.spare[name] -= kept
            settled.budget.take(cloud.rules, more - kept)
            new[name] += more - kept
            said.append(
                f"hedge: {number_of(needed + more, 'VM')} of {name} boot for the {needed} that are needed: boot times"
                f" spread by {cloud.boot_spread:.0%}, and the last ones are given up"
            )
    return tuple(said)


def _may_hedge(ahead: AheadRules, cloud: Capacity, settled: Settled, more: int) -> bool:
    """Not where an hour is paid for a minute, where room is short, or where a cloud is not well."""
    if cloud.tier not in ahead.tiers or cloud.rules.billed_s or cloud.closed or cloud.doubtful or cloud.kept:
        return False
    new = settled.places.new[cloud.name]
    within = room_of(ahead.limit, Usage(), cloud.rules.cores, cloud.rules.usd_per_hour)
    return within >= more and min(cloud.room - new, settled.budget.room(cloud.rules)) >= NEAR_QUOTA * more


def _holds(
    ahead: AheadRules, past: Past, cloud: Capacity, needs: Needs, surplus: int, least_s: float, now: float
) -> Mapping[int, float]:
    if not cloud.boot_s or not past.seen:
        return {}
    again = cloud.boot_s * (1.0 + ahead.worth * _jobs_a_vm(cloud, needs))
    found, vms = {}, 1
    while vms <= surplus:
        found[vms] = hold_s(past.returns(needs.cores + vms * cloud.rules.cores, now), again, least_s)
        vms *= 2
    return found


def hold_s(returns: Sequence[float], again_s: float, least_s: float) -> float:
    """The hold that would have cost least: kept for nothing, or given up and bought again for `again_s`.

    `returns`: after how many seconds so much was needed again; infinite: it was not. `least_s`: where none is known.
    """
    if not returns:
        return least_s
    shortest = min(LEAST_HOLD_S, least_s)
    choices = [shortest, *(gap for gap in set(returns) if shortest < gap <= again_s)]
    return min(choices, key=lambda hold: (sum(gap if gap <= hold else hold + again_s for gap in returns), hold))
