"""Thousands of startds or instances as bytes, without stopping the host's other threads.

pydantic would check ten thousand machines in one call that holds the interpreter's lock for a fifth of a second. These
rows are written and read by the same code, many a minute, so they are packed by position: in steps of Python, which
other threads may interrupt, with one short call of msgpack for each piece. First come the layout's version and the
count of rows: another layout, or fewer rows, is a BadRow and never a short reading.

Most of ten thousand machines are as they were in the reading before. So both sides remember the last reading: a machine
that is the same object is the same bytes, and a row that is the same is the same object (a look-up in place of 30 us,
and whoever keeps machines sees by `is` which ones changed). Mostly the host that reads a pool also holds its clouds:
bytes that were packed here (`Packed`) are not unpacked again, they are the objects that they were made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

import msgpack

from actors.fleet.observations import Instance, Machine, Slot
from actors.fleet.shape import Shape
from actors.store.codec import BadRow

T = TypeVar("T")
LAYOUT = 1
READ = 65_536  # bytes
PIECE = 500  # rows that are unpacked at once: some 0.5 ms


class _Things(Generic[T]):
    """What some bytes were made of: known as long as their packer has packed nothing newer."""

    def __init__(self, things: tuple[T, ...]) -> None:
        self.things = things


Packed = WeakValueDictionary[bytes, _Things[T]]


class Packer(Generic[T]):
    """Packs one row's readings, one after the other; the bytes are what a new packer would make."""

    def __init__(self, row_of: Callable[[T], list[Any]], packed: Packed[T] | None = None) -> None:
        self._row_of = row_of
        self._packed: Packed[T] = WeakValueDictionary() if packed is None else packed
        self._last: _Things[T] | None = None
        self._known: dict[int, tuple[T, bytes]] = {}  # by the object's id, which is its own while it is kept here

    def pack(self, things: Iterable[T]) -> bytes:
        packer, known = msgpack.Packer(), dict[int, tuple[T, bytes]]()
        before = {row: thing for thing, row in self._known.values()}
        rows: list[tuple[T, bytes]] = []
        for thing in things:
            one = self._known.get(id(thing))
            if one is None:
                row = packer.pack(self._row_of(thing))
                one = before.get(row, thing), row  # an equal one of before stays the one
            known[id(one[0])] = one
            rows.append(one)
        self._known = known
        return self._joined(packer, rows)

    def _joined(self, packer: msgpack.Packer, rows: Sequence[tuple[T, bytes]]) -> bytes:
        pieces = _pieces(packer, [row for _, row in rows])
        body = b"".join([packer.pack(LAYOUT), packer.pack(len(rows)), *pieces])
        self._last = self._packed[body] = _Things(tuple(thing for thing, _ in rows))
        return body


class Unpacker(Generic[T]):
    """Unpacks one row's readings, one after the other. Safe from several threads."""

    def __init__(self, make: Callable[[Any], T], packed: Packed[T] | None = None) -> None:
        self._make = make
        self._packed: Packed[T] = WeakValueDictionary() if packed is None else packed
        self._known: dict[Any, T] = {}
        self._last: tuple[bytes | None, tuple[T, ...]] = (None, ())

    def unpack(self, body: bytes) -> tuple[T, ...]:
        """Raises BadRow."""
        last, things = self._last
        if body == last:
            return things
        before, known = self._known, dict[Any, T]()
        if here := self._packed.get(body):
            things = here.things
        else:
            things = _unpack(body, lambda row: known.setdefault(row, before.get(row) or self._make(row)))
        self._known, self._last = known, (body, things)
        return things


MACHINES: Packed[Machine] = WeakValueDictionary()  # of this process
INSTANCES: Packed[Instance] = WeakValueDictionary()


def machine_packer(packed: Packed[Machine] | None = None) -> Packer[Machine]:
    return Packer(_of_machine, packed)


def machine_unpacker(packed: Packed[Machine] | None = None) -> Unpacker[Machine]:
    return Unpacker(_machine, packed)


def instance_packer(packed: Packed[Instance] | None = None) -> Packer[Instance]:
    return Packer(_of_instance, packed)


def instance_unpacker(packed: Packed[Instance] | None = None) -> Unpacker[Instance]:
    return Unpacker(_instance, packed)


def pack_machines(machines: Iterable[Machine]) -> bytes:
    return machine_packer().pack(machines)


def unpack_machines(body: bytes) -> tuple[Machine, ...]:
    """Raises BadRow."""
    return machine_unpacker().unpack(body)


def pack_instances(instances: Iterable[Instance]) -> bytes:
    return instance_packer().pack(instances)


def unpack_instances(body: bytes) -> tuple[Instance, ...]:
    """Raises BadRow."""
    return instance_unpacker().unpack(body)


