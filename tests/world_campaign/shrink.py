"""A failing campaign's faults, fewer and fewer: what is left still fails. Delta debugging, bounded in runs.

A race does not fail each time, so a part counts as harmless only when it passed `TRIES` times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.world_campaign.faults import Fault, plain
from tests.world_campaign.run import Settings, run

SMALL_VMS = 60
TRIES = 2
RUNS = 24


def minimal(faults: Sequence[Fault], fails: Callable[[Sequence[Fault]], bool], runs: int = RUNS) -> tuple[Fault, ...]:
    """A part of `faults` that still fails, after at most `runs` questions. `fails(faults)` is taken for granted."""
    left, parts = tuple(faults), 2
    while len(left) > 1 and runs > 0:
        size = -(-len(left) // parts)
        cuts = [left[:start] + left[start + size :] for start in range(0, len(left), size)]
        for cut in cuts[:runs]:
            runs -= 1
            if fails(cut):
                left, parts = cut, max(2, parts - 1)
                break
        else:
            if parts >= len(left):
                break
            parts = min(len(left), 2 * parts)
    return left


def shrink(settings: Settings, faults: Sequence[Fault], told: Callable[[str], None] = print) -> tuple[Fault, ...]:
    """Play parts of the list on a small fleet; the shortest that failed is written beside the transcript."""
    small = replace(settings, vms=min(settings.vms, SMALL_VMS), quiet=True, out=None)

    def fails(part: Sequence[Fault]) -> bool:
        broken = any(not run(replace(small, faults=part))[1].kept for _ in range(TRIES))
        told(f"{len(part)} faults: {'broken' if broken else 'kept'}")
        return broken

    if small.vms < settings.vms and not fails(faults):
        told(f"kept with {small.vms} VMs: the list is left as it is")
        return tuple(faults)
    left = minimal(faults, fails)
    told("what is left:\n" + plain(left))
    if settings.out:
        (settings.out / f"{settings.vms}-{settings.seed}-shrunk.jsonl").write_text(plain(left))
    return left
