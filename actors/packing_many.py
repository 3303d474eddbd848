"""Thousands of startds or instances as bytes, without stopping the host's other threads.

pydantic would check ten thousand machines in one call that holds the interpreter's lock for a fifth of a second. These
rows are written and read by the same code, many a minute, so they are packed by position: in steps of Python, which
other threads may interrupt, with one short call of msgpack for each piece. First come the layout's version and the
count of rows: another layout, or fewer rows, is a BadRow and never a short reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgpack

from actors.fleet.seen import Instance, Machine, Slot
from actors.fleet.shape import Shape
from actors.packing import BadRow

T = TypeVar("T")
LAYOUT = 1
READ = 65_536  # bytes
PIECE = 500  # packed at once: some 0.5 ms


def pack_machines(machines: Iterable[Machine]) -> bytes:
    return _pack([_of_machine(machine) for machine in machines])


def unpack_machines(body: bytes) -> tuple[Machine, ...]:
    """Raises BadRow."""
    return _unpack(body, _machine)


def pack_instances(instances: Iterable[Instance]) -> bytes:
    return _pack([_of_instance(instance) for instance in instances])


def unpack_instances(body: bytes) -> tuple[Instance, ...]:
    """Raises BadRow."""
    return _unpack(body, _instance)


def _pack(rows: Sequence[Any]) -> bytes:
    packer = msgpack.Packer()
    pieces = [packer.pack(LAYOUT), packer.pack(len(rows))]
    pieces += [packer.pack(rows[start : start + PIECE]) for start in range(0, len(rows), PIECE)]
    return b"".join(pieces)


def _unpack(body: bytes, make: Callable[[Any], T]) -> tuple[T, ...]:
    try:
        pieces = iter(msgpack.Unpacker(_Bytes(body), max_buffer_size=len(body) + READ, read_size=READ))
        layout, count = next(pieces), next(pieces)
        if layout != LAYOUT:
            raise BadRow(f"a reading has layout {layout!r}; this version reads {LAYOUT}")
        made = tuple(make(row) for piece in pieces for row in piece)
    except (msgpack.UnpackException, StopIteration, ValueError, TypeError) as wrong:
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
    ]


def _machine(row: Sequence[Any]) -> Machine:
    name, address, instance_id, queue, cloud, identity, max_retirement_s, started_at, slots = row
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
    ]


def _instance(row: Sequence[Any]) -> Instance:
    id_, state, launched_at, address, intent, queue, index, token, market, reason = row
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
    )
