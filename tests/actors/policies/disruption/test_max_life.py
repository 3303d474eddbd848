"""VMs that have lived their time, or soon have: given up by age, not all at once, and no place for new jobs before."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.fleet.drain_and_hold import AGE, POLICY, POLICY_FINAL, VmHold
from actors.fleet.fleet_view import view
from actors.fleet.max_life import FOREVER, STAGGER, Life
from actors.fleet.vm import State
from actors.fleet.want import CloudView
from actors.policies.disruption.converge import DECIDED_WITHIN_S, follow, withheld
from actors.policies.disruption.drain_budget import DrainRules
from actors.policies.disruption.release_order import Candidate, choose
from actors.simulator.jobs import Job
from actors.simulator.run import simulate
from actors.simulator.world import CloudModel
from tests.actors.fleet.made import NOW, machine, slot, vm
from tests.actors.policies.disruption.test_drain_budget import NEVER, fleet, scene
from tests.actors.policies.provisioning.test_shape_choice import bought
from tests.actors.policies.site import Site, cloud, demand, has, jobs, numbers
from tests.actors.simulator.test_simulator import job, ours, rules

DAY = Life(max_s=86_400.0, min_useful_s=900.0)
OVER = Life(max_s=500.0)  # the VMs of these tests are 1,000 s old
SOON = Life(max_s=1_500.0, min_useful_s=900.0)
BUSY = machine(slot("Claimed", "Busy"))


def test_vms_that_were_bought_at_once_do_not_go_at_once_and_none_goes_late() -> None:
    lives = sorted(DAY.left_s(f"4d1c0a9be2f7-{n}", NOW, NOW) for n in range(200))
    assert 86_400.0 * (1 - STAGGER) <= lives[0] < lives[-1] <= 86_400.0
    hours = [int((left - lives[0]) // 864) for left in lives]  # a hundredth of a life, a tenth of the stagger
    assert max(hours.count(one) for one in hours) <= 60
    assert len(set(hours)) >= 9


def test_without_a_life_nothing_ends() -> None:
    assert FOREVER.left_s("x-0", 0.0, 1e12) == math.inf
    assert FOREVER.left_s("x-0", 0.0, 1e12) > 0.0
    assert not FOREVER.short("x-0", 0.0, 1e12)


def test_a_vm_that_has_lived_its_time_is_drained_though_it_is_wanted_and_says_why() -> None:
    rows = follow(fleet(State.READY), scene(1, life=OVER)).rows
    assert (rows["x-0"].state, rows["x-0"].drain_for) == (State.DRAINING, AGE)
    assert rows["x-0"].reason == "it has lived its time: 1000 s of at most 500"
    assert not follow(fleet(State.READY), scene(1, life=SOON)).rows


def test_an_idle_one_with_too_little_left_goes_at_once_and_a_busy_one_with_its_time() -> None:
    idle = follow(fleet(State.READY), scene(1, life=SOON, machines={"x-0": machine()})).rows["x-0"]
    assert (idle.state, idle.drain_for) == (State.DRAINING, AGE)
    assert idle.reason.startswith("it is idle, and the ")
    assert not follow(fleet(State.READY), scene(1, life=SOON, machines={"x-0": BUSY})).rows


@pytest.mark.parametrize(
    ("row", "seen"),
    [
        ({"hold": VmHold(why="by ada")}, {}),
        ({"refused_at": NOW - 10}, {}),
        ({}, {"frozen": "no answer"}),
        ({}, {"drains": DrainRules(when=(NEVER,))}),
    ],
)
def test_not_while_it_is_held_or_refused_or_its_cloud_is_frozen_or_the_budget_is_spent(
    row: dict[str, object], seen: dict[str, object]
) -> None:
    rows = follow(fleet(State.READY, **row), scene(1, life=OVER, **seen)).rows
    assert [one for one in rows.values() if one.state is not State.READY] == []


def test_its_drain_is_not_taken_back_when_demand_returns() -> None:
    draining = vm(State.DRAINING, id="x-0", drain_for=POLICY, drain_asked=1.0, nonce="x-0.1")
    assert follow([draining], scene(1, machines={"x-0": BUSY})).cancel == [draining]
    changes = follow([draining], scene(1, machines={"x-0": BUSY}, life=OVER))
    assert (changes.cancel, changes.rows["x-0"].drain_for) == ([], POLICY_FINAL)


def test_until_its_queue_has_decided_anew_it_is_not_replaced_and_nothing_is_taken_back_for_it() -> None:
    other = vm(State.DRAINING, id="x-1", born=NOW - 100, drain_for=POLICY, drain_asked=1.0, nonce="x-1.1")
    seen = {"machines": {"x-1": BUSY}, "life": OVER}
    changes = follow([*fleet(State.READY), other], scene(1, **seen))  # type: ignore[arg-type]
    assert changes.cancel == []
    gone = changes.rows["x-0"]
    assert withheld([gone], (), {}, NOW) == {"atlas": 1}
    later = NOW + DECIDED_WITHIN_S
    assert not withheld([gone], (), {}, later)
    assert follow([gone, other], replace(scene(1, **seen), now=later)).cancel == [other]  # type: ignore[arg-type]
    assert not follow([gone, *fleet(State.READY, born=NOW)], scene(1, **seen)).rows.keys() - {"x-0"}  # type: ignore[arg-type]


def test_its_free_slots_are_no_supply_any_more_and_what_runs_there_still_counts() -> None:
    half = machine(slot("Unclaimed", partitionable=True, children=2))
    empty = machine(slot(partitionable=True), name="other")
    vms = [vm(id="x-0"), vm(id="x-1", instance_id="i-2")]
    there = {"x-0": half, "x-1": empty}
    young = view("private", "atlas", vms, there, frozenset(there), NOW)
    old = view("private", "atlas", vms, there, frozenset(there), NOW, life=SOON)
    assert (young.free, young.old) == (((1, 0, 0, 0),) * 2, 0)
    assert (old.free, old.old, old.idle, old.busy, old.claims, old.ready) == ((), 1, 1, 1, 2, 2)


def test_what_was_counted_before_is_counted_anew_when_its_time_comes() -> None:
    parts: dict[str, object] = {}
    there = {"x-0": machine(slot(partitionable=True))}
    for now, free in ((NOW - 900.0, 1), (NOW, 0), (NOW + 1.0, 0)):
        seen = view("p", "q", [vm()], there, frozenset(there), now, parts, life=SOON)  # type: ignore[arg-type]
        assert len(seen.free) == free


def test_waiting_jobs_get_a_new_vm_beside_one_that_goes_soon() -> None:
    site = Site(((four := cloud("only", cpus=4),),))
    site.fleet["only"] = replace(has(four), idle=1, busy=1, ready=2, old=1)
    site.views["only"] = CloudView(cloud="only", at=NOW - 1, room=5)
    decision = site.decide(demand(jobs(2, running=4)))
    assert "1 new VM needed" in decision.why[0]
    assert numbers(decision) == {"only": 2}  # the idle one goes, and another comes
    site.fleet["only"] = replace(has(four), idle=1, busy=1, ready=2, free=(four.size,))
    assert numbers(site.decide(demand(jobs(2, running=4)))) == {"only": 2}


def test_the_free_slots_of_a_busy_vm_are_not_taken_for_those_of_an_idle_one_that_goes_soon() -> None:
    site = Site(((four := cloud("only", cpus=4),),), release_after_s=0.0)
    site.fleet["only"] = replace(has(four), idle=1, busy=1, ready=2, old=1, free=((2, 4_000, 20_000, 0),))
    assert numbers(site.decide(demand(jobs(2, running=2)))) == {"only": 1}


def test_those_that_soon_have_lived_their_time_go_before_others_of_their_kind() -> None:
    made = [
        Candidate(id="busy", born=1.0, joined=True, jobs=1),
        Candidate(id="idle", born=1.0, joined=True),
        Candidate(id="old and busy", born=5.0, joined=True, jobs=3, old=True),
        Candidate(id="old", born=5.0, joined=True, old=True),
        Candidate(id="new", born=9.0, joined=False),
    ]
    assert choose(9, made) == ("new", "old", "idle", "old and busy", "busy")


@given(st.lists(st.floats(0, 2_000), max_size=8), st.integers(0, 8), st.booleans())
def test_no_ready_vm_outlives_its_time_and_nothing_else_is_drained_for_its_age(
    ages: list[float], want: int, busy: bool
) -> None:
    vms = [vm(id=f"x-{n}", instance_id=f"i-{n}", born=NOW - age) for n, age in enumerate(ages)]
    seen = {one.id: BUSY for one in vms} if busy else {}
    rows = follow(vms, scene(want, life=SOON, machines=seen)).rows
    for one in vms:
        after = rows.get(one.id, one)
        over = SOON.left_s(one.id, one.born, NOW) <= 0.0
        assert after.state is State.DRAINING or not over
        assert (after.drain_for == AGE) is over
        assert after.state is not State.ENDING


def test_a_simulated_vm_is_replaced_in_time_and_no_job_is_lost() -> None:
    only = rules("only", 20, cpus=2)
    steady = [job(120.0 * n, 600.0) for n in range(80)]
    model = CloudModel(rules=only, boot_s=100.0, life=Life(max_s=5_000.0, min_useful_s=600.0))
    aging, forever = (simulate(steady, [one], ours(only)) for one in (model, replace(model, life=FOREVER)))
    assert (aging.jobs_done, aging.jobs_left, aging.reclaimed_jobs) == (80, 0, 0)
    assert forever.vms_started["only"] < aging.vms_started["only"] <= forever.vms_started["only"] + 14
    assert aging.vm_hours["only"] <= 1.5 * forever.vm_hours["only"]


def test_a_simulated_cloud_of_several_shapes_keeps_its_limit_and_ends() -> None:
    clouds = [
        replace(rules(f"spot-{n}", 9, cpus=n, usd_per_hour=n / 10), family="spot", family_max_vms=3) for n in (1, 4)
    ]
    waiting: list[Job] = [job(0.0) for _ in range(20)]
    outcome = simulate(waiting, [CloudModel(rules=one) for one in clouds], ours(*clouds))
    assert outcome.jobs_done == 20
    assert max(sum(sample.vms.values()) for sample in outcome.samples) == 3
    assert bought(Site((tuple(clouds),)), jobs(20)) == {"spot-4": 3}
