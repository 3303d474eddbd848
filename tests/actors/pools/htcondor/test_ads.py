"""Ads are other people's word: of any type, in any case, with expressions where numbers are expected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.fleet.observations import Machine
from actors.pools.htcondor.child_lanes import ChildFailed, Lane
from actors.pools.machines import MachineMemory, machine, machines_of

SLOT = 'Name = "slot1@w.lab"; MyAddress = "<1.2.3.4:9618>"; State = "Unclaimed"; Activity = "Idle"; '


@pytest.fixture(scope="module")
def lane() -> Iterator[Lane]:
    made = Lane("tests.actors.pools.htcondor.ad_tasks", (), most=2, limit_s=20)
    yield made
    made.close()


def seen(lane: Lane, rest: str) -> Machine:
    return machine((lane.call("row", f"[ {SLOT} {rest} ]"),))


def test_the_instance_id_is_the_first_of_three_names(lane: Lane) -> None:
    assert seen(lane, 'APFInstanceID = "c"').instance_id == "c"
    assert seen(lane, 'APFInstanceID = "c"; EC2InstanceID = "b"').instance_id == "b"
    assert seen(lane, 'APFInstanceID = "c"; EC2InstanceID = "b"; CloudInstanceID = "a"').instance_id == "a"


def test_names_are_found_in_whatever_case_the_worker_wrote_them(lane: Lane) -> None:
    found = seen(lane, 'cloudinstanceid = "a"; apfQueue = "atlas"')
    assert (found.instance_id, found.queue) == ("a", "atlas")


WHOLE = f'[ {SLOT} SlotType = "Partitionable"; PartitionableSlot = true; NumDynamicSlots = 1; APFQueue = "atlas" ]'
PART = '[ Name = "slot1_1@w.lab"; MyAddress = "<1.2.3.4:9618>"; SlotType = "Dynamic"; APFQueue = "atlas" ]'


def test_dynamic_slots_are_left_out_even_where_the_startd_tells_of_them(lane: Lane) -> None:
    """A job would count twice, once as its parent's child; and a claimed part would never show our drain."""
    found = machine(tuple(lane.call("at", WHOLE, PART)))
    assert [slot.name for slot in found.slots] == ["slot1@w.lab"]
    assert found.slots[0].children == 1


def test_dynamic_slots_are_not_asked_for(lane: Lane) -> None:
    assert lane.call("asked_for", WHOLE, PART) == ["slot1@w.lab"]


def test_an_expression_is_evaluated(lane: Lane) -> None:
    assert seen(lane, "MaxJobRetirementTime = ifThenElse(Cpus > 1, 7200, 0); Cpus = 2").max_retirement_s == 7200


@pytest.mark.parametrize(
    "value", ['"long"', "undefined", "error", "TARGET.Patience", "{1, 2}", "true", "1e300", 'real("INF")']
)
def test_a_retirement_time_that_is_no_number_is_as_good_as_none(lane: Lane, value: str) -> None:
    assert seen(lane, f"MaxJobRetirementTime = {value}").max_retirement_s <= 1


def test_values_of_wrong_types_spoil_only_themselves(lane: Lane) -> None:
    found = seen(lane, 'CloudInstanceID = 7; APFQueue = {"x"}; Cpus = "many"; Memory = 512; Draining = "no"')
    assert (found.instance_id, found.queue, found.slots[0].free.cpus) == ("", "", 0)
    assert found.slots[0].free.memory_mib == 512
    assert not found.slots[0].draining


def test_text_with_control_characters_and_quotes_arrives_as_it_is(lane: Lane) -> None:
    assert (
        seen(lane, r'DrainReason = "a\"b\tc\\d/Expr(1)"; Draining = true').slots[0].drain_reason == 'a"b\tc\\d/Expr(1)'
    )


