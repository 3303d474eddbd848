"""The room that a limit of running jobs leaves, shared out among classes of idle jobs. Pure.

Of those that some cloud suits each gets as many, and where not all can have one, those of which others run already come
first. What is beyond becomes classes of its own that say why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Share = tuple[str, float]  # of a cap, what one job takes of it; 0: its cpus
Cap = tuple[str, float, str]  # what is limited, what is left of it in jobs, cores or shares, and the sentence
Row = tuple[Any, ...]  # as census.Row
_ANSWERS, _APART, _IDLE, _RUNNING = 8, 9, 11, 13

Member = tuple[int, int, float]  # idle jobs, running ones, what one takes


def limited(rows: Sequence[tuple[Row, tuple[Share, ...]]], left: Mapping[str, Cap]) -> list[Row]:
    """The rows, with the idle jobs that no limit has room for as rows of their own that say so."""
    found = [row for row, _ in rows]
    beyond: list[Row] = []
    for key, room, why in left.values():
        takes = [dict(shares).get(key, None) if key else 1.0 for _, shares in rows]
        under = [i for i, amount in enumerate(takes) if amount is not None and _may_run(found[i])]
        members = [(found[i][_IDLE], found[i][_RUNNING], takes[i] or _cpus(found[i])) for i in under]
        for i, n in zip(under, granted(members, room), strict=True):
            row = found[i]
            if n < row[_IDLE]:
                found[i] = (*row[:_IDLE], n, *row[_IDLE + 1 :])
                beyond.append((*row[:_ANSWERS], (), why, row[_APART + 1], row[_IDLE] - n, 0, 0, 0))
    return [*found, *beyond]


def _may_run(row: Row) -> bool:
    return bool(row[_IDLE]) and not row[_APART] and (not row[_ANSWERS] or any(one[1] for one in row[_ANSWERS]))


def _cpus(row: Row) -> float:
    return float(max(1, min((one[3] for one in row[_ANSWERS] if one[1]), default=row[1])))


def granted(members: Sequence[Member], room: float) -> list[int]:
    """How many idle jobs of each class `room` is for: equal parts, and the rest by turns, those that run first."""
    given = [0] * len(members)
    hungry = sorted((i for i, (idle, _, _) in enumerate(members) if idle), key=lambda i: -members[i][1])
    while hungry := [i for i in hungry if given[i] < members[i][0] and members[i][2] <= room]:
        part = room / len(hungry)
        for i in hungry:
            idle, _, takes = members[i]
            n = min(idle - given[i], max(1, int(part // takes))) if takes > 0 else idle - given[i]
            if n * takes <= room:
                given[i], room = given[i] + n, room - n * takes
    return given
