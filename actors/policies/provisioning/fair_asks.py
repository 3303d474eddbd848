"""What a queue asks for of each cloud, so that others can be given their share: what it would have, were it alone.

Of a cloud: with all of the cloud's VMs to itself, within its share of the factory's limits. Of the factory: without the
factory's limits, within its shares of the clouds. Neither depends on what other queues have at the moment, nor on the
share that it decides: so asks and shares settle in a round a tier, before VMs have come and gone, and stay.

A cloud that is closed is asked for no more than there is: nobody gives up a VM for one that cannot be started. Where
steps took VMs away, they take them from what is asked for as well; where a schedd did not answer, no less is asked for
than is wanted. Demand that is not known any more asks for what is wanted, so neither more nor less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from actors.policies.limits import NO_LIMIT
from actors.policies.provisioning.capacity import Capacity
from actors.policies.provisioning.cascade import Settled, add, settle, take_free, tiers, unneeded
from actors.policies.provisioning.headroom import Headroom
from actors.policies.provisioning.matchmaking import Load
from actors.policies.provisioning.packing import Waiting
from actors.policies.provisioning.shape_choice import families


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """VMs by cloud. Who is absent asks for what it wants."""

    of_cloud: Mapping[str, int]
    of_factory: Mapping[str, int]


def asking(
    standings: Sequence[Capacity], load: Load, matched: int, budget: Headroom, alone: Headroom | None, settled: Settled
) -> Asked:
    """`budget`: the room that this queue's share of the factory's limits leaves, `alone`: the room without them, None
    where there are none. `settled`: what the jobs have now.
    """
    shared = [cloud for cloud in standings if cloud.rules.shared and not cloud.kept]
    if alone is None and not any(_short(cloud, settled) for cloud in shared):
        of_cloud = {cloud.name: _has(cloud, settled) for cloud in shared}
    else:
        of_cloud = _alone_on_each(standings, load, matched, budget.at_most())
    if alone is None:
        return Asked(of_cloud=of_cloud, of_factory={})
    free = settle([_with_room(cloud) for cloud in standings], load, matched, alone.at_most())
    return Asked(of_cloud=of_cloud, of_factory={c.name: _has(c, free) for c in standings if not c.kept})


def fewer(asked: Asked, wants: Mapping[str, int]) -> Asked:
    """No more than is wanted: where steps had the last word."""
    return Asked(
        of_cloud={cloud: min(n, wants[cloud]) for cloud, n in asked.of_cloud.items()},
        of_factory={cloud: min(n, wants[cloud]) for cloud, n in asked.of_factory.items()},
    )


def more(asked: Asked, wants: Mapping[str, int]) -> Asked:
    """No less than is wanted: where a schedd did not answer."""
    return Asked(
        of_cloud={cloud: max(n, wants[cloud]) for cloud, n in asked.of_cloud.items()},
        of_factory={cloud: max(n, wants[cloud]) for cloud, n in asked.of_factory.items()},
    )


def _short(cloud: Capacity, settled: Settled) -> bool:
    if cloud.rules.family and (cloud.family_share < NO_LIMIT or not settled.budget.room(cloud.rules)):
        return True
    return cloud.over > 0 or (not cloud.closed and settled.places.new[cloud.name] >= cloud.room)


def _alone_on_each(standings: Sequence[Capacity], load: Load, matched: int, budget: Headroom) -> dict[str, int]:
    """Tier by tier as the jobs are placed; in each, once more for every cloud of it that others want too.

    The shapes of one cloud share a limit, so they are asked for together.
    """
    waiting = Waiting(load)
    waiting.forget(matched)
    places = take_free(standings, waiting)
    asked: dict[str, int] = {}
    for tier in tiers(standings):
        jobs, left = waiting.copy(), budget.at_most()
        add(tier, waiting, places.new, budget)
        for shapes in families([cloud for cloud in tier if cloud.rules.shared and not cloud.kept]):
            whole = {cloud.name: _with_room(replace(cloud, share=NO_LIMIT)) for cloud in shapes}
            new = dict.fromkeys(places.new, 0)
            add([whole.get(one.name, one) for one in tier], jobs.copy(), new, left.alone())
            asked |= {cloud.name: cloud.supply - unneeded(cloud, places) + new[cloud.name] for cloud in shapes}
    return asked


def _with_room(cloud: Capacity) -> Capacity:
    """As if no other queue had VMs there."""
    if cloud.closed or cloud.kept:
        return cloud
    return replace(cloud, room=max(cloud.room, min(cloud.rules.max_vms, cloud.share) - cloud.supply))


def _has(cloud: Capacity, settled: Settled) -> int:
    return cloud.supply - settled.spare[cloud.name] + settled.places.new[cloud.name]
