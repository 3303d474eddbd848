"""However differently users ask, the classes of a reading are few: requests that differ are rounded up. Pure.

Requirements make no classes of their own (only answers count), requests may: 45,000 jobs can ask for 45,000 sizes. So
where a queue has more than MOST classes, memory and disk are rounded up to steps that grow until they are few enough.
Rounding up may buy a little too much, never too little.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

MOST = 500  # classes of one queue, from one schedd
STEPS = (8, 4, 2, 1)  # to so many steps between a power of two and the next

Row = tuple[Any, ...]  # as condor_census.Row
_ANSWERS, _COUNTS = 8, 11


def bounded(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """The rows, at most about MOST a queue, and what has to be said of those that were too many."""
    by_queue: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_queue[row[0]].append(row)
    kept: list[Row] = []
    notes = []
    for queue, found in by_queue.items():
        few = found
        for steps in STEPS:
            if len(few) <= MOST:
                break
            few = _merged(found, steps)
        if few is not found:
            notes.append(
                f"queue {queue}: its jobs ask for {len(found)} different things; they are counted as {len(few)}, "
                f"each rounded up; most of them have {_most_common(found)}"
            )
        kept += few
    return kept, notes


def _merged(rows: Iterable[Row], steps: int) -> list[Row]:
    merged: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        coarse = tuple(_coarse(answer, steps) for answer in row[8])
        request = (row[1], rounded_up(row[2], steps), rounded_up(row[3], steps), row[4])
        key = (row[0], coarse, row[9], "" if row[8] else request)
        same = merged.get(key)
        counts = row[_COUNTS:] if same is None else tuple(map(sum, zip(same[_COUNTS:], row[_COUNTS:], strict=True)))
        first = same or row
        merged[key] = (row[0], *(request if same is None else same[1:5]), *first[5:8], coarse, *first[9:11], *counts)
    return list(merged.values())


def _coarse(answer: Row, steps: int) -> Row:
    *first, memory_mib, disk_mib, gpus = answer
    return (*first, rounded_up(memory_mib, steps), rounded_up(disk_mib, steps), gpus)


def rounded_up(amount: int, steps: int) -> int:
    """To a multiple of a `steps`-th of the power of two that is not above it."""
    step = max(1, (1 << max(0, amount.bit_length() - 1)) // steps)
    return -(-amount // step) * step


def _most_common(rows: Iterable[Row]) -> str:
    texts: Counter[str] = Counter()
    for row in rows:
        texts[row[5][:120]] += sum(row[_COUNTS:])
    text, _ = texts.most_common(1)[0]
    return f"Requirements like {text}"