def _pieces(packer: msgpack.Packer, rows: Sequence[bytes]) -> Iterator[bytes]:
    for start in range(0, len(rows), PIECE):
        piece = rows[start : start + PIECE]
        yield packer.pack_array_header(len(piece))
        yield from piece


def _unpack(body: bytes, make: Callable[[Any], T]) -> tuple[T, ...]:
    try:
        whole = msgpack.Unpacker(_Bytes(body), max_buffer_size=len(body) + READ, read_size=READ, use_list=False)
        pieces = iter(whole)
        layout, count = next(pieces), next(pieces)
        if layout != LAYOUT:
            raise BadRow(f"a reading has layout {layout!r}; this version reads {LAYOUT}")
        made = tuple(make(row) for piece in pieces for row in piece)
    except (
        msgpack.UnpackException, StopIteration, ValueError, TypeError, OverflowError, RecursionError, AttributeError
    ) as wrong:  # fmt: skip
        raise BadRow(f"a reading cannot be unpacked: {type(wrong).__name__}: {wrong}") from wrong
    if len(made) != count:
        raise BadRow(f"a reading has {len(made)} of {count} rows: it was cut off")
    return made


class _Bytes:
    """The bytes as a file, so that msgpack takes them piece by piece."""

    def __init__(self, body: bytes) -> None:
        self._body, self._at = memoryview(body), 0

    def read(self, size: int) -> bytes:
        piece = bytes(self._body[self._at : self._at + size])
        self._at += size
        return piece


def _of_machine(machine: Machine) -> list[Any]:
    return [
        machine.name,
        machine.address,
        machine.instance_id,
        machine.queue,
        machine.cloud,
        machine.identity,
        machine.max_retirement_s,
        machine.started_at,
        [_of_slot(slot) for slot in machine.slots],
        *_tail(machine),
    ]


def _tail(machine: Machine) -> tuple[Any, ...]:
    """What hosts of older versions pass over; nothing where there is nothing to say."""
    jobs, shape = (machine.recent_jobs, machine.longest_job_s), machine.whole
    whole = (shape.cpus, shape.memory_mib, shape.disk_mib, shape.gpus) if shape else (None,) * 4
    if machine.damaged:
        return (*jobs, *whole, machine.factory, machine.damaged)
    if machine.factory:
        return (*jobs, *whole, machine.factory)
    return (*jobs, *whole) if shape else jobs if any(jobs) else ()


def _whole(tail: Sequence[Any]) -> Shape | None:
    if len(tail) < 6 or tail[2] is None:
        return None
    cpus, memory_mib, disk_mib, gpus = tail[2:6]
    return Shape(cpus=cpus, memory_mib=memory_mib, disk_mib=disk_mib, gpus=gpus)


def _machine(row: Sequence[Any]) -> Machine:
    name, address, instance_id, queue, cloud, identity, max_retirement_s, started_at, slots, *jobs = row
    return Machine(
        name=name,
        address=address,
        instance_id=instance_id,
        queue=queue,
        cloud=cloud,
        identity=identity,
        max_retirement_s=max_retirement_s,
        started_at=started_at,
        slots=tuple(_slot(slot) for slot in slots),
        recent_jobs=jobs[0] if jobs else 0,
        longest_job_s=jobs[1] if jobs else 0.0,
        whole=_whole(jobs),
        factory=jobs[6] if len(jobs) > 6 else "",
        damaged=jobs[7] if len(jobs) > 7 else "",
    )


def _of_slot(slot: Slot) -> list[Any]:
    free = slot.free
    return [
        slot.name,
        slot.state,
        slot.activity,
        slot.partitionable,
        slot.children,
        free.cpus,
        free.memory_mib,
        free.disk_mib,
        free.gpus,
        slot.drain_reason,
        slot.draining,
        slot.request_id,
    ]


def _slot(row: Sequence[Any]) -> Slot:
    name, state, activity, partitionable, children, cpus, memory, disk, gpus, reason, draining, request = row
    return Slot(
        name=name,
        state=state,
        activity=activity,
        partitionable=partitionable,
        children=children,
        free=Shape(cpus=cpus, memory_mib=memory, disk_mib=disk, gpus=gpus),
        drain_reason=reason,
        draining=draining,
        request_id=request,
    )


def _of_instance(one: Instance) -> list[Any]:
    return [
        one.id,
        one.state,
        one.launched_at,
        one.address,
        one.intent,
        one.queue,
        one.index,
        one.token,
        one.market,
        one.reason,
        *((one.held, one.pool) if one.pool else (one.held,) if one.held else ()),
    ]


def _instance(row: Sequence[Any]) -> Instance:
    id_, state, launched_at, address, intent, queue, index, token, market, reason, *held = row
    return Instance(
        id=id_,
        state=state,
        launched_at=launched_at,
        address=address,
        intent=intent,
        queue=queue,
        index=index,
        token=token,
        market=market,
        reason=reason,
        held=held[0] if held else "",
        pool=held[1] if len(held) > 1 else "",
    )
