"""Which VMs of one cloud go first. (Across clouds the scheduler decides, by lowering the dearest want first.)

A VM that is still under way goes before one that joined: it has run nothing, and marking it costs nothing. Then idle
ones, those that have been idle longest first; then those whose reading is old; then busy ones, the one with the fewest
jobs first. Among equals the oldest goes: it has had its useful life. Held ones never go by policy.
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


def choose(surplus: int, candidates: Iterable[Candidate]) -> tuple[str, ...]:
    """Up to `surplus` ids, the first to go first. The same candidates in any order give the same choice."""
    free = [candidate for candidate in candidates if not candidate.held]
    return tuple(candidate.id for candidate in sorted(free, key=_order)[: max(0, surplus)])


def _order(vm: Candidate) -> tuple[int, float, float, str]:
    if not vm.joined:
        return (0, -vm.born, 0.0, vm.id)
    if not vm.seen:
        return (2, vm.born, 0.0, vm.id)
    if vm.jobs:
        return (3, float(vm.jobs), vm.born, vm.id)
    return (1, vm.idle_since or vm.born, vm.born, vm.id)
