"""Drain deadlines through retirement: an alarm, and jobs that are evicted and counted apart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from actors.config.schema import Config
from actors.fleet.vm import State
from actors.fleet.wish import Wish
from actors.store.wants import accept
from broker.connection.address import Site
from tests.actors.retirement.retirement_stage import BUSY, RetirementStage
from tests.actors.retirement.test_disruption_budget import PLAIN


def stage_with(site: Site, then: str) -> RetirementStage:
    queue = {**PLAIN["queues"]["atlas"], "drain_deadlines": [{"after_s": 60, "then": then}]}
    return RetirementStage(site, Config.model_validate({**PLAIN, "queues": {"atlas": queue}}))


@pytest.fixture
def evicting(site: Site) -> Iterator[RetirementStage]:
    made = stage_with(site, "evict")
    yield made
    made.close()


def metric(stage: RetirementStage, name: str) -> float:
    return stage._gauges.registry.get_sample_value(name, {"cloud": "private"}) or 0.0


def test_jobs_are_evicted_after_the_deadline_and_not_before_and_the_vm_ends(evicting: RetirementStage) -> None:
    (vm,) = evicting.started(1, BUSY)
    evicting.want(0)
    evicting.step()
    evicting.step(50)
    assert evicting.pool.evicts == []
    evicting.step(20)
    assert evicting.pool.evicts == [f"{vm.id}.2"]
    assert metric(evicting, "apf_policy_evictions_total") == 1
    for _ in range(3):
        evicting.step()
    assert (evicting.states(), evicting.ends_asked()) == (["ended"], {vm.instance_id})
    assert evicting.pool.drains == [f"{vm.id}.1"]


def test_a_new_holder_does_not_evict_again_and_goes_on(evicting: RetirementStage) -> None:
    evicting.started(1, BUSY)
    evicting.want(0)
    evicting.step()
    evicting.step(70)
    evicting.crash()
    for _ in range(4):
        evicting.step()
    assert len(evicting.pool.evicts) == 1
    assert evicting.states() == ["ended"]


def test_a_held_vm_is_not_evicted(evicting: RetirementStage) -> None:
    (vm,) = evicting.started(1, BUSY)
    evicting.want(0)
    evicting.step()
    at = evicting.now
    hold = Wish(id="hold-00001", verb="hold", selector="vm", names=(vm.id,), reason="x", by="ada", at=at, ends=at + 9e9)
    accept(evicting.table, hold)
    for _ in range(3):
        evicting.step(70)
    assert evicting.pool.evicts == []


def test_an_alarm_is_counted_and_the_job_goes_on(site: Site) -> None:
    stage = stage_with(site, "alarm")
    stage.started(1, BUSY)
    stage.want(0)
    stage.step()
    assert metric(stage, "apf_drains_overdue") == 0
    for _ in range(3):
        stage.step(70)
    assert metric(stage, "apf_drains_overdue") == 1
    assert stage.pool.evicts == []
    assert stage.of_state(State.DRAINING)
    stage.close()
