"""Rows of slots (from a child) become the machines of a reading.

Most of 10,000 machines are as they were in the reading before. Of those the child sends nothing, and such a machine
*is* the object of the reading before: no building, and no memory for copies. A reading that broke off is none: the next
one asks for the changes since the last whole one, and the child, if it has another by now, tells them from nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from actors.fleet.observations import Machine, Slot
from actors.fleet.shape import Shape

Row = tuple[Any, ...]  # see condor_startds.Row
Place = tuple[str, str, str]  # see condor_reading.Place
_RETIREMENT_S, _STARTED_AT, _SLOT, _JOBS, _LONGEST_S, _WHOLE, _FACTORY, _DAMAGED = 6, 7, 8, 20, 21, 22, 26, 27
MOST_SLOTS = 1_024  # of one startd
MOST_OF_ONE_ID, MOST_WITHOUT = 8, 1_000  # startds that say one instance id; that say none


class MachineMemory:
    """The machines of the last whole reading. For one reading at a time.

    `last`: its name; empty when there is none.
    """

    def __init__(self) -> None:
        self.last = ""
        self._last = _Startds()

    def reading(self, answers: Iterator[Any]) -> tuple[Machine, ...]:
        """The machines of all startds: `answers` as from condor_reading.startds.

        The slots of one startd may be in any of them. Whatever `answers` raises leaves the last reading as it was.
        """
        name, before = next(answers)
        now = self._last.copy() if before else _Startds()
        for rows, gone in answers:
            now.change(rows, gone)
        self.last, self._last = name, now
        return now.all()


class _Startds:
    """Rows and machine of each startd, by its name and address."""

    def __init__(
        self, rows: dict[Row, tuple[Row, ...]] | None = None, machines: dict[Row, Machine] | None = None
    ) -> None:
        self._rows, self._machines = rows or {}, machines or {}

    def copy(self) -> _Startds:
        return _Startds(dict(self._rows), dict(self._machines))

    def all(self) -> tuple[Machine, ...]:
        """Each VM has one startd, or few who claim to be it: of those who say one instance id only so many count."""
        times: Counter[str] = Counter()
        found = []
        for one in self._machines.values():
            times[one.instance_id] += 1
            if times[one.instance_id] <= (MOST_OF_ONE_ID if one.instance_id else MOST_WITHOUT):
                found.append(one)
        return tuple(found)

    def change(self, rows: Iterable[Row], gone: Iterable[Place]) -> None:
        """Each machine is made once for all of its slots that changed."""
        new: dict[Row, dict[str, Row | None]] = {}
        for *startd, slot in gone:
            new.setdefault(tuple(startd), {})[slot] = None
        for row in rows:
            new.setdefault(row[:2], {})[row[_SLOT]] = row
        for key, slots in new.items():
            self._change(key, slots)

    def _change(self, startd: Row, slots: dict[str, Row | None]) -> None:
        all_slots = {row[_SLOT]: row for row in self._rows.get(startd, ())} | slots
        rows = tuple(row for _, row in sorted(all_slots.items()) if row is not None)[:MOST_SLOTS]
        if rows:
            self._rows[startd], self._machines[startd] = rows, machine(rows)
        else:
            self._rows.pop(startd, None)
            self._machines.pop(startd, None)


def machines_of(rows: Iterable[Row]) -> tuple[Machine, ...]:
    """Each startd of these slots."""
    found = _Startds()
    found.change(rows, ())
    return found.all()


def machine(rows: tuple[Row, ...]) -> Machine:
    """One startd from the rows of its slots.

    The smallest retirement time counts, as a job in a slot below the required one would be evicted. Of what slots tell
    of ended jobs the largest number does: whether each tells of itself or of its startd, so many there were.
    """
    whole = rows[0] if len(rows) == 1 else _merged(rows)
    name, address, instance_id, queue, cloud, identity, max_retirement_s, started_at = whole[:_SLOT]
    return Machine(
        name=name,
        address=address,
        instance_id=instance_id,
        queue=queue,
        cloud=cloud,
        identity=identity,
        max_retirement_s=max_retirement_s,
        started_at=started_at,
        slots=tuple([_slot(*row[_SLOT:_JOBS]) for row in rows]),
        recent_jobs=whole[_JOBS] if len(whole) > _JOBS else 0,
        longest_job_s=whole[_LONGEST_S] if len(whole) > _LONGEST_S else 0.0,
        whole=_together(rows),
        factory=next((row[_FACTORY] for row in rows if len(row) > _FACTORY and row[_FACTORY]), ""),
        damaged=_damaged(rows),
    )


def _damaged(rows: tuple[Row, ...]) -> str:
    if len(rows) >= MOST_SLOTS:
        return f"has {MOST_SLOTS} slots or more"
    return next((f"{row[_SLOT]} {row[_DAMAGED]}" for row in rows if len(row) > _DAMAGED and row[_DAMAGED]), "")


def _together(rows: Iterable[Row]) -> Shape | None:
    """What all slots of a startd have, taken or not; None where one of them does not tell."""
    amounts = [_of_slot(*row[_SLOT + 1 : _JOBS], told=row[_WHOLE : _WHOLE + 4]) for row in rows]
    if not all(one[0] > 0 for one in amounts):
        return None
    cpus, memory_mib, disk_mib, gpus = map(sum, zip(*amounts, strict=True))
    return Shape(cpus=cpus, memory_mib=memory_mib, disk_mib=disk_mib, gpus=gpus)


def _of_slot(
    _state: str, _activity: str, partitionable: bool, children: int, *free: Any, told: tuple[Any, ...]
) -> tuple[Any, ...]:
    """What is free is the whole of a static slot, and of a partitionable one without children."""
    if told and told[0] > 0:
        return told
    return free[:4] if not (partitionable and children) else (0, 0, 0, 0)


def _merged(rows: tuple[Row, ...]) -> Row:
    """What the slots of one startd tell of it, as the row of one slot."""
    first = rows[0]
    return (
        *first[:2],
        *(next(filter(None, (row[at] for row in rows)), "") for at in range(2, 6)),
        min(row[_RETIREMENT_S] for row in rows),
        max(row[_STARTED_AT] for row in rows),
        *first[_SLOT:_JOBS],
        max((row[_JOBS] for row in rows if len(row) > _JOBS), default=0),
        max((row[_LONGEST_S] for row in rows if len(row) > _LONGEST_S), default=0.0),
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
