"""Rows as bytes and back: nothing is lost, and what is not a row is refused."""

from dataclasses import replace
from weakref import WeakValueDictionary

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.fleet.drain_and_hold import DrainFor, VmHold
from actors.fleet.observations import Instance, JobClass, Machine
from actors.fleet.vm import Intent, Vm
from actors.fleet.want import CloudView, FleetView, Want
from actors.fleet.wish import Wish
from actors.store.bulk_codec import (
    Packed,
    machine_packer,
    machine_unpacker,
    pack_instances,
    pack_machines,
    unpack_instances,
    unpack_machines,
)
from actors.store.codec import BadRow, pack, unpack
from actors.store.readings import DemandHead, ListingHead, StartdsHead
from actors.store.wants import QueueStanding, WishOutcome
from tests.actors.store.test_vm_form import DRAINS, HOLDS

KINDS = (Vm, Intent, Want, FleetView, CloudView, Wish, WishOutcome, QueueStanding, DemandHead, StartdsHead, ListingHead)
KINDS_AND_CLASSES = (*KINDS, JobClass)


# What msgpack can carry: numbers of 64 bits, text that is Unicode.
st.register_type_strategy(int, st.integers(min_value=-(2**63), max_value=2**63 - 1))
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
# What a VM is drained for, and how it is held: see `test_vm_form`.
st.register_type_strategy(DrainFor, DRAINS)
st.register_type_strategy(VmHold, HOLDS)


@pytest.mark.parametrize("kind", KINDS_AND_CLASSES, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_every_kind_of_row_comes_back_as_it_was(kind: type, data: st.DataObject) -> None:
    value = data.draw(st.from_type(kind))
    assert unpack(kind, pack(value)) == value


@given(st.lists(st.builds(Machine), max_size=30).map(lambda few: few * 50))
@settings(max_examples=10, deadline=None)
def test_machines_come_back_as_they_were(machines: list[Machine]) -> None:
    assert unpack_machines(pack_machines(machines)) == tuple(machines)


@given(st.lists(st.builds(Instance), max_size=30).map(lambda few: few * 50))
@settings(max_examples=10, deadline=None)
def test_instances_come_back_as_they_were(instances: list[Instance]) -> None:
    assert unpack_instances(pack_instances(instances)) == tuple(instances)


@given(st.lists(st.lists(st.builds(Machine), max_size=5), min_size=1, max_size=4), st.data())
@settings(max_examples=30, deadline=None)
def test_reading_after_reading_what_is_remembered_changes_nothing(
    parts: list[list[Machine]], data: st.DataObject
) -> None:
    every = [machine for part in parts for machine in part]
    packer, unpacker, before = machine_packer(), machine_unpacker(), dict[Machine, Machine]()
    for _ in range(3):
        machines = data.draw(st.lists(st.sampled_from(every), max_size=8)) if every else []
        body = packer.pack(map(replace, machines) if data.draw(st.booleans()) else machines)
        assert body == pack_machines(machines)
        seen = unpacker.unpack(body)
        assert seen == tuple(machines)
        assert all(machine is before.get(machine, machine) for machine in seen)
        before = {machine: machine for machine in seen}


ONE, TWO = Machine(name="one", address="a"), Machine(name="two", address="a")


def test_bytes_that_were_packed_in_this_process_are_the_objects_that_they_were_made_of() -> None:
    packed: Packed[Machine] = WeakValueDictionary()
    packer, unpacker = machine_packer(packed), machine_unpacker(packed)
    first = unpacker.unpack(packer.pack([ONE, TWO]))
    assert first[0] is ONE
    second = unpacker.unpack(packer.pack([replace(ONE), replace(TWO, queue="atlas")]))
    assert second[0] is ONE, "an equal one stays the one: who keeps machines sees by `is` which ones changed"
    assert second[1] == replace(TWO, queue="atlas")


def test_of_what_was_packed_here_only_the_last_is_kept() -> None:
    packed: Packed[Machine] = WeakValueDictionary()
    packer = machine_packer(packed)
    old = packer.pack([ONE])
    packer.pack([TWO])
    assert len(packed) == 1
    (again,) = machine_unpacker(packed).unpack(old)
    assert again == ONE
    assert again is not ONE


@given(st.binary(max_size=200))
def test_garbage_is_a_bad_row_and_never_an_empty_reading(garbage: bytes) -> None:
    for read in (unpack_machines, unpack_instances, lambda body: unpack(Vm, body)):
        try:
            value = read(garbage)
        except BadRow:
            continue
        assert value == ()
        assert garbage == pack_machines([])


@given(st.integers(min_value=0, max_value=200))
def test_a_reading_that_was_cut_off_is_refused(cut: int) -> None:
    whole = pack_machines([Machine(name=f"m{n}", address="") for n in range(600)])
    with pytest.raises(BadRow):
        unpack_machines(whole[: -1 - cut])


def test_another_layout_is_refused_by_its_number() -> None:
    with pytest.raises(BadRow, match="layout 2"):
        unpack_machines(b"\x02\x00")
