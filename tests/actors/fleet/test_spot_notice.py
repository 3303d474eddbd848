"""What a VM knows of its cloud's notices."""

from hypothesis import given
from hypothesis import strategies as st

from actors.fleet.fleet_view import view
from actors.fleet.spot_notice import Kind, Notice, noticed, urgent, weightier
from actors.fleet.vm import State
from tests.actors.fleet.made import NOW, machine, slot, vm

WARNED = Notice(instance_id="i-1", kind=Kind.INTERRUPTION, at=NOW)
ADVISED = Notice(instance_id="i-1", kind=Kind.REBALANCE, at=NOW)


def test_an_interruption_outweighs_a_recommendation_whichever_comes_first() -> None:
    for first, second in ((WARNED, ADVISED), (ADVISED, WARNED)):
        after = noticed(noticed(vm(), first), second)
        assert (after.notice, urgent(after)) == ("interruption", True)
        assert weightier(weightier(None, first), second) is WARNED


def test_the_same_notice_again_changes_nothing() -> None:
    once = noticed(vm(), ADVISED)
    assert noticed(once, ADVISED) is once
    assert not urgent(once)


def test_no_notice_and_one_about_an_ended_vm_change_nothing() -> None:
    ended = vm(State.ENDED)
    assert noticed(ended, WARNED) is ended
    ready = vm()
    assert noticed(ready, None) is ready


@given(st.sampled_from(State), st.sampled_from(Kind))
def test_a_vm_that_is_noticed_is_no_supply(state: State, kind: Kind) -> None:
    after = noticed(vm(state), Notice(instance_id="i-1", kind=kind, at=NOW))
    assert not after.supply


def test_the_view_of_a_cloud_counts_it_as_leaving_and_not_its_room_for_jobs() -> None:
    there = {"x-0": machine(slot("Claimed", "Busy"), slot())}
    seen = view("private", "atlas", [noticed(vm(), WARNED)], there, frozenset({"x-0"}), NOW)
    assert (seen.leaving, seen.supply, seen.idle, seen.busy, seen.claims, seen.free) == (1, 0, 0, 0, 0, ())
