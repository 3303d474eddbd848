"""When a breaker opens, for how long, and what closes it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.fleet import breaker
from actors.fleet.breaker import Breaker, BreakerRules, Position, admits, booted, position, refused, sample
from actors.fleet.vm import State
from tests.actors.fleet.made import NOW, vm

RULES = BreakerRules(failures=3, share=0.5, pause_s=100.0, most_s=1_000.0)
BOOTING = vm(State.BOOTING, image="ami-1")


def boots(*good: bool, rules: BreakerRules = RULES) -> Breaker:
    found = Breaker(image="ami-1")
    for number, one in enumerate(good):
        found = booted(found, one, NOW - 900, NOW + number, rules, 0.0)
    return found


def opened() -> Breaker:
    return refused(Breaker(image="ami-1"), "NoCapacity: full", NOW - 1, NOW, RULES, 0.0)


def test_every_exit_from_booting_is_a_sample_and_nothing_else_is() -> None:
    assert sample(BOOTING, replace(BOOTING, state=State.READY, joined=NOW)) is True
    assert sample(BOOTING, replace(BOOTING, state=State.ENDING)) is False  # late
    assert sample(BOOTING, replace(BOOTING, state=State.ENDED, lost="the cloud says terminated")) is False
    assert sample(BOOTING, replace(BOOTING, state=State.ENDING, killed="wish-1")) is None
    assert sample(BOOTING, replace(BOOTING, unwanted=NOW)) is None
    assert sample(None, BOOTING) is None
    ready = vm(State.READY)
    assert sample(ready, replace(ready, state=State.DRAINING)) is None
    assert sample(ready, replace(ready, state=State.ENDED)) is None


def test_a_vm_that_joins_just_before_its_end_joined_after_all() -> None:
    late = vm(State.ENDING, joined=0.0)
    assert sample(late, replace(late, state=State.READY, joined=NOW)) is True


def test_it_opens_after_so_many_that_never_joined() -> None:
    assert boots(False, False).why == ""
    found = boots(False, False, False)
    assert found.why == "3 of 3 VMs with image ami-1 never joined"
    assert found.until == NOW + 2 + 100


def test_those_that_joined_in_between_count_against_it_opening() -> None:
    assert boots(True, True, True, True, False, False).why == ""
    assert boots(True, True, True, True, False, False, False).why == "3 of 6 VMs with image ami-1 never joined"
    assert boots(False, True, False, rules=replace(RULES, failures=2, share=1.0)).why == ""


def test_with_no_failures_to_count_boots_never_open_it() -> None:
    assert boots(*[False] * 20, rules=replace(RULES, failures=0)).why == ""


def test_one_refusal_opens_it_and_others_of_the_same_burst_change_nothing() -> None:
    found = opened()
    assert position(found, NOW + 99) is Position.OPEN
    assert refused(found, "NoCapacity: full", NOW - 1, NOW + 5, RULES, 0.0) is found


def test_half_open_it_lets_one_vm_try_until_that_one_joined() -> None:
    found, later = opened(), NOW + 100
    assert admits(found, [], later - 1) == 0
    assert admits(found, [], later) == 1
    tries = replace(BOOTING, born=later)
    assert admits(found, [tries], later + 60) == 0  # the cloud accepted it: that proves nothing
    assert "VM x-0 tries, and has to join first" in breaker.sentence(found, [tries], later + 60)
    assert admits(found, [replace(tries, state=State.ENDED)], later + 60) == 1  # killed: another may try
    after = booted(found, True, later, later + 60, RULES, 0.0)
    assert admits(after, [], later + 60) is None
    assert (after.times, after.boots) == (0, (True,))


def test_vms_from_before_it_opened_neither_close_it_nor_open_it_again() -> None:
    found = opened()
    for good in (True, False, False, False):
        found = booted(found, good, NOW - 50, NOW + 150, RULES, 0.0)
    assert (found.until, found.times) == (NOW + 100, 1)
    assert position(found, NOW + 150) is Position.HALF_OPEN


def test_what_a_closed_breaker_counts_begins_with_the_vm_that_closed_it() -> None:
    found = boots(False, False, False)
    found = booted(found, True, found.until, found.until + 60, RULES, 0.0)
    assert (found.why, found.boots, found.times) == ("", (True,), 0)


def test_each_try_that_fails_doubles_the_pause_up_to_the_longest() -> None:
    found, pauses = opened(), []
    for _ in range(6):
        at = found.until + 30
        found = booted(found, False, found.until, at, RULES, 0.0)
        pauses.append(found.until - at)
    assert pauses == [200, 400, 800, 1000, 1000, 1000]


def test_chance_makes_a_pause_a_little_shorter() -> None:
    found = refused(Breaker(), "full", NOW - 1, NOW, RULES, 1.0)
    assert found.until == NOW + 90


def test_another_image_begins_closed() -> None:
    assert Breaker(image="ami-2").why == ""
    assert admits(opened(), [replace(BOOTING, image="ami-2", born=NOW + 200)], NOW + 200) == 1


EVENTS = st.lists(st.tuples(st.sampled_from(["join", "fail", "kill", "refuse", "wait"]), st.floats(0.1, 400)))


@given(EVENTS, st.integers(1, 4), st.sampled_from([0.3, 0.5, 1.0]), st.floats(0, 1))
def test_whatever_happens_nothing_starts_while_it_is_open_and_half_open_starts_one_at_a_time(
    events: list[tuple[str, float]], failures: int, share: float, roll: float
) -> None:
    """A submitter that always wants five more, and a world that does as it likes with what boots."""
    rules = BreakerRules(failures=failures, share=share, pause_s=100.0, most_s=500.0)
    found, now, booting, number = Breaker(image="ami-1"), NOW, [], 0
    for event, later_s in events:
        now += later_s
        before, admitted = found, admits(found, booting, now)
        if event == "refuse" and admitted != 0:
            found = refused(found, "NoCapacity", now, now, rules, roll)
            assert found.until > now
        elif event in ("join", "fail", "kill") and booting:
            one = booting.pop(0)
            if event != "kill":
                found = booted(found, event == "join", one.born, now, rules, roll)
        elif event == "wait":
            for _ in range(5 if admitted is None else admitted):
                number += 1
                booting.append(replace(BOOTING, id=f"x-{number}", born=now))
        if before.why and not found.why:
            assert event == "join"
        if found.why:
            assert sum(one.born >= found.until for one in booting) <= 1
            assert found.until - found.opened <= 500.0
            assert not any(found.opened < one.born < found.until for one in booting)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 1.0])
def test_the_window_holds_what_opens_it(share: float) -> None:
    rules = BreakerRules(failures=3, share=share)
    found = boots(*[True] * 50, *[False] * 3, rules=rules)
    assert bool(found.why) == (share * rules.window <= 3)
    assert boots(*[True] * 50, *[False] * rules.window, rules=rules).why
