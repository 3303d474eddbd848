"""The cascade: where VMs are added, and where they are taken away.

Adding: the cheapest tier with room, inside it where the jobs' Rank is highest, and among those so that the clouds' VMs
stand as their weights (the shapes of one cloud count as one, and `shape_choice` chooses among them); what finds no room
there goes to the next tier at once. Taking away: a VM that no job needs
goes; but where a dearer cloud has a busy VM that could go in its stead, that one goes (it takes no new jobs, its
running ones end in peace) and the cheap one stays. A dear busy VM is never given up for a cheap one that would first
have to be bought: by attrition only.

VMs beyond the queue's share of a cloud go whatever runs on them: other queues of a higher priority, or with a better
claim, wait for the room.

"Could go in its stead" is this predicate: the cheaper cloud suits every job class that the dearer one suits, no job
that the dearer one suits still waits without a place, and the VM is not held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from actors.policies.limits import NO_LIMIT
from actors.policies.provisioning.capacity import Capacity
from actors.policies.provisioning.headroom import Headroom
from actors.policies.provisioning.matchmaking import Load
from actors.policies.provisioning.packing import Waiting
from actors.policies.provisioning.shape_choice import families, pick


@dataclass(slots=True, kw_only=True)
class Places:
    """Where the waiting jobs go. VMs by cloud: `filled` busy ones, `idle` and `flight` ones in use, `new` ones."""

    filled: dict[str, int] = field(default_factory=dict)
    idle: dict[str, int] = field(default_factory=dict)
    flight: dict[str, int] = field(default_factory=dict)
    new: dict[str, int] = field(default_factory=dict)

    def used(self, cloud: str) -> int:
        return self.filled[cloud] + self.idle[cloud] + self.flight[cloud]


@dataclass(slots=True, kw_only=True)
class Settled:
    """What the jobs alone would have: places for them, `spare` VMs by cloud that none needs, jobs without a place."""

    places: Places
    spare: dict[str, int]
    waiting: Waiting
    budget: Headroom

    @property
    def n(self) -> int:
        """The change in VMs."""
        return sum(self.places.new.values()) - sum(self.spare.values())


def settle(standings: Sequence[Capacity], load: Load, matched: int, budget: Headroom) -> Settled:
    """Places for the waiting jobs, less `matched` ones that have a place already, with new VMs within `budget`."""
    waiting = Waiting(load)
    waiting.forget(matched)
    places = place(standings, waiting, budget)
    spare = take_away(standings, load, waiting, places)
    return Settled(places=places, spare=spare, waiting=waiting, budget=budget)


def place(standings: Sequence[Capacity], waiting: Waiting, budget: Headroom) -> Places:
    """Give waiting jobs the capacity there is, then new VMs within `budget`. What is left in `waiting` has no place."""
    places = take_free(standings, waiting)
    for tier in tiers(standings):
        add(tier, waiting, places.new, budget)
    return places


def tiers(standings: Sequence[Capacity]) -> list[list[Capacity]]:
    """The clouds by tier, the cheapest first."""
    numbers = sorted({cloud.tier for cloud in standings})
    return [[cloud for cloud in standings if cloud.tier == number] for number in numbers]


def take_free(standings: Sequence[Capacity], waiting: Waiting) -> Places:
    """Give waiting jobs the capacity there is: the rest of busy VMs first."""
    places = Places()
    for cloud in standings:
        slots = waiting.take_slots(cloud.name, cloud.slots_of_busy, single=cloud.rules.static)
        places.filled[cloud.name] = min(slots, cloud.busy)
    for shapes in families(standings):
        for cloud in shapes:
            slots = waiting.take_slots(cloud.name, cloud.slots_of_idle, single=cloud.rules.static)
            places.idle[cloud.name] = min(-(-slots // cloud.rules.slots), cloud.idle)
        places.flight |= _take_flight(shapes, waiting)
    places.new = dict.fromkeys((cloud.name for cloud in standings), 0)
    return places


def add(tier: Sequence[Capacity], waiting: Waiting, new: dict[str, int], budget: Headroom) -> None:
    """Give waiting jobs new VMs of one tier, counted in `new`: by their Rank first, where they have one."""
    for best in (True, False) if waiting.choosy else (False,):
        _add(tier, waiting, new, budget, best)


def _take_vms(cloud: Capacity, waiting: Waiting, vms: int, *, best: bool = False) -> int:
    rules = cloud.rules
    slots = waiting.take(rules.name, rules.size, vms * rules.slots, single=rules.static, best=best)
    return -(-slots // rules.slots)


def _take_flight(shapes: Sequence[Capacity], waiting: Waiting) -> dict[str, int]:
    """VMs under way that are used. Among shapes in the order in which they were bought, so that they go on to do."""
    if len(shapes) == 1:
        return {shapes[0].name: _take_vms(shapes[0], waiting, shapes[0].flight)}
    left = {cloud.name: cloud.flight for cloud in shapes}
    while picked := pick(shapes, left, NO_LIMIT, waiting):
        waiting.take_filling(picked.filling, picked.vms)
        left[picked.cloud.name] -= picked.vms
    return {cloud.name: cloud.flight - left[cloud.name] for cloud in shapes}


def _take_new(
    shapes: Sequence[Capacity], rooms: dict[str, int], most: int, waiting: Waiting, budget: Headroom, best: bool
) -> tuple[Capacity, int]:
    """At most `most` new VMs, all of one shape."""
    if not shapes[0].rules.family:
        (cloud,) = shapes
        return cloud, _take_vms(cloud, waiting, min(most, rooms[cloud.name]), best=best)
    together = budget.vms_left([cloud.name for cloud in shapes])
    picked = pick(shapes, rooms, together, waiting, best=best)
    assert picked is not None  # each of them has room, and jobs that it suits
    vms = min(most, picked.vms)
    waiting.take_filling(picked.filling, vms)
    return picked.cloud, vms


def _add(tier: Sequence[Capacity], waiting: Waiting, new: dict[str, int], budget: Headroom, best: bool) -> None:
    """Add VMs in one tier, as many as its clouds' room, `budget` and the waiting jobs allow.

    `best`: for those jobs only that rank no other cloud of the tier higher.
    """
    added, places = 0, families(tier)
    while True:
        rooms = {cloud.name: min(cloud.room - new[cloud.name], budget.room(cloud.rules)) for cloud in tier}
        open_ = [
            (shapes, with_room)
            for shapes in places
            if (with_room := [c for c in shapes if rooms[c.name] > 0 and waiting.wants(c.name, best=best)])
        ]
        if not open_:
            return
        _, shapes = min(open_, key=lambda place: _next(place[0], new))
        most = NO_LIMIT if len(open_) == 1 else max(1, added // 16)  # small steps keep the weights
        cloud, taken = _take_new(shapes, rooms, most, waiting, budget, best)
        budget.take(cloud.rules, taken)
        new[cloud.name] += taken
        added += taken


def _next(shapes: Sequence[Capacity], new: Mapping[str, int]) -> float:
    """How far a cloud would stand, by its weight, with one VM more."""
    return (sum(cloud.supply + new[cloud.name] for cloud in shapes) + 1) / shapes[0].rules.weight


def take_away(standings: Sequence[Capacity], load: Load, waiting: Waiting, places: Places) -> dict[str, int]:
    """VMs by cloud that are not needed: each cloud's own, then exchanged for busy ones of dearer clouds."""
    spare = {cloud.name: _spare(cloud, places) for cloud in standings}
    if any(spare.values()):
        for dear in sorted(standings, key=lambda c: (c.tier, c.rules.usd_per_hour), reverse=True):
            _exchange(dear, standings, load, waiting, places, spare)
    return spare


