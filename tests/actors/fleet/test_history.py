"""What is told of a change of a VM's row, and what is not."""

from dataclasses import replace

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.fleet.drain_and_hold import POLICY, POLICY_FINAL, VmHold, by_wish
from actors.fleet.evidence import Health
from actors.fleet.history import MOST_EVIDENCE, MOST_TEXT, Because, Moment, asked_by, because, evidence, moment
from actors.fleet.reconcile import evicting
from actors.fleet.vm import State, Vm
from actors.store.codec import unpack
from tests.actors.fleet.made import NOW, drained_slot, instance, listed, machine, vm, world

READY = vm()
DRAINING = vm(State.DRAINING, nonce="x-0.1", drains=1, drain_for=POLICY, drain_asked=NOW - 100, request_id="1")


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (None, READY, "made for a test"),
        (READY, DRAINING, "made for a test"),
        (READY, replace(READY, hold=VmHold(why="hold by ada: a look")), "held: hold by ada: a look"),
        (replace(READY, hold=VmHold(why="hold by ada: a look")), READY, "no longer held"),
        (READY, replace(READY, notice="interruption"), "the cloud gave notice: interruption"),
        (READY, replace(READY, drain_waits="1 at once"), "its drain waits: 1 at once"),
        (READY, replace(READY, machine_address="<10.0.0.9:1>"), "its startd answers at <10.0.0.9:1> now"),
        (replace(DRAINING, drain_asked=0.0), DRAINING, "its startd took drain 1 as request 1"),
        (DRAINING, replace(DRAINING, drain_for=POLICY_FINAL), "the drain is now for policy, final"),
        (
            DRAINING,
            replace(DRAINING, evicted=NOW),
            "its drain deadline is over: the jobs that still run are to be evicted",
        ),
        (
            replace(DRAINING, evicted=NOW),
            evicting(replace(DRAINING, evicted=NOW), NOW, "2"),
            "its startd took the request to evict its jobs, 2",
        ),
        (DRAINING, replace(DRAINING, cancel_unknown=NOW), "its drain was asked to be taken back"),
        (vm(State.ENDING), vm(State.ENDING, end_asked=NOW), "the cloud accepted the call to end it"),
    ],
)
def test_what_an_operator_would_ask_for_is_told(before: Vm | None, after: Vm, why: str) -> None:
    told = moment(before, after, NOW, "here#1")
    assert told is not None
    assert told.why == why


def test_what_nobody_would_ask_for_is_not_told() -> None:
    assert moment(READY, replace(READY, noticed=5.0, refused_at=4.0), NOW, "here#1") is None


def test_evidence_is_what_was_in_hand_how_old_it_was_and_whether_it_was_trusted() -> None:
    shown = machine(drained_slot("x-0.1"), *(drained_slot("x-0.1", name=f"slot{n}") for n in range(2, 6)))
    seen = world(shown, of=DRAINING, listing=listed(instance(), at=NOW - 12), read_at=NOW - 3)
    assert evidence(DRAINING, seen, idle_since=NOW - 75) == (
        "the pool was read 3 s before, healthy for 9999 s",
        "its startd worker showed slot1@worker Drained/Idle 'apf x-0.1', slot2 Drained/Idle 'apf x-0.1', "
        "slot3 Drained/Idle 'apf x-0.1' and 2 more",
        "it had no job for 75 s",
        "the cloud was listed 12 s before: i-1 running",
    )
    blind = world(of=DRAINING, health=Health(source="pool/local", why="no answer"))
    assert evidence(DRAINING, blind) == (
        "the pool was read 0 s before, not trusted: no answer",
        "that reading does not show its startd",
    )


def test_a_moment_knows_which_sentence_is_what_the_startd_showed_whatever_it_says() -> None:
    told = moment(
        vm(State.READY), vm(State.DRAINING), NOW, "here#1", because(READY, READY, world(machine(), of=READY), 0.0, "")
    )
    assert told is not None
    assert told.startd_showed == told.evidence[1]
    assert told.startd_showed.startswith("its startd worker")


def test_a_decision_is_named_where_policy_decided_and_a_wish_where_somebody_wished() -> None:
    drained = replace(READY, state=State.DRAINING, drain_for=POLICY)
    assert asked_by(READY, drained, "d-1") == "d-1"
    assert asked_by(READY, replace(drained, drain_for=by_wish("w-1")), "d-1") == "w-1"
    assert asked_by(READY, replace(drained, drain_for=POLICY_FINAL), "d-1") == "", "rows were lost: nobody asked"
    assert asked_by(READY, replace(READY, unwanted=NOW), "d-1") == "d-1"
    assert asked_by(drained, replace(drained, state=State.DRAINED), "d-1") == ""


LONG = st.builds(lambda length: "x" * length, st.integers(0, 2_000))


@given(LONG, st.lists(LONG, max_size=30))
def test_a_moment_has_a_greatest_size(why: str, sentences: list[str]) -> None:
    told = moment(None, replace(READY, reason=why or "-"), NOW, "here#1", Because(evidence=tuple(sentences)))
    assert told is not None
    assert len(told.evidence) <= MOST_EVIDENCE
    assert all(len(text) <= MOST_TEXT for text in (told.why, *told.evidence))


@given(st.sampled_from(list(State)), st.sampled_from(list(State)))
def test_every_change_of_state_is_told(was: State, now: State) -> None:
    told = moment(vm(was), vm(now), NOW, "here#1")
    assert (told is None) == (was is now)
    if told is not None:
        assert (told.was, told.now) == (was.value, now.value)


def test_a_line_of_a_version_that_told_less_is_read() -> None:
    told = unpack(Moment, msgpack.packb({"vm": "x-0", "at": 5.0, "was": "", "now": "launching", "why": "wanted"}))
    assert (told.vm, told.evidence, told.decision) == ("x-0", (), "")
