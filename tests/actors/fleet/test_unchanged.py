"""What a walk is spared, and that nothing is missed by it."""

from collections.abc import Callable
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.fleet.drain_and_hold import POLICY, VmHold
from actors.fleet.evidence import Health
from actors.fleet.lifecycle import NotAllowed
from actors.fleet.observations import Listed, Machine
from actors.fleet.reconcile import World, advance
from actors.fleet.shadow import watch
from actors.fleet.unchanged import Still
from actors.fleet.vm import State, Vm
from tests.actors.fleet.made import (
    HEALTHY,
    NOW,
    drained_slot,
    draining_slot,
    instance,
    listed,
    machine,
    slot,
    vm,
    world,
)

MACHINES = (
    machine(),
    machine(slot("Claimed", "Busy")),
    machine(address="<10.0.0.6:9618>"),
    machine(draining_slot("x-0.1")),
    machine(drained_slot("x-0.1")),
    machine(instance_id=""),
)
LISTINGS = (listed(instance()), listed(instance("terminated")), listed(), None)
VMS = (
    *(vm(state) for state in State),
    vm(unwanted=NOW - 10),
    vm(hold=VmHold(why="kept", wish_id="w1")),
    vm(drains=3),
    vm(State.DRAINING, nonce="x-0.1", drains=1, drain_for=POLICY, drain_asked=NOW - 100),
    vm(State.ENDING, end_asked=NOW - 100),
)

worlds = st.builds(
    lambda machines, listing, health, later_s, short: replace(
        world(*machines, listing=listing, health=health),
        now=NOW + later_s,
        read_at=NOW + later_s,
        listing_short=short,
    ),
    st.lists(st.sampled_from(MACHINES), max_size=2, unique_by=id),
    st.sampled_from(LISTINGS),
    st.sampled_from((HEALTHY, None, Health(source="pool/local"))),
    st.sampled_from((0.0, 100.0, 100_000.0)),
    st.sampled_from(("", "shows 2 of 9")),
)


def _or_refused(walk: Callable[[], Vm]) -> Vm | str:
    try:
        return walk()
    except NotAllowed as refusal:
        return str(refusal)


@pytest.mark.parametrize("walk", [advance, watch], ids=["reconcile", "watching"])
@given(one=st.sampled_from(VMS), seen=st.lists(worlds, min_size=1, max_size=5))
def test_what_follows_is_what_a_walk_would_have_said(
    walk: Callable[[Vm, World], Vm], one: Vm, seen: list[World]
) -> None:
    still = Still()
    for now in seen:
        expected = _or_refused(lambda now=now, one=one: walk(one, now))  # type: ignore[misc]
        assert _or_refused(lambda now=now, one=one: still.walked(walk, one, now)) == expected  # type: ignore[misc]
        one = expected if isinstance(expected, Vm) else one


def test_a_ready_vm_whose_ad_and_instance_are_as_they_were_is_not_walked_again() -> None:
    walks: list[float] = []

    def walk(one: Vm, now: World) -> Vm:
        walks.append(now.now)
        return advance(one, now)

    still, one = Still(), vm()
    shown, lists = machine(), listed(instance())

    def look(its: Machine, listing: Listed) -> None:
        still.walked(walk, one, world(its, of=one, listing=listing))

    look(shown, lists)
    look(shown, lists)
    assert len(walks) == 1
    look(machine(), lists)
    assert len(walks) == 2, "another ad"
    look(shown, listed(instance()))
    assert len(walks) == 3, "another instance"
    still.forget_others({})
    look(shown, lists)
    assert len(walks) == 4, "its row had gone"


def test_what_only_waits_for_its_time_is_walked_each_time() -> None:
    """Its row, its ad and its instance are the same objects; the time is not."""
    booting, shown = vm(State.BOOTING), listed(instance())
    still, early = Still(), replace(world(of=booting, listing=shown), boot_deadline_s=5_000.0)
    assert still.walked(advance, booting, early) is booting
    later = replace(early, now=NOW + 5_000, read_at=NOW + 5_000, health=replace(HEALTHY, read_at=NOW + 5_000))
    assert still.walked(advance, booting, later).state is State.ENDING


def test_nothing_was_added_to_the_world_that_could_move_a_ready_vm_unseen() -> None:
    """If this fails: does a step look at the new part for a ready VM? Then say so in `unchanged._waits`, and here."""
    known = {"now", "boot_deadline_s", "listed", "instances", "matched", "read_at", "health", "listing_short"}
    known |= {"told"}  # looked at in `_waits`
    known |= {"joins", "short_run_s"}  # the same for all VMs of a cloud, for ever; a pilot has no machine: `_waits`
    assert {part.name for part in fields(World)} == known
