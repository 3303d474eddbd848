"""What a queue asks for of each cloud, so that others can be given their share: what it would have, were it alone.

Of a cloud: with all of the cloud's VMs to itself, and everything else as it is. Of the factory: without the factory's
limit. Neither depends on the queue's present share, so asks and shares settle in one round a tier and stay.

A cloud that is closed is asked for no more than there is: nobody gives up a VM for one that cannot be started. Where
steps took VMs away, they take them from what is asked for as well; where a schedd did not answer, no less is asked for
than is wanted. Demand that is not known any more asks for what is wanted, so neither more nor less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from actors.policies.budget import Budget
from actors.policies.cascade import Settled, settle
from actors.policies.limits import NO_LIMIT
from actors.policies.need import Load
from actors.policies.standing import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """VMs by cloud. Who is absent asks for what it wants."""

    of_cloud: Mapping[str, int]
    of_factory: Mapping[str, int]


def asking(
    standings: Sequence[Standing], load: Load, matched: int, budget: Budget, alone: Budget | None, settled: Settled
) -> Asked:
    """`budget`: room before any VM was added; `alone`: the same without the factory's limit, None where it has none.

    `settled`: what the jobs have, with the queue's shares.
    """
    of_cloud = {
        cloud.name: _alone_on(cloud, standings, load, matched, budget, settled)
        for cloud in standings
        if cloud.rules.shared and not cloud.kept
    }
    if alone is None:
        return Asked(of_cloud=of_cloud, of_factory={})
    free = settle(standings, load, matched, alone.at_most())
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


def _alone_on(
    cloud: Standing, standings: Sequence[Standing], load: Load, matched: int, budget: Budget, settled: Settled
) -> int:
    new = settled.places.new[cloud.name]
    if not cloud.over and (new < cloud.room or cloud.closed):
        return _has(cloud, settled)
    room = 0 if cloud.closed else max(cloud.room, cloud.rules.max_vms - cloud.supply)
    whole = replace(cloud, room=room, share=NO_LIMIT)
    others = [whole if one.name == cloud.name else one for one in standings]
    return _has(whole, settle(others, load, matched, budget.at_most()))


def _has(cloud: Standing, settled: Settled) -> int:
    return cloud.supply - settled.spare[cloud.name] + settled.places.new[cloud.name]
