"""Which VMs of one cloud go first. (Across clouds the scheduler decides, by lowering the dearest want first.)

A VM that is still under way goes before one that joined: it has run nothing, and marking it costs nothing. Then idle
ones: where the cloud bills by the hour, the one that is nearest to the end of what is paid already; else the one that
has been idle longest; then those whose reading is old; then busy ones, the one with the fewest jobs first. Of the idle,
and of the busy, those that soon have lived their time go before the others. Among equals the oldest goes. Held ones
never go by policy, and none before it has had its least useful life.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One VM that serves its want. Times are Redis seconds; `idle_since` is 0 when it is busy or not known."""

    id: str
    born: float
    joined: bool
    seen: bool = True  # the newest reading shows it
    jobs: int = 0  # claims on it
    idle_since: float = 0.0
    held: bool = False
    paid_left_s: float = 0.0  # of its billed period; 0 where the cloud bills by the second
    young: bool = False  # it has not had its least useful life
    old: bool = False  # it has too little of its life left for new jobs


def choose(surplus: int, candidates: Iterable[Candidate]) -> tuple[str, ...]:
    """Up to `surplus` ids, the first to go first. The same candidates in any order give the same choice."""
    free = [candidate for candidate in candidates if not candidate.held and not candidate.young]
    return tuple(candidate.id for candidate in sorted(free, key=_order)[: max(0, surplus)])


def paid_left_s(born: float, now: float, billed_s: float) -> float:
    """Seconds until the next period of `billed_s` would have to be paid; 0 where the cloud bills by the second."""
    return billed_s - (now - born) % billed_s if billed_s else 0.0


def _order(vm: Candidate) -> tuple[int, float, float, float, str]:
    if not vm.joined:
        return (0, 0.0, -vm.born, 0.0, vm.id)
    if not vm.seen:
        return (3, 0.0, vm.born, 0.0, vm.id)
    if vm.jobs:
        return (4 if vm.old else 5, 0.0, float(vm.jobs), vm.born, vm.id)
    return (1 if vm.old else 2, vm.paid_left_s, vm.idle_since or vm.born, vm.born, vm.id)