def _spare(cloud: Capacity, places: Places) -> int:
    """VMs that are idle or under way, and that no waiting job needs. Held ones stay."""
    return 0 if cloud.kept else max(unneeded(cloud, places), cloud.over)


def unneeded(cloud: Capacity, places: Places) -> int:
    """Without those that are held."""
    unused = cloud.idle + cloud.flight - places.idle[cloud.name] - places.flight[cloud.name]
    return max(0, min(unused, cloud.supply - cloud.held))


def _exchange(
    dear: Capacity,
    standings: Sequence[Capacity],
    load: Load,
    waiting: Waiting,
    places: Places,
    spare: dict[str, int],
) -> None:
    could_go = _could_go(dear, load, waiting, places, spare)
    for cheap in standings:
        if cheap.tier >= dear.tier or could_go <= 0:
            break
        free = spare[cheap.name] - cheap.over
        if cheap.may_fall and free > 0 and not load.suits[dear.name] & ~load.suits[cheap.name]:
            moved = min(could_go, free)
            spare[cheap.name] -= moved
            spare[dear.name] += moved
            could_go -= moved


def _could_go(dear: Capacity, load: Load, waiting: Waiting, places: Places, spare: dict[str, int]) -> int:
    """Busy VMs of a cloud that may be given up while cheaper ones stay."""
    if not dear.may_fall or places.new[dear.name] or load.suits[dear.name] & waiting.classes:
        return 0
    busy = dear.busy - places.filled[dear.name]
    return max(0, min(busy, dear.supply - dear.held - spare[dear.name]))
