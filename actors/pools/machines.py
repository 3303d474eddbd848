"""Rows of slots (from a child) become the machines of a reading.

Most of 10,000 machines are as they were in the reading before. Of those the child sends only the place that their ad
had in it, and such a machine *is* the object of the reading before: no building, and no memory for copies. A reading
that broke off is none: the next one asks for the changes since the last whole one, and the child, which has another
now, sends all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from actors.fleet.seen import Machine, Slot
from actors.fleet.shape import Shape

Row = tuple[Any, ...]  # see condor_startds.Row
Entry = Row | int  # see condor_startds.Entry
_NAME, _ADDRESS, _RETIREMENT_S, _STARTED_AT, _SLOT, _JOBS, _LONGEST_S = 0, 1, 6, 7, 8, 20, 21


class MachineMemory:
    """The machines of the last whole reading. For one reading at a time.

    `last`: its name; empty when there is none.
    """

    def __init__(self) -> None:
        self.last = ""
        self._last = _Places()

    def reading(self, answers: Iterator[Any]) -> tuple[Machine, ...]:
        """The machines of all entries: `answers` are the reading's name, and lists of entries.

        The slots of one startd may be in any lists. Whatever `answers` raises leaves the last reading as it was.
        """
        name, places = str(next(answers)), _Places()
        for entries in answers:
            places.add(entries, self._last)
        found = tuple(places.machine_of(startd) for startd in places.startds.values())
        self.last, self._last = name, places
        return found


class _Places:
    """One reading, by the places of its ads. Most is done while the child is at the next list."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.machines: list[Machine] = []  # that it was in the last reading, or that the row makes alone
        self.startds: dict[tuple[str, str], list[int]] = {}  # the places of each startd's slots

    def add(self, entries: list[Entry], before: _Places) -> None:
        for place, entry in enumerate(entries, len(self.rows)):
            if isinstance(entry, int):
                row, one = before.rows[entry], before.machines[entry]
            else:
                row, one = entry, machine((entry,))
            self.rows.append(row)
            self.machines.append(one)
            self.startds.setdefault((row[_NAME], row[_ADDRESS]), []).append(place)

    def machine_of(self, places: list[int]) -> Machine:
        """The one of the last reading, where it had all these slots and no other; else a new one."""
        found = self.machines[places[0]]
        if len(found.slots) == len(places) and (len(places) == 1 or all(self.machines[at] is found for at in places)):
            return found
        found = machine(_in_order([self.rows[place] for place in places]))
        for place in places:
            self.machines[place] = found
        return found


def _in_order(rows: list[Row]) -> tuple[Row, ...]:
    return tuple(rows) if len(rows) == 1 else tuple(sorted(rows, key=lambda row: str(row[_SLOT])))


def machines_of(rows: Iterable[Row]) -> tuple[Machine, ...]:
    """Each startd of these slots."""
    places = _Places()
    places.add(list(rows), places)
    return tuple(places.machine_of(startd) for startd in places.startds.values())


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
    )


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