def test_the_smallest_retirement_time_of_a_machines_slots_counts(lane: Lane) -> None:
    rows = tuple(lane.call("row", f"[ {SLOT} MaxJobRetirementTime = {seconds} ]") for seconds in (9, 3, 7))
    assert machine(rows).max_retirement_s == 3


def reading(
    memory: MachineMemory, *changes: list[Any], gone: tuple[Any, ...] = (), name: str = "n"
) -> dict[str, Machine]:
    """The machines by name, after lists of rows that changed since the reading before."""
    answers = [(name, memory.last), *((rows, []) for rows in changes), ([], list(gone))]
    return {found.name: found for found in memory.reading(iter(answers))}


def slot(lane: Lane, name: str, address: str, state: str = "Unclaimed") -> tuple[object, ...]:
    return tuple(lane.call("row", f'[ Name = "{name}"; MyAddress = "<{address}>"; State = "{state}" ]'))


def test_a_machine_that_did_not_change_is_the_same_object_in_the_next_reading(lane: Lane) -> None:
    memory = MachineMemory()
    first = reading(memory, [slot(lane, "slot1@a", "a")], [slot(lane, "slot1@b", "b")])
    second = reading(memory, [slot(lane, "slot1@b", "b", "Claimed")], name="second")
    assert second["a"] is first["a"]
    assert (first["b"].slots[0].state, second["b"].slots[0].state) == ("Unclaimed", "Claimed")
    assert memory.last == "second"


def test_a_slot_that_changes_comes_or_goes_leaves_its_startds_other_slots(lane: Lane) -> None:
    memory = MachineMemory()
    reading(memory, [slot(lane, "slot1@a", "a"), slot(lane, "slot2@a", "a")])
    fewer = reading(memory, gone=(("a", "<a>", "slot2@a"),))
    more = reading(memory, [slot(lane, "slot2@a", "a")])
    changed = reading(memory, [slot(lane, "slot1@a", "a", "Claimed")])
    assert [len(found["a"].slots) for found in (fewer, more, changed)] == [1, 2, 2]
    assert [one.state for one in changed["a"].slots] == ["Claimed", "Unclaimed"]
    assert reading(memory, gone=(("a", "<a>", "slot1@a"), ("a", "<a>", "slot2@a"))) == {}


def test_changes_to_nothing_are_all_there_is(lane: Lane) -> None:
    memory = MachineMemory()
    reading(memory, [slot(lane, "slot1@a", "a")])
    (found,) = memory.reading(iter([("of a new child", ""), ([slot(lane, "slot1@b", "b")], [])]))
    assert (found.name, memory.last) == ("b", "of a new child")


def test_a_reading_that_broke_off_leaves_the_last_whole_one(lane: Lane) -> None:
    def broken() -> Iterator[Any]:
        yield "broken", "first"
        yield [slot(lane, "slot1@a", "a", "Claimed"), slot(lane, "slot1@b", "b")], []
        raise ChildFailed("killed")

    memory = MachineMemory()
    first = reading(memory, [slot(lane, "slot1@a", "a")], name="first")
    with pytest.raises(ChildFailed):
        memory.reading(broken())
    assert memory.last == "first"
    assert reading(memory, name="third") == first


def test_slots_of_one_startd_are_one_machine_in_whatever_parts_they_come(lane: Lane) -> None:
    found = reading(MachineMemory(), [slot(lane, "slot2@a", "a")], [slot(lane, "slot1@a", "a")])
    assert [slot.name for slot in found["a"].slots] == ["slot1@a", "slot2@a"]


def test_two_startds_of_one_name_at_two_addresses_are_two_machines(lane: Lane) -> None:
    rows = [slot(lane, "slot1@a", "1"), slot(lane, "slot1@a", "2")]
    assert len(machines_of(rows)) == 2


JOB = "RequestCpus = 2; RequestMemory = 1.5; RequestDisk = DiskUsage * 2; DiskUsage = 1000; "


