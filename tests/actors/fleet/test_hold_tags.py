"""A hold and its tag: whatever is lost, what was held is held, and what was released stays released."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.fleet.drain_and_hold import HoldBy, VmHold
from actors.fleet.hold_tags import LAGS_S, LONGEST, heeded, noted, released, to_tag
from actors.fleet.observations import Instance
from actors.fleet.vm import State, Vm
from actors.fleet.wish import Wish
from tests.actors.fleet.made import NOW, vm

HOLD = "hold by me@here: a look"
TAG = "20000 hold by me@here: a look"


def held(until: float = 20_000.0, words: str = HOLD, **changes: object) -> Vm:
    return vm(hold=VmHold(why=words, wish_id="w1", until=until), **changes)


def shown(tag: str = "", state: str = "running") -> list[Instance]:
    return [Instance(id="i-1", state=state, held=tag)]


def release(at: float) -> Wish:
    return Wish(id="w2", verb="release", selector="vm", names=("x-0",), reason="r", by="b", at=at, ends=at + 60)


def test_a_hold_is_noted_in_the_row_then_written_until_it_is_shown() -> None:
    one = noted(held(), NOW)
    assert (one.held_tag, one.tagged) == (TAG, NOW)
    assert noted(one, NOW + 5) is one
    assert to_tag([one], shown()) == {TAG: [one]}
    assert to_tag([one], shown("0 an older one")) == {TAG: [one]}
    assert to_tag([one], shown(TAG)) == {}


def test_a_release_takes_the_tag_away_until_it_is_shown_no_more() -> None:
    one = replace(noted(held(), NOW), hold=None)
    assert heeded(one, TAG, NOW + 1000, NOW + 1000) is one, "it knows this tag"
    assert to_tag([one], shown(TAG)) == {"": [one]}
    assert to_tag([one], shown()) == {}


@pytest.mark.parametrize("state", ["ending", "stopped", "terminated"])
def test_what_ends_is_not_asked_to_keep_a_tag(state: str) -> None:
    assert to_tag([noted(held(), NOW)], shown(state=state)) == {}
    assert to_tag([noted(held(state=State.ENDING), NOW)], shown()) == {}
    assert to_tag([noted(held(), NOW)], []) == {}


def test_a_tag_that_the_row_does_not_know_of_holds_it() -> None:
    one = heeded(vm(), TAG, NOW, NOW)
    assert (one.held_by, one.hold and (one.hold.at, one.hold.until), one.held_tag) == (HoldBy.TAG, (NOW, 20_000.0), TAG)
    assert HOLD in one.held
    assert to_tag([one], shown(TAG)) == {}
    assert noted(one, NOW + 5) is one
    assert to_tag([one], shown()) == {TAG: [one]}, "it is put back where it was lost"


def test_what_a_person_wrote_holds_without_an_end() -> None:
    one = heeded(vm(), "ticket 42", NOW, NOW)
    assert (one.hold and one.hold.until, one.held.startswith("ticket 42")) == (0.0, True)
    assert released(one, None, NOW + 10**9) is one


def test_the_absence_of_a_tag_releases_nothing() -> None:
    one = noted(held(), NOW)
    assert heeded(one, "", NOW + 1000, NOW + 1000) is one
    by_tag = heeded(vm(), TAG, NOW, NOW)
    assert heeded(by_tag, "", NOW + 1000, NOW + 1000) is by_tag


def test_a_tag_whose_time_is_over_holds_nothing_and_is_taken_away() -> None:
    one = heeded(vm(), "9000 old", NOW, NOW)
    assert (one.held, one.held_tag) == ("", "9000 old")
    assert to_tag([one], shown("9000 old")) == {"": [one]}


def test_an_older_tag_in_a_listing_that_lags_does_not_hold_what_was_released() -> None:
    one = replace(noted(held(), NOW), hold=None)
    assert heeded(one, "0 an older hold", NOW + LAGS_S, NOW + LAGS_S) is one
    assert heeded(one, "0 a newer hold", NOW + LAGS_S + 1, NOW + LAGS_S + 1).held


def test_a_hold_by_its_tag_ends_with_its_time_or_by_a_release_that_is_younger() -> None:
    one = heeded(vm(), TAG, NOW, NOW)
    assert released(one, None, 19_999.0) is one
    assert released(one, release(NOW - 1), NOW + 1) is one, "that was said about an earlier hold"
    for done in (released(one, None, 20_000.0), released(one, release(NOW + 1), NOW + 2)):
        assert (done.hold, done.held_tag) == (None, TAG)
        assert heeded(done, TAG, NOW + 1000, NOW + 1000) is done


@given(words=st.text(max_size=400), until=st.floats(0, 10**11))
def test_any_reason_makes_a_tag_that_a_cloud_keeps_as_it_is_and_that_is_read_back(words: str, until: float) -> None:
    tag = noted(held(until, f"hold by {words}"), NOW).held_tag
    assert tag == " ".join(tag.split())
    assert 0 < len(tag) <= LONGEST
    assert tag.isascii()
    back = heeded(vm(), tag, 0.5, 0.5)
    assert back.hold is not None
    assert back.hold.until == int(until) or (0 < int(until) <= 0.5)
    assert back.held.startswith(tag.partition(" ")[2])


STEPS = st.lists(st.sampled_from(["hold", "release", "tag", "list", "lose the rows", "an older copy"]), max_size=25)


@given(steps=STEPS)
def test_whatever_is_lost_a_vm_is_held_if_its_tag_was_once_shown_and_nobody_released_it(steps: list[str]) -> None:
    """Each step is two minutes. The cloud keeps what it was asked to; rows are lost, or set back to their beginning."""
    now, one, cloud, safe, holds = NOW, vm(), "", False, 0
    for step in steps:
        now += 2 * LAGS_S
        if step == "hold":
            holds += 1
            one = noted(replace(one, hold=VmHold(why=f"hold {holds}", wish_id=f"w{holds}")), now)
        elif step == "release":
            safe = False
            one = released(one, release(now), now)
            one = replace(one, hold=None)
        elif step == "tag":
            for tag in to_tag([one], shown(cloud)):
                cloud = tag
            safe = bool(one.held) and cloud == one.held_tag
        elif step == "list":
            one = heeded(one, cloud, now, now)
        else:
            one = vm()
        if safe:
            assert heeded(one, cloud, now, now).held
