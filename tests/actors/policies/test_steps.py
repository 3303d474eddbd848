"""The steps: each one's arithmetic, its sentence, and what the decision makes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.fleet.observations import QueueSeen
from actors.policies.provisioning.decide import Decision, decide
from actors.policies.steps import STEPS, Counts, make, run
from tests.actors.policies.site import NOW, Site, cloud, demand, has, jobs, numbers, want

# step, keys, n before, what is counted, n after
TABLE: list[tuple[str, dict[str, Any], int, Counts, int]] = [
    ("ready", {}, 0, Counts(ready=10, pending=3), 7),
    ("ready", {"offset": 4}, 0, Counts(ready=10, pending=3), 3),
    ("ready", {}, 5, Counts(ready=2, pending=3), 0),
    ("ready", {}, -2, Counts(ready=0, pending=0), -2),
    ("weighted-ready", {"ready": 0.5, "pending": 2.0}, 0, Counts(ready=11, pending=1), 3),
    ("scale", {"factor": 0.5}, 7, Counts(), 4),
    ("scale", {"factor": 0.5}, -7, Counts(), -3),
    ("scale", {}, 7, Counts(), 7),
    ("fixed", {"vms": 3}, 9, Counts(), 3),
    ("fixed", {"vms": 3}, 9, Counts(grown=2), 1),
    ("null", {}, 9, Counts(), 0),
    ("keep-n-running", {"keep_running": 5}, 0, Counts(pending=1, running=2), 2),
    ("keep-n-running", {"keep_running": 0}, 9, Counts(pending=1, running=2), -3),
    ("keep-n-running", {}, 4, Counts(pending=1, running=2), 1),
    ("keep-n-queue-life", {"njobs": 10}, 0, Counts(started=4), 6),
    ("keep-n-queue-life", {"njobs": 10}, 3, Counts(started=12), 0),
    ("keep-n-queue-life", {"njobs": 10}, -2, Counts(started=12), -2),
    ("min-pending", {"minimum": 5}, 1, Counts(pending=2), 3),
    ("min-pending", {"minimum": 5}, 4, Counts(pending=2), 4),
    ("max-pending", {"maximum": 5}, 9, Counts(pending=2), 3),
    ("max-pending", {"maximum": 5}, 9, Counts(pending=7), 0),
    ("max-pending", {"maximum": 5}, -4, Counts(pending=7), -4),
    ("max-to-run", {"maximum": 5}, 9, Counts(pending=1, running=2), 2),
    ("max-to-run", {"maximum": 5}, 0, Counts(pending=1, running=6), -2),
    ("min-per-cycle", {"minimum": 2}, 0, Counts(), 2),
    ("min-per-cycle", {"minimum": -2}, -9, Counts(), -2),
    ("min-per-cycle", {"minimum": -2}, -9, Counts(grown=-2), 0),
    ("max-per-cycle", {"maximum": 5}, 9, Counts(grown=2), 3),
    ("max-per-cycle", {"maximum": 5}, 9, Counts(grown=7), 0),
    ("max-per-cycle", {"maximum": 5}, -9, Counts(), -9),
    ("max-per-factory", {"maximum": 100}, 9, Counts(factory=95), 5),
    ("status-test", {"pilots": 1}, 9, Counts(status="test"), 1),
    ("status-test", {"pilots": 1}, 9, Counts(status="online"), 9),
    ("status-offline", {}, 9, Counts(status="offline"), 0),
    ("status-offline", {}, 9, Counts(status="maintenance"), 0),
    ("status-offline", {}, 9, Counts(status="brokeroff"), 9),
    ("throttle", {}, 9, Counts(ended=10, short=6), 1),
    ("throttle", {}, 9, Counts(ended=10, short=5), 9),
    ("throttle", {"submit": 3}, 9, Counts(ended=10, short=6, grown=2), 1),
    ("throttle", {}, 9, Counts(), 9),
]


@pytest.mark.parametrize(("name", "keys", "before", "counts", "after"), TABLE)
def test_a_step_changes_n_and_says_so_only_when_it_does(
    name: str, keys: dict[str, Any], before: int, counts: Counts, after: int
) -> None:
    n, sentences = run([make({"step": name, **keys})], before, counts)
    assert n == after
    assert len(sentences) == (after != before)
    assert all(sentence.startswith(f"{name}: {before:+d} becomes {after:+d}: ") for sentence in sentences)


def test_every_scheduling_plugin_of_apf_has_its_step() -> None:
    assert {row[0] for row in TABLE} == set(STEPS)
    assert len(STEPS) == 16


def test_steps_run_in_their_order() -> None:
    first = [make({"step": "scale", "factor": 2.0}), make({"step": "max-pending", "maximum": 5})]
    assert run(first, 4, Counts())[0] == 5
    assert run(first[::-1], 4, Counts())[0] == 8


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"step": "sclae"}, "did you mean 'scale'"),
        ({}, "step None is not known"),
        ({"step": "scale", "faktor": 2}, "has no 'faktor'"),
        ({"step": "fixed"}, "needs vms"),
        ({"step": "fixed", "vms": "3"}, "seen '3'; allowed: a whole number"),
        ({"step": "fixed", "vms": 1.5}, "allowed: a whole number"),
        ({"step": "scale", "factor": True}, "allowed: a number"),
    ],
)
def test_a_wrong_setting_is_told(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make(settings)


PRIVATE, SPOT = cloud("private", 4), cloud("spot", 9, usd_per_hour=0.1)


def stepped(site: Site, idle: int, *steps: dict[str, Any], running: int = 0, now: float = NOW) -> Decision:
    queue = replace(site.queue, steps=tuple(make(step) for step in steps))
    fleet = {name: site.fleet.get(name) or has(rules) for name, rules in site.clouds.items()}
    views = {name: site._open(name, fleet) for name in site.clouds}
    wants = {name: want(name, view.supply) for name, view in fleet.items() if view} | site.wants
    return decide(queue, demand(jobs(idle, running=running), at=now), fleet, site.clouds, views, wants, now, "d")


def test_steps_scale_what_the_jobs_need_and_the_cascade_places_it() -> None:
    site = Site(((PRIVATE,), (SPOT,)))
    decision = stepped(site, 10, {"step": "scale", "factor": 0.5})
    assert numbers(decision) == {"private": 4, "spot": 1}
    assert "scale: +10 becomes +5: times 0.5" in decision.why
    assert "scale: +10 becomes +5: times 0.5" in decision.wants["spot"].reasons


def test_a_step_can_ask_for_vms_without_jobs_within_all_limits() -> None:
    site = Site(((PRIVATE,), (SPOT,)))
    assert numbers(stepped(site, 0, {"step": "min-pending", "minimum": 3})) == {"private": 3, "spot": 0}
    assert numbers(stepped(site, 0, {"step": "min-pending", "minimum": 99})) == {"private": 4, "spot": 9}
    site.max_vms = 5
    assert numbers(stepped(site, 0, {"step": "min-pending", "minimum": 99})) == {"private": 4, "spot": 1}


def test_a_step_can_keep_what_no_job_needs() -> None:
    site = Site(((PRIVATE,), (SPOT,)), release_after_s=0.0, fleet={"private": has(PRIVATE, idle=2)})
    assert numbers(stepped(site, 0)) == {"private": 0, "spot": 0}
    assert numbers(stepped(site, 0, {"step": "keep-n-running", "keep_running": 1})) == {"private": 1, "spot": 0}


def test_a_step_that_gives_up_vms_takes_the_dearest_first_and_never_held_ones() -> None:
    fleet = {"private": has(PRIVATE, busy=3), "spot": has(SPOT, busy=3, held=1)}
    site = Site(((PRIVATE,), (SPOT,)), release_after_s=0.0, fleet=dict(fleet))
    decision = stepped(site, 0, {"step": "max-to-run", "maximum": 2}, running=6)
    assert numbers(decision) == {"private": 1, "spot": 1}


def test_a_cycle_bounds_growth_however_often_is_decided() -> None:
    site = Site(((PRIVATE,), (SPOT,)))
    step = {"step": "max-per-cycle", "maximum": 2}
    grown = []
    for now in (NOW, NOW + 1, NOW + 30, NOW + 61, NOW + 62):
        decision = stepped(site, 10, step, now=now)
        site.wants = dict(decision.wants)
        site.fleet = {name: has(site.clouds[name], launching=row.n, at=now) for name, row in site.wants.items()}
        grown.append(sum(numbers(decision).values()))
    assert grown == [2, 2, 2, 4, 4]


@given(st.lists(st.sampled_from(TABLE), max_size=4), st.integers(0, 9), st.integers(0, 4), st.integers(0, 4))
def test_no_order_of_steps_passes_a_limit_or_wants_less_than_nothing(
    rows: list[tuple[str, dict[str, Any], int, Counts, int]], idle: int, spare: int, busy: int
) -> None:
    fleet = {"private": has(PRIVATE, idle=spare), "spot": has(SPOT, busy=busy)}
    site = Site(((PRIVATE,), (SPOT,)), release_after_s=0.0, max_vms=9, fleet=dict(fleet))
    decision = stepped(site, idle, *({"step": name, **keys} for name, keys, *_ in rows), running=busy)
    wanted = numbers(decision)
    assert 0 <= wanted["private"] <= 4
    assert 0 <= wanted["spot"] <= 9
    assert sum(wanted.values()) <= 9
    assert all(row.reasons for row in decision.wants.values())


@pytest.mark.parametrize(
    ("status", "private"), [("online", 4), ("test", 1), ("offline", 2), ("maintenance", 2), ("", 4)]
)
def test_steps_heed_the_status_that_the_workload_system_tells_of_the_site(status: str, private: int) -> None:
    steps = ({"step": "status-test", "pilots": 1}, {"step": "status-offline", "pilots": 2})
    site = Site(((PRIVATE,),))
    seen = replace(demand(jobs(10)), queues=(QueueSeen(queue="atlas", status=status),))
    queue = replace(site.queue, steps=tuple(make(step) for step in steps))
    fleet = {"private": has(PRIVATE)}
    views = {"private": site._open("private", fleet)}
    decision = decide(queue, seen, fleet, site.clouds, views, {"private": want("private", 0)}, NOW, "d")
    assert numbers(decision) == {"private": private}
    assert (f"its site is {status}" in decision.why) is bool(status)
    assert decision.demand.status == status
