"""What a reading may be used for: judged by what is expected in it."""

from dataclasses import replace

from actors.fleet.evidence import EXPECTED_FOR_S, OLD_S, Health, expected, judge
from actors.fleet.matching import match
from actors.fleet.seen import Failed, StartdsSeen
from actors.fleet.vm import State
from tests.fleet.made import HEALTHY, NOW, machine, vm

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
