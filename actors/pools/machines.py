"""Rows of slots (from a child) become the machines of a reading.

Most of 10,000 machines are as they were in the reading before. Such a machine *is* the object of the reading before: a
look-up instead of 40 us of building, and no memory for copies.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from actors.fleet.seen import Machine, Slot
from actors.fleet.shape import Shape

Row = tuple[Any, ...]  # see condor_startds.Row
_NAME, _ADDRESS, _RETIREMENT_S, _STARTED_AT, _SLOT, _JOBS, _LONGEST_S = 0, 1, 6, 7, 8, 20, 21


class MachineMemory:
    """The machines of the last reading, by their rows. For one reading at a time."""

    def __init__(self) -> None:
        self._known: dict[tuple[Row, ...], Machine] = {}

    def reading(self, parts: Iterable[list[Row]]) -> tuple[Machine, ...]:
        """The machines of all rows. The slots of one startd may be in any parts."""
        slots: dict[tuple[str, str], list[Row]] = {}
        for part in parts:
            for row in part:
                slots.setdefault((row[_NAME], row[_ADDRESS]), []).append(row)
        known = {rows: self._known.get(rows) or machine(rows) for rows in map(_in_order, slots.values())}
        self._known = known
        return tuple(known.values())


def _in_order(rows: list[Row]) -> tuple[Row, ...]:
    return tuple(rows) if len(rows) == 1 else tuple(sorted(rows, key=lambda row: str(row[_SLOT])))


def machine(rows: tuple[Row, ...]) -> Machine:
    """One startd from the rows of its slots.

    The smallest retirement time counts, as a job in a slot below the required one would be evicted. Of what slots tell
    of ended jobs the largest number does: whether each tells of itself or of its startd, so many there were.
    """
    first = rows[0]
    instance_id, queue, cloud, identity = (next(filter(None, (row[at] for row in rows)), "") for at in range(2, 6))
    return Machine(
        name=first[_NAME],
        address=first[_ADDRESS],
        instance_id=instance_id,
        queue=queue,
        cloud=cloud,
        identity=identity,
        max_retirement_s=min(row[_RETIREMENT_S] for row in rows),
        started_at=max(row[_STARTED_AT] for row in rows),
        slots=tuple(_slot(*row[_SLOT:_JOBS]) for row in rows),
        recent_jobs=max((row[_JOBS] for row in rows if len(row) > _JOBS), default=0),
        longest_job_s=max((row[_LONGEST_S] for row in rows if len(row) > _LONGEST_S), default=0.0),
    )


def _slot(
    name: str,
    state: str,
    activity: str,
    partitionable: bool,
    children: int,
    cpus: int,
    memory_mib: int,
    disk_mib: int,
    gpus: int,
    drain_reason: str,
    draining: bool,
    request_id: str,
) -> Slot:
    return Slot(
        name=name,
        state=state,
        activity=activity,
        partitionable=partitionable,
        children=children,
        free=Shape(cpus=cpus, memory_mib=memory_mib, disk_mib=disk_mib, gpus=gpus),
        drain_reason=drain_reason,
        draining=draining,
        request_id=request_id,
    )
