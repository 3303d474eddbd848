"""Drain deadlines: nothing follows unless the configuration says so, and an eviction follows once."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from actors.config.as_policy import deadlines_of
from actors.config.schema import Config
from actors.fleet.drain_and_hold import POLICY, VmHold
from actors.fleet.fleet_view import cancellable
from actors.fleet.reconcile import Act, act, advance, evicting
from actors.fleet.vm import State, Vm
from actors.policies.disruption.drain_deadlines import Deadline, Deadlines, Then, evictions, overdue
from tests.actors.fleet.made import NOW, drained_slot, draining_slot, machine, vm, world
from tests.actors.retirement.test_disruption_budget import PLAIN

OLD = vm(State.DRAINING, nonce="x-0.1", drains=1, drain_for=POLICY, drain_begun=NOW - 100, drain_asked=NOW - 90)


def of(then: Then, after_s: float = 100.0) -> Deadlines:
    return {("atlas", "private"): Deadline(after_s=after_s, then=then)}


def test_with_no_deadline_or_wait_a_drain_takes_its_time() -> None:
    for deadlines in ({}, of(Then.WAIT)):
        assert overdue(OLD, deadlines, NOW + 1e9) is None
        assert evictions([OLD], deadlines, NOW + 1e9) == {}


def test_an_alarm_is_told_and_evicts_nobody() -> None:
    assert overdue(OLD, of(Then.ALARM), NOW)
    assert overdue(OLD, of(Then.ALARM), NOW - 1) is None
    assert evictions([OLD], of(Then.ALARM), NOW + 1e9) == {}


def test_when_its_time_is_over_its_jobs_are_to_be_evicted_once() -> None:
    assert evictions([OLD], of(Then.EVICT), NOW - 1) == {}
    (row,) = evictions([OLD], of(Then.EVICT), NOW).values()
    assert act(row, NOW) is Act.EVICT
    assert row.reason == "its jobs are evicted: it drains for 100 s, and 100 s are allowed on its tier"
    assert evictions([row], of(Then.EVICT), NOW + 1) == {}


def test_after_it_was_taken_the_vm_is_followed_by_the_new_nonce_and_not_taken_back() -> None:
    after = evicting(replace(OLD, evicted=NOW), NOW + 1, "2")
    assert (after.nonce, after.drains, after.request_id) == ("x-0.2", 2, "2")
    assert cancellable(OLD, machine(draining_slot("x-0.1")))
    assert not cancellable(after, machine(draining_slot("x-0.2")))
    assert act(after, NOW + 1) is None
    later = advance(after, world(machine(drained_slot("x-0.2")), of=after))
    assert later.state is State.DRAINED
    assert advance(after, world(machine(draining_slot("x-0.2")), of=after)).state is State.DRAINING


def test_held_ones_those_not_asked_yet_and_those_of_other_places_are_left() -> None:
    for spared in (replace(OLD, hold=VmHold(why="a look")), replace(OLD, drain_asked=0.0), replace(OLD, queue="gone")):
        assert evictions([spared], of(Then.EVICT), NOW) == {}


def test_a_deadline_is_of_a_tier() -> None:
    queue = {**PLAIN["queues"]["atlas"], "drain_deadlines": [{"after_s": 5, "then": "evict"}]}
    config = Config.model_validate({**PLAIN, "queues": {"atlas": queue}})
    assert deadlines_of(config) == of(Then.EVICT, 5.0)
    assert deadlines_of(Config.model_validate(PLAIN)) == {}


@given(st.lists(st.sampled_from(State), max_size=9), st.sampled_from(Then), st.floats(1, 1e6), st.floats(0, 1e6))
def test_only_drains_that_are_late_on_a_tier_that_says_so_are_evicted(
    states: list[State], then: Then, after_s: float, age_s: float
) -> None:
    vms: list[Vm] = [vm(one, id=str(n), drain_begun=NOW - age_s, drain_asked=NOW) for n, one in enumerate(states)]
    found = evictions(vms, of(then, after_s), NOW)
    late = then is Then.EVICT and NOW - (NOW - age_s) >= after_s
    assert set(found) == {one.id for one in vms if late and one.state is State.DRAINING}
