"""How long VMs have been too many: a surplus must last before it is released, growth happens at once.

A single "since when" would release a surplus of fifty because a surplus of one is old. So the want remembers steps
`(since, VMs)`: at least so many VMs were not needed at any decision since then. Later steps are larger. What is
released is the largest step that is old enough: no VM goes that was needed within the time.
"""

from __future__ import annotations

from collections.abc import Mapping

Steps = tuple[tuple[float, int], ...]
MOST_STEPS = 16


def remember(steps: Steps, surplus: int, now: float) -> Steps:
    """The steps after a decision at `now` (seconds) that found `surplus` VMs too many."""
    if surplus <= 0:
        return ()
    lower = [(since, vms) for since, vms in steps if vms < surplus]
    reached = [since for since, vms in steps if vms >= surplus]
    return _bounded((*lower, (min(reached, default=now), surplus)))


def _bounded(steps: Steps) -> Steps:
    """With too many steps one of the younger is dropped: its VMs count from the next one, so later, never earlier."""
    if len(steps) <= MOST_STEPS:
        return steps
    return (*steps[:-3], steps[-2], steps[-1])


def old_enough(steps: Steps, now: float, age_s: float) -> int:
    """How many VMs have been too many for at least `age_s`."""
    return max((vms for since, vms in steps if now - since >= age_s), default=0)


def held_long_enough(steps: Steps, now: float, holds: Mapping[int, float]) -> int:
    """How many VMs have been too many for as long as each is kept. `holds`: by 1, 2, 4, ... VMs too many, seconds for
    which so many are kept: the first of them are those that are needed again first.
    """
    released = done = 0
    for since, vms in steps:
        held = (holds[1 << (vm.bit_length() - 1)] for vm in range(done + 1, vms + 1))
        released += sum(now - since >= hold_s for hold_s in held)
        done = vms
    return released


def less(steps: Steps, released: int) -> Steps:
    """The steps when `released` VMs are no longer wanted."""
    return tuple((since, vms - released) for since, vms in steps if vms > released)