def test_requests_are_evaluated_and_rounded_up(lane: Lane) -> None:
    _, cpus, memory_mib, disk_mib, gpus, *_ = lane.call("job_class", f"[ {JOB} ]", "true", "true")
    assert (cpus, memory_mib, disk_mib, gpus) == (2, 2, 2, 0)


def test_requests_that_are_undefined_or_errors_take_the_default(lane: Lane) -> None:
    ad = '[ RequestCpus = undefined; RequestMemory = error; RequestDisk = "x"; RequestGPUs = Missing ]'
    assert tuple(lane.call("job_class", ad, "true", "true")[1:5]) == (1, 0, 0, 0)


def test_a_class_carries_what_requirements_the_queue_and_the_workers_start_look_at_and_nothing_else(
    lane: Lane,
) -> None:
    ad = (
        '[ Requirements = MY.Colour == TARGET.Paint && Depth > 1; Colour = "red"; Depth = Height + 1; Height = 2; '
        'Paint = 5; Tag = "x"; Big = true; Other = 9 ]'
    )
    attributes = dict(lane.call("job_class", ad, 'Tag == "x"', "TARGET.Big")[7])
    assert attributes == {"Colour": '"red"', "Depth": "3", "Tag": '"x"', "Big": "true"}


def test_the_jobs_that_ended_lately_are_told_and_their_absence_is_no_jobs(lane: Lane) -> None:
    found = seen(lane, "RecentJobBusyTimeCount = 12; RecentJobBusyTimeMax = 3.75")
    assert (found.recent_jobs, found.longest_job_s) == (12, 3)
    assert (seen(lane, "Cpus = 1").recent_jobs, seen(lane, 'RecentJobBusyTimeCount = "many"').recent_jobs) == (0, 0)


def test_of_what_slots_tell_of_ended_jobs_the_largest_number_counts(lane: Lane) -> None:
    told = ((3, 40.0), (5, 2.0))
    rows = tuple(
        lane.call("row", f"[ {SLOT} RecentJobBusyTimeCount = {jobs}; RecentJobBusyTimeMax = {longest} ]")
        for jobs, longest in told
    )
    assert (machine(rows).recent_jobs, machine(rows).longest_job_s) == (5, 40)


EXPRESSIONS = st.sampled_from(
    ['Q == "a"', ' q  ==  "b" ', 'Q == "a\\"b"', "Cpus == 4", 'Q == "a" || Cpus > 2', "error", "Owner =!= undefined",
     'Q == "a" && Missing == 1', "Q == Owner"]
)  # fmt: skip
VALUES = st.sampled_from(["undefined", "error", '"a"', '"A"', '"b"', '"a\\"b"', "4", "{1}"])


MANY_QUEUES = tuple(f'Q == "q{number}"' for number in range(30))  # that compare one attribute


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(EXPRESSIONS, max_size=4), st.sampled_from([(), MANY_QUEUES]), VALUES, VALUES, VALUES)
def test_every_job_of_a_queue_is_asked_for(
    lane: Lane, jobs: list[str], many: tuple[str, ...], q: str, cpus: str, owner: str
) -> None:
    asked, queues = lane.call("concerned", f"[ Q = {q}; Cpus = {cpus}; Owner = {owner} ]", (*jobs, *many))
    assert asked or not queues


def test_of_a_few_queues_only_their_own_jobs_are_asked_for(lane: Lane) -> None:
    assert lane.call("concerned", '[ Owner = "carol" ]', ('Owner == "alice"', 'Owner == "bob"')) == (False, ())


def test_a_thousand_queues_that_compare_one_attribute_ask_for_it_once(lane: Lane) -> None:
    jobs = tuple(f'MATCH_APF_QUEUE == "q{number}"' for number in range(1000))
    assert lane.call("constraint", jobs) == "(MATCH_APF_QUEUE =!= undefined)"
    assert lane.call("constraint", ("Cpus > 2", *jobs)) == "((Cpus > 2) =?= true) || (MATCH_APF_QUEUE =!= undefined)"
    assert lane.call("constraint", ()) == "false"
