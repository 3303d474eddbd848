"""Which shape of a cloud the next VMs have, where the cloud offers several at different prices.

This is bin packing with bins of several sizes and prices. The rule is greedy, by the best ratio: the shape that costs
least for each waiting job that one new VM of it would take, decided again whenever fewer jobs make another shape the
better one. So a hundred small jobs get large VMs, and the last two a small one. Jobs that the fewest clouds suit, then
the largest, choose first; the others fill up their VMs. Where no shape has a price, cores count as the price. Of equals
the larger is taken: fewer VMs boot and advertise.

The ratio alone ends badly: seven jobs left, a VM for six at 6 beside one for eight at 7.9, and the first would be
taken, and then a second VM for the last job. So once one VM could take all the jobs that are left, a shape is taken by
its ratio only if what it leaves over can be finished so that all together is not dearer than finishing with one shape
alone.

What is proven, for jobs that are alike and where no limit is in the way: the whole costs less than the best single
shape alone plus one VM of it. (While a VM of that shape would be filled, each step pays no more for a job than that VM
would; from then on all further steps together pay no more than that shape alone would, by induction over the steps.)
For mixed jobs it is the greedy rule of weighted set cover. Sources: D. K. Friesen and M. A. Langston, "Variable sized
bin packing", SIAM J. Computing 15 (1986), for the problem, and for choosing the bin anew after filling; V. Chvatal, "A
greedy heuristic for the set-covering problem", Math. of Operations Research 4 (1979), for the ratio and its bound.

Money is not all: a limit in VMs that all shapes share would leave jobs without a place if it were used up by small VMs.
So where the best shape's VMs would not be enough for all the jobs, larger ones are taken until the rest is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actors.policies.limits import CENT, NO_LIMIT
from actors.policies.provisioning.capacity import Capacity
from actors.policies.provisioning.packing import Filling, Waiting
from actors.policies.rules import CloudRules

EXACT = 12  # digits of a price for each job: 0.06 / 4 is 0.03 / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """`vms` new VMs of `cloud`, each with `filling`. No other shape would be chosen before so many were taken."""

    cloud: Capacity
    filling: Filling
    vms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeOffer:
    """One shape, and what one new VM of it would take now. `price`: US$/h, or cores where no shape has a price."""

    cloud: Capacity
    price: float
    filling: Filling
    jobs: int

    @property
    def rank(self) -> tuple[float, int, str]:
        """The best first."""
        return round(self.price / self.jobs, EXACT), -self.cloud.rules.cores, self.cloud.name


def families(clouds: Sequence[Capacity]) -> list[list[Capacity]]:
    """The clouds in their order, the shapes of one cloud that stand in one tier together."""
    found: dict[tuple[int, str], list[Capacity]] = {}
    for cloud in clouds:
        key = (cloud.tier, f"/{cloud.rules.family}" if cloud.rules.family else cloud.name)
        found.setdefault(key, []).append(cloud)
    return list(found.values())


def pick(
    shapes: Sequence[Capacity], rooms: Mapping[str, int], together: int, waiting: Waiting, *, best: bool = False
) -> Pick | None:
    """The next VMs of one cloud's `shapes`; None when no waiting job fits, or there is no room.

    `rooms`: VMs by shape that may be added, `together`: of all shapes. `best`: for jobs only that rank no other cloud
    of the tier higher.
    """
    open_ = [cloud for cloud in shapes if min(rooms[cloud.name], together) > 0]
    all_jobs = waiting.bits([cloud.name for cloud in open_], best=best)
    offers = _offers(open_, waiting, all_jobs & -all_jobs, best)
    if not offers:
        return None
    chosen = _cheapest(offers, rooms, waiting, all_jobs, best)
    vms = min(_steps(offers, chosen, waiting), rooms[chosen.cloud.name], together)
    jobs = waiting.count(all_jobs)
    if jobs > chosen.jobs * together:
        chosen, vms = _larger(offers, chosen, rooms, together, jobs, waiting)
    return Pick(cloud=chosen.cloud, filling=chosen.filling, vms=vms)


def _offers(shapes: Sequence[Capacity], waiting: Waiting, first: int, best: bool) -> list[ShapeOffer]:
    """Of the shapes that suit the class with the bit `first`."""
    priced = any(cloud.rules.usd_per_hour for cloud in shapes)
    offers = []
    for cloud in shapes:
        rules = cloud.rules
        filling = waiting.of_one(rules.name, rules.size, rules.slots, single=rules.static, best=best)
        if filling and 1 << filling[0][0] == first:
            price = rules.usd_per_hour if priced else float(rules.cores)
            offers.append(ShapeOffer(cloud=cloud, price=price, filling=filling, jobs=sum(n for _, n in filling)))
    return offers


def _cheapest(
    offers: Sequence[ShapeOffer], rooms: Mapping[str, int], waiting: Waiting, all_jobs: int, best: bool
) -> ShapeOffer:
    """By the ratio; once one VM could take all that is left, only if no shape alone would be cheaper in the end."""
    ranked = sorted(offers, key=lambda offer: offer.rank)
    if not any(waiting.takes_all(offer.filling, all_jobs) for offer in offers):
        return ranked[0]
    most = _finish(offers, rooms, waiting, best) + CENT
    for offer in ranked:
        after = waiting.copy()
        after.take_filling(offer.filling, 1)
        if offer.price + _finish(offers, rooms, after, best) <= most:
            return offer
    return ranked[0]


def _finish(offers: Sequence[ShapeOffer], rooms: Mapping[str, int], waiting: Waiting, best: bool) -> float:
    """What it costs to give all that is left VMs of one shape: the best one for that."""
    names = [offer.cloud.name for offer in offers]
    return min(
        (
            offer.price * vms
            for offer in offers
            if (vms := _alone(offer.cloud.rules, names, waiting.copy(), best)) <= rooms[offer.cloud.name]
        ),
        default=math.inf,
    )


def _alone(rules: CloudRules, names: Sequence[str], waiting: Waiting, best: bool) -> int:
    """How many VMs of one shape take all that is left; NO_LIMIT where they cannot."""
    vms = 0
    while waiting.bits(names, best=best):
        filling = waiting.of_one(rules.name, rules.size, rules.slots, single=rules.static, best=best)
        if not filling:
            return NO_LIMIT
        times = min(waiting.left(i) // n for i, n in filling)
        waiting.take_filling(filling, times)
        vms += times
    return vms


def _steps(offers: Sequence[ShapeOffer], chosen: ShapeOffer, waiting: Waiting) -> int:
    """For how many VMs of `chosen` no offer changes, so that the same would be chosen again."""
    takes = dict(chosen.filling)
    spare = ((waiting.left(i) - n) // takes[i] for offer in offers for i, n in offer.filling if i in takes)
    return max(1, min(spare))


def _larger(
    offers: Sequence[ShapeOffer],
    cheap: ShapeOffer,
    rooms: Mapping[str, int],
    together: int,
    jobs: int,
    waiting: Waiting,
) -> tuple[ShapeOffer, int]:
    """So many VMs that take more jobs each that `cheap` ones are enough for the rest."""
    large = min(offers, key=lambda offer: (-offer.jobs, offer.rank))
    gained = large.jobs - cheap.jobs
    needed = -(-(jobs - cheap.jobs * together) // gained) if gained else together
    return large, min(needed, _steps(offers, large, waiting), rooms[large.cloud.name], together)
