"""An ad is a worker's word: megabytes of text, a million children, less than no memory. It spoils itself, named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.fleet.bounds import MARK
from actors.fleet.observations import Machine
from actors.pools.htcondor.child_lanes import Lane
from actors.pools.machines import MOST_OF_ONE_ID, MOST_SLOTS, MOST_WITHOUT, machine, machines_of
from actors.store.bulk_codec import pack_machines, unpack_machines

PLACE = 'Name = "slot1@w.lab"; MyAddress = "<1.2.3.4:9618>"; CloudInstanceID = "i-1"; '
TEXTS = (
    "Name", "MyAddress", "CloudInstanceID", "APFQueue", "APFCloud", "APFFactory", "AuthenticatedIdentity", "State",
    "Activity", "DrainReason", "DrainingRequestId",
)  # fmt: skip
NUMBERS = (
    "NumDynamicSlots", "Cpus", "Memory", "Disk", "GPUs", "TotalSlotCpus", "TotalSlotMemory", "TotalSlotDisk",
    "TotalSlotGPUs", "RecentJobBusyTimeCount", "RecentJobBusyTimeMax", "DaemonStartTime", "MaxJobRetirementTime",
)  # fmt: skip
OTHERS = ("PartitionableSlot", "SlotType", "Draining")
MOST_BYTES = 6_000  # of one slot's machine, packed


@pytest.fixture(scope="module")
def lane() -> Iterator[Lane]:
    made = Lane("tests.actors.pools.htcondor.ad_tasks", (), most=2, limit_s=20)
    yield made
    made.close()


def seen(lane: Lane, rest: str) -> Machine:
    return machine((lane.call("row", f"[ {PLACE} {rest} ]"),))


@pytest.mark.parametrize("value", ["-1", "1000000000000", "9223372036854775807", "1e300", 'real("INF")', 'real("NaN")'])
@pytest.mark.parametrize("name", ["NumDynamicSlots", "Cpus", "Memory", "GPUs", "TotalSlotCpus", "TotalSlotMemory"])
def test_a_number_that_no_slot_can_have_is_named_and_counts_as_none(lane: Lane, name: str, value: str) -> None:
    found = seen(lane, f"{name} = {value}")
    assert found.damaged.startswith(f"slot1@w.lab says {name} ")
    assert (found.slots[0].children, found.slots[0].free.cpus, found.slots[0].free.memory_mib) == (0, 0, 0)


@pytest.mark.parametrize("value", ["true", '"many"', "undefined", "{1}", "[ a = 1 ]"])
def test_what_is_no_number_is_none(lane: Lane, value: str) -> None:
    found = seen(lane, f"Cpus = {value}; NumDynamicSlots = {value}; MaxJobRetirementTime = {value}")
    assert (found.slots[0].free.cpus, found.slots[0].children, found.max_retirement_s) == (0, 0, 0)


def test_a_machine_as_they_are_is_whole(lane: Lane) -> None:
    usual = (
        "Cpus = 256; Memory = 2000000; Disk = 30000000000; GPUs = 8; NumDynamicSlots = 256; MaxJobRetirementTime = -1"
    )
    found = seen(lane, usual)
    assert (found.damaged, found.max_retirement_s, found.slots[0].free.cpus) == ("", 0, 256)


@pytest.mark.parametrize("name", TEXTS)
def test_a_long_text_is_cut_with_a_mark(lane: Lane, name: str) -> None:
    found = seen(lane, f'{name} = "{"x" * 100_000}"')
    assert MARK in repr(found)
    assert len(pack_machines([found])) < MOST_BYTES


def test_a_request_id_is_a_text_or_a_number_and_nothing_else(lane: Lane) -> None:
    ids = [seen(lane, f"DrainingRequestId = {value}").slots[0].request_id for value in ('"7"', "7", "{7}", "true")]
    assert ids == ["7", "7", "", ""]


def test_of_more_slots_than_a_machine_has_the_rest_is_left_out_and_the_machine_named(lane: Lane) -> None:
    one = lane.call("row", f"[ {PLACE} ]")
    (found,) = machines_of((*one[:8], f"slot{number}@w.lab", *one[9:]) for number in range(3 * MOST_SLOTS))
    assert len(found.slots) == MOST_SLOTS
    assert found.damaged


def test_of_those_who_say_one_instance_id_few_count_and_so_do_those_who_say_none(lane: Lane) -> None:
    one = lane.call("row", f"[ {PLACE} ]")
    many = [(f"w{number}", *one[1:]) for number in range(100)]
    without = [(f"n{number}", one[1], "", *one[3:]) for number in range(2 * MOST_WITHOUT)]
    assert len(machines_of(many)) == MOST_OF_ONE_ID
    assert len(machines_of(without)) == MOST_WITHOUT


LONG = st.integers(0, 30_000).map(lambda length: f'"{"y" * length}"')
NUMBER = st.one_of(
    st.integers(-(2**63) + 1, 2**63 - 1).map(str), st.floats(allow_nan=False, allow_infinity=False).map("{:e}".format)
)
ANY = st.one_of(LONG, NUMBER, st.sampled_from(["true", "undefined", "error", "{1, 2}", "TARGET.X", "1/0", '"\\t\\"/"']))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from([*TEXTS, *NUMBERS, *OTHERS]), ANY, max_size=12))
def test_whatever_an_ad_says_its_machine_is_small_and_in_range_and_can_be_written(
    lane: Lane, ad: dict[str, str]
) -> None:
    found = machine((lane.call("row", f"[ {'; '.join(f'{name} = {value}' for name, value in ad.items())} ]"),))
    body = pack_machines([found])
    assert len(body) < MOST_BYTES
    assert unpack_machines(body) == (found,)
    slot = found.slots[0]
    amounts = (slot.free.cpus, slot.free.memory_mib, slot.free.disk_mib, slot.free.gpus, slot.children)
    assert all(0 <= amount <= 1 << 40 for amount in (*amounts, found.max_retirement_s // 2**14, found.recent_jobs))
    assert all(type(text) is str for text in (found.name, slot.state, slot.request_id, found.identity))
