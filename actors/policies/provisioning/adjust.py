"""What the steps made of the need, carried out: more or fewer VMs than the jobs alone would have.

More: first fewer are given up (the cheapest stay), then VMs are added where there is room, the cheapest tier first.
Fewer: first fewer are added, then more are given up, the dearest first, held ones never.
"""

from __future__ import annotations

from collections.abc import Sequence

from actors.policies.provisioning.capacity import Capacity
from actors.policies.provisioning.cascade import Settled, settle
from actors.policies.provisioning.headroom import Headroom
from actors.policies.provisioning.matchmaking import Load


def adjust(
    standings: Sequence[Capacity], load: Load, matched: int, budget: Headroom, settled: Settled, n: int
) -> Settled:
    """`settled` changed so that its balance is `n`, as far as room, `budget` (before any VM was added) and holds go."""
    if n > settled.n:
        _more(standings, settled, n - settled.n)
    elif n < settled.n:
        new = sum(settled.places.new.values())
        fewer = min(new, settled.n - n)
        settled = settle(standings, load, matched, budget.at_most(new - fewer)) if fewer else settled
        _fewer(standings, settled, settled.n - n)
    return settled


def _more(standings: Sequence[Capacity], settled: Settled, more: int) -> None:
    new, spare = settled.places.new, settled.spare
    for cloud in standings:
        stays = min(more, max(0, spare[cloud.name] - cloud.over))
        spare[cloud.name] -= stays
        more -= stays
    for cloud in standings:
        if not cloud.kept:
            added = max(0, min(more, settled.budget.room(cloud.rules), cloud.room - new[cloud.name]))
            settled.budget.take(cloud.rules, added)
            new[cloud.name] += added
            more -= added


def _fewer(standings: Sequence[Capacity], settled: Settled, fewer: int) -> None:
    for cloud in reversed(standings):
        if cloud.may_fall:
            can = cloud.supply - cloud.held - settled.spare[cloud.name]
            given_up = max(0, min(fewer, can))
            settled.spare[cloud.name] += given_up
            fewer -= given_up
