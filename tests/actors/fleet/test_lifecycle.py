"""The lifecycle table, edge by edge, and what it leaves out on purpose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.fleet.lifecycle import TABLE, Event, NotAllowed, move
from actors.fleet.vm import ALIVE, State
from tests.actors.fleet.made import NOW, vm

EDGES = {(edge.source, edge.event): edge.target for edge in TABLE}


@pytest.mark.parametrize("edge", TABLE, ids=lambda edge: f"{edge.source}-{edge.event}")
def test_each_edge_leads_where_the_table_says_with_its_time_and_reason(edge):  # type: ignore[no-untyped-def]
    after = move(vm(edge.source), edge.event, NOW, "because")
    assert (after.state, after.since, after.reason) == (edge.target, NOW, "because")


@given(st.sampled_from(State), st.sampled_from(Event))
def test_an_event_that_the_table_does_not_know_is_refused_with_what_is_allowed(state: State, event: Event) -> None:
    if (state, event) in EDGES:
        return
    with pytest.raises(NotAllowed) as refused:
        move(vm(state), event, NOW, "because")
    assert f"{event} in {state}" in str(refused.value)
    for (source, allowed), _ in EDGES.items():
        assert source is not state or allowed in str(refused.value)


def test_an_operator_may_kill_whatever_has_an_instance_and_is_not_ended_yet() -> None:
    killable = {source for (source, event), target in EDGES.items() if event is Event.KILLED}
    assert killable == {State.BOOTING, State.READY, State.DRAINING, State.DRAINED}


def test_a_drained_vm_never_serves_again() -> None:
    assert State.READY not in {target for (source, _), target in EDGES.items() if source is State.DRAINED}


def test_only_the_cloud_can_say_that_a_vm_ended() -> None:
    assert {event for (_, event), target in EDGES.items() if target is State.ENDED} == {Event.GONE}


def test_what_ended_or_failed_stays_so() -> None:
    assert not [source for source, _ in EDGES if source not in ALIVE]


def test_every_state_can_be_reached_and_left_to_its_end() -> None:
    reached, frontier = {State.LAUNCHING, State.BOOTING}, [State.LAUNCHING, State.BOOTING]
    while frontier:
        state = frontier.pop()
        for (source, _), target in EDGES.items():
            if source is state and target not in reached:
                reached.add(target)
                frontier.append(target)
    assert reached == set(State)
    assert all((state, Event.GONE) in EDGES for state in ALIVE)
