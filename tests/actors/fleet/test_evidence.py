"""What a reading may be used for: judged by what is expected in it."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from actors.fleet.evidence import (
    EXPECTED_FOR_S,
    OLD_S,
    Health,
    expected,
    expected_instances,
    judge,
    judge_listing,
    thawed,
)
from actors.fleet.matching import match
from actors.fleet.observations import Failed, StartdsSeen
from actors.fleet.vm import State
from tests.actors.fleet.made import HEALTHY, NOW, instance, listed, machine, vm

TEN = [vm(id=f"x-{n}", instance_id=f"i-{n}") for n in range(10)]
IDS = frozenset(one.id for one in TEN)


def reading(count: int, at: float = NOW) -> StartdsSeen:
    return StartdsSeen(source="pool/local", at=at, machines=tuple(machine(instance_id=f"i-{n}") for n in range(count)))


def judged(before: Health, seen: StartdsSeen) -> Health:
    return judge(before, seen, match(seen.machines, TEN), IDS)


def test_a_reading_that_shows_what_is_expected_is_healthy() -> None:
    assert judged(HEALTHY, reading(10)).good


def test_a_successful_and_empty_reading_of_a_restarted_collector_is_short() -> None:
    after = judged(HEALTHY, reading(0))
    assert not after.good
    assert after.why == "shows 0 of 10 startds that were there before"


def test_a_fifth_may_be_missing_and_no_more() -> None:
    assert judged(HEALTHY, reading(8)).good
    assert not judged(HEALTHY, reading(7)).good


def test_a_failed_reading_is_not_healthy_and_says_why() -> None:
    after = judge(HEALTHY, Failed(source="pool/local", at=NOW, reason="no answer in 20 s"), None, IDS)
    assert (after.good, after.why) == (False, "no answer in 20 s")


def test_health_begins_anew_after_trouble() -> None:
    sick = judged(HEALTHY, reading(0))
    assert judged(sick, reading(10, at=NOW + 60)).since == NOW + 60


def test_health_goes_on_while_readings_are_good() -> None:
    assert judged(HEALTHY, reading(10, at=NOW + 60)).since == HEALTHY.since


def test_a_gap_between_readings_is_no_health() -> None:
    later = NOW + OLD_S + 1
    assert judged(HEALTHY, reading(10, at=later)).since == later


def test_an_old_reading_says_nothing_of_what_is_absent() -> None:
    assert HEALTHY.good_at(NOW + OLD_S)
    assert not HEALTHY.good_at(NOW + OLD_S + 1)


def test_only_joined_vms_are_expected_and_not_for_ever() -> None:
    vms = [vm(id=str(state), state=state) for state in State]
    assert expected(vms, {}, NOW) == {"ready", "draining"}
    unseen = {"ready": NOW - EXPECTED_FOR_S - 1}
    assert expected(vms, unseen, NOW) == {"draining"}


def test_a_doubtful_vm_is_not_missing() -> None:
    one = [replace(vm(), id="x-0")]
    seen = StartdsSeen(source="pool/local", at=NOW, machines=(machine(name="a"), machine(name="b")))
    assert judge(HEALTHY, seen, match(seen.machines, one), frozenset({"x-0"})).good


CAREFUL = replace(HEALTHY, thaw_after=3)


def test_after_trouble_so_many_good_readings_in_a_row_are_needed() -> None:
    health = judged(CAREFUL, reading(0))
    assert health.bad_since == NOW
    for n in (1, 2):
        health = judged(health, reading(10, at=NOW + n))
        assert (health.good, health.why) == (False, f"is good again, {n} of 3 times in a row")
    health = judged(health, reading(10, at=NOW + 3))
    assert (health.since, health.why, health.bad_since) == (NOW + 3, "", 0.0)


def test_a_bad_one_in_between_begins_the_count_anew_and_not_the_trouble() -> None:
    health = judged(judged(CAREFUL, reading(0)), reading(10, at=NOW + 1))
    health = judge(health, Failed(source="p", at=NOW + 2, reason="away"), None, frozenset())
    assert (health.good_row, health.bad_since, health.why) == (0, NOW, "away")


def test_the_first_reading_of_all_needs_no_others() -> None:
    assert judged(Health(source="pool/local", thaw_after=3), reading(10)).good


def test_the_share_that_may_be_missing_is_the_configurations() -> None:
    assert judged(replace(HEALTHY, missing_share=0.5), reading(5)).good
    assert not judged(replace(HEALTHY, missing_share=0.0), reading(9)).good


def test_a_reading_that_is_old_is_trouble_that_is_said_in_the_same_words() -> None:
    assert HEALTHY.trouble(NOW + OLD_S) == ""
    assert HEALTHY.trouble(NOW + OLD_S + 1) == HEALTHY.trouble(NOW + 9 * OLD_S) == "pool/local was not read for 180 s"
    assert replace(HEALTHY, old_s=1000.0).trouble(NOW + OLD_S + 1) == ""


def test_an_operators_thaw_ends_trouble_that_began_before_it() -> None:
    short = judged(HEALTHY, reading(0))
    assert thawed(short, NOW + 1).good
    assert thawed(short, NOW - 1) is short, "it began after the thaw"
    failed = judge(HEALTHY, Failed(source="p", at=NOW + 1, reason="away"), None, frozenset())
    assert thawed(failed, NOW + 2) is failed, "nothing was read since"
    assert thawed(HEALTHY, NOW + 1) is HEALTHY


def test_a_listing_that_lacks_instances_it_showed_before_is_short() -> None:
    ids = {one.instance_id: NOW for one in TEN}
    wanted = expected_instances(TEN, ids, NOW + 1)
    assert len(wanted) == 10
    there = [instance(id=one.instance_id) for one in TEN]
    health = Health(source="cloud/private")
    assert judge_listing(health, listed(*there[:8]), wanted).good
    assert judge_listing(health, listed(*there[:7]), wanted).why == "shows 7 of 10 instances that were there before"


def test_an_instance_that_was_never_listed_or_whose_vm_is_ending_is_not_expected_in_a_listing() -> None:
    assert expected_instances(TEN, {}, NOW) == frozenset()
    ending = [vm(State.ENDING), vm(State.LAUNCHING), vm(State.ENDED)]
    assert expected_instances(ending, {"i-1": NOW}, NOW) == frozenset()
    assert expected_instances([vm()], {"i-1": NOW - EXPECTED_FOR_S - 1}, NOW) == frozenset()


@given(st.lists(st.sampled_from(["good", "short", "failed"]), max_size=30), st.integers(1, 4))
def test_a_source_is_good_only_after_so_many_good_readings_since_the_last_trouble(
    readings: list[str], thaw_after: int
) -> None:
    health, row, troubled = Health(source="p", thaw_after=thaw_after), 0, False
    for n, kind in enumerate(readings, 1):
        if kind == "failed":
            health = judge(health, Failed(source="p", at=NOW + n, reason="away"), None, frozenset())
        else:
            health = judged(health, reading(10 if kind == "good" else 0, at=NOW + n))
        row, troubled = (row + 1, troubled) if kind == "good" else (0, True)
        assert health.good == (row >= (thaw_after if troubled else 1))
        assert bool(health.why) != health.good
        troubled = troubled and not health.good
