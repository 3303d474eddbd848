"""Instances with our tags and no row."""

from actors.fleet.adoption import SETTLE_S, STRANGE_S, births, orphans, strangers
from actors.fleet.vm import State
from tests.actors.fleet.made import NOW, instance, listed, vm


def adopted(*vms, listing=None):  # type: ignore[no-untyped-def]
    return orphans(vms, listing or listed(instance()), "private", 0.5)


def test_a_living_instance_without_a_row_is_adopted_with_the_clouds_birth_time() -> None:
    (found,) = adopted()
    assert (found.state, found.born, found.instance_id, found.queue) == (State.BOOTING, 9_000.0, "i-1", "atlas")
    assert found.usd_per_hour == 0.5


def test_one_whose_tag_says_that_it_is_held_is_held() -> None:
    """An operator wanted it to stay, in a life that the rows do not remember."""
    (found,) = adopted(listing=listed(instance(held="0 a look at its disk")))
    assert found.held == "a look at its disk (as the tag on its instance says)"


def test_it_gets_the_id_of_the_row_that_was_lost_unless_another_has_it() -> None:
    ours = instance(intent="x", index=1)
    assert adopted(listing=listed(ours))[0].id == "x-1"
    assert adopted(vm(State.FAILED, id="x-1", instance_id=""), listing=listed(ours))[0].id == "adopted-i-1"
    assert adopted(listing=listed(instance(intent="")))[0].id == "adopted-i-1"


def test_one_with_a_row_is_not() -> None:
    assert adopted(vm()) == []


def test_one_whose_launch_is_still_being_resolved_is_not() -> None:
    assert adopted(vm(State.LAUNCHING)) == []


def test_one_whose_launch_was_thought_refused_is() -> None:
    assert len(adopted(vm(State.FAILED, instance_id=""))) == 1


def test_dead_and_dying_ones_are_not() -> None:
    assert adopted(listing=listed(instance("terminated"))) == []
    assert adopted(listing=listed(instance("ending"))) == []


def test_a_listing_that_trails_behind_an_ended_row_adopts_nothing() -> None:
    assert adopted(vm(State.ENDED, since=NOW - SETTLE_S)) == []
    assert len(adopted(vm(State.ENDED, since=NOW - SETTLE_S - 1))) == 1


def test_a_launching_vm_that_the_listing_shows_is_born() -> None:
    (born,) = births([vm(State.LAUNCHING)], listed(instance()))
    assert (born.state, born.instance_id) == (State.BOOTING, "i-1")


def test_instances_of_a_batch_are_told_apart_by_their_index() -> None:
    batch = [vm(State.LAUNCHING, id="x-0"), vm(State.LAUNCHING, id="x-1")]
    (born,) = births(batch, listed(instance(id="i-2", index=1)))
    assert (born.id, born.instance_id) == ("x-1", "i-2")


OLD = 9_000.0 - STRANGE_S - 1  # a database that lost nothing since long before the launch


def strange(since: float, *known: str, **changes: object) -> dict[str, str]:
    listing = listed(instance(**changes))
    return strangers(adopted(listing=listing), listing, lambda vm: vm.intent in known, since)


def test_what_was_launched_while_rows_lost_nothing_by_an_intent_that_nobody_wrote_is_another_factorys() -> None:
    assert "its launch x was never written" in strange(OLD)["i-1"]


def test_it_is_ours_where_rows_may_have_been_lost_since_its_launch_or_anybody_knows_its_intent() -> None:
    assert not strange(0.0), "a database that does not say since when"
    assert not strange(9_000.0 - STRANGE_S), "rows were lost about then"
    assert not strange(OLD, "x")
    assert not strange(OLD, intent=""), "nobody wrote an intent for it"
    assert not strange(OLD, launched_at=0.0), "its cloud does not tell when it was launched"
