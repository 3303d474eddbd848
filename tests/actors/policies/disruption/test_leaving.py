"""VMs that their cloud takes away, or may: drained before and beside all that policy wants."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from actors.fleet.drain_and_hold import POLICY, DrainFor, DrainWhy
from actors.fleet.spot_notice import Kind, Notice
from actors.fleet.vm import State
from actors.policies.disruption.converge import follow
from actors.policies.disruption.drain_budget import DrainRules
from tests.actors.fleet.made import NOW, machine, slot, vm
from tests.actors.policies.disruption.test_drain_budget import NEVER, VMS, WISH, fleet, scene

CLOSED = DrainRules(at_once=0, when=(NEVER,))


def notices(kind: Kind, *ids: str) -> dict[str, Notice]:
    return {one: Notice(instance_id=one, kind=kind, at=NOW) for one in ids}


WARNED = notices(Kind.INTERRUPTION, "i-0")
ADVISED = notices(Kind.REBALANCE, "i-0")


def test_an_interruption_is_drained_at_once_though_wanted_and_though_the_budget_is_spent() -> None:
    rows = follow(fleet(State.READY, State.READY), scene(2, notices=WARNED, drains=CLOSED)).rows
    assert {key: (row.state, row.drain_for) for key, row in rows.items()} == {
        "x-0": (State.DRAINING, DrainFor(DrainWhy.SPOT))
    }
    assert rows["x-0"].reason == "interruption notice from its cloud"


def test_and_on_a_cloud_where_policy_releases_nothing_because_a_reading_failed() -> None:
    assert follow(fleet(State.READY), scene(1, notices=WARNED, frozen="no answer")).rows["x-0"].state is State.DRAINING


def test_a_rebalance_recommendation_waits_for_the_budget_and_says_so() -> None:
    (row,) = follow(fleet(State.READY), scene(1, notices=ADVISED, drains=CLOSED)).rows.values()
    assert (row.state, row.notice, bool(row.drain_waits)) == (State.READY, "rebalance", True)
    (row,) = follow([row], scene(1, notices=ADVISED)).rows.values()
    assert (row.state, row.drain_for) == (State.DRAINING, DrainFor(DrainWhy.REBALANCE))


def test_its_drain_is_not_taken_back_when_demand_returns() -> None:
    draining = vm(State.DRAINING, id="x-0", instance_id="i-0", drain_for=POLICY, drain_asked=1.0, nonce="x-0.1")
    busy = {"x-0": machine(slot("Claimed", "Retiring"))}
    assert follow([draining], scene(1, machines=busy)).cancel == [draining]
    assert follow([draining], scene(1, machines=busy, notices=WARNED)).cancel == []


def test_one_that_boots_is_drained_when_it_joins() -> None:
    (booting,) = follow(fleet(State.BOOTING), scene(1, notices=WARNED)).rows.values()
    assert (booting.state, booting.supply, booting.unwanted) == (State.BOOTING, False, 0.0)
    joined = replace(booting, state=State.READY, joined=NOW)
    assert follow([joined], scene(1)).rows["x-0"].state is State.DRAINING  # the row knows, without the notice


def test_a_kill_and_a_hold_come_before_it() -> None:
    kill, hold = replace(WISH, verb="kill"), replace(WISH, verb="hold")
    assert follow(fleet(State.READY), scene(1, notices=WARNED, wishes=(kill,))).rows["x-0"].state is State.ENDING
    held = follow(fleet(State.READY), scene(1, notices=WARNED, wishes=(hold,))).rows["x-0"]
    assert (held.state, held.supply) == (State.READY, False)


def test_a_startd_that_refused_is_asked_again_but_not_at_each_look() -> None:
    refused = vm(id="x-0", instance_id="i-0", notice="interruption", refused_at=NOW - 10)
    assert not follow([refused], scene(1)).rows
    assert follow([replace(refused, refused_at=NOW - 1000)], scene(1)).rows["x-0"].state is State.DRAINING


@given(VMS, st.integers(0, 14), st.integers(0, 5))
def test_no_ready_vm_with_an_interruption_notice_stays_ready(vms: list, warned: int, want: int) -> None:  # type: ignore[type-arg]
    ids = [one.instance_id for one in vms][:warned]
    told = notices(Kind.INTERRUPTION, *ids)
    rows = follow(vms, scene(wants={"atlas": want}, notices=told, drains=CLOSED)).rows
    for one in vms:
        after = rows.get(one.id, one)
        assert after.state is not State.READY or one.instance_id not in told
        assert after.state is not State.DRAINING or one.state is State.DRAINING or one.instance_id in told
