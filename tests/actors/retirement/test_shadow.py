"""A shadow sees what there is and what others do with it, and does nothing itself: no intent, no launch, no drain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from actors.clouds.port import Order
from actors.fleet.observations import drain_reason
from actors.fleet.vm import State, Vm
from actors.store.site import embedded_directory, shadow_of, site_of
from actors.store.views import read_views
from broker.connection.address import Site
from tests.actors.console.factory_rows import config_at
from tests.actors.retirement.retirement_stage import BUSY, RetirementStage
from tests.actors.stage import CONFIG

SHADOW = shadow_of(CONFIG)


@pytest.fixture
def stage(site: Site) -> Iterator[RetirementStage]:
    made = RetirementStage(site, SHADOW)
    yield made
    made.close()


def others_start(stage: RetirementStage, count: int) -> list[Vm]:
    """Another factory starts VMs with the same tags; they join, and are seen."""
    order = Order(intent="theirs", queue="atlas", count=count, token="t", user_data="", decision="d")
    stage.cloud.launch(stage.cloud.prepare(order))
    stage.step()
    for vm in stage.vms():
        stage.joins(vm, BUSY)
    stage.step()
    assert stage.states() == ["ready"] * count
    return stage.vms()


def test_what_is_wanted_is_not_started_and_no_intent_is_written(stage: RetirementStage) -> None:
    stage.step()
    stage.list_cloud()
    stage.want(3)
    for _ in range(3):
        stage.look()
    assert stage.cloud.launches == 0
    assert (stage.registry.intents(), stage.vms()) == ([], [])
    cloud, _ = read_views(stage.table, "private")
    assert cloud is not None
    assert (cloud.room, cloud.closed) == (4, "")


def test_what_others_start_is_adopted_and_what_is_not_wanted_is_neither_drained_nor_ended(
    stage: RetirementStage,
) -> None:
    vms = others_start(stage, 2)
    stage.want(0)
    for _ in range(5):
        stage.step(30)
    assert stage.states() == ["ready"] * 2
    assert (stage.pool.drains, stage.ends_asked()) == ([], set())
    assert [vm.unwanted for vm in stage.vms()] == [0.0, 0.0]
    _, by_queue = read_views(stage.table, "private")
    assert (by_queue["atlas"].supply, by_queue["atlas"].busy) == (2, 2)
    assert {vm.id for vm in vms} == {"theirs-0", "theirs-1"}


def test_a_vm_that_never_joins_is_left_to_who_started_it(stage: RetirementStage) -> None:
    order = Order(intent="theirs", queue="atlas", count=1, token="t", user_data="", decision="d")
    stage.cloud.launch(stage.cloud.prepare(order))
    for _ in range(40):
        stage.step(60)
    assert stage.states() == ["booting"]
    assert not stage.ends_asked()


def test_drains_of_others_are_followed_to_the_end_and_back(stage: RetirementStage) -> None:
    vm, _ = others_start(stage, 2)
    nonce = f"{vm.id}.1"
    stage.pool.show(vm.instance_id, draining=True, drain_reason=drain_reason(nonce))
    stage.step()
    assert stage.states() == ["draining", "ready"]
    stage.pool.show(vm.instance_id, draining=False, drain_reason="")
    stage.step(60)
    assert stage.states() == ["ready", "ready"]
    stage.pool.show(vm.instance_id, draining=True, drain_reason=drain_reason(f"{vm.id}.2"))
    stage.step()
    stage.pool.job_ends(vm.instance_id)
    stage.step()
    assert stage.states() == ["drained", "ready"]
    stage.cloud.end([vm.instance_id])
    stage.step()
    assert stage.states() == ["ended", "ready"]
    assert stage.pool.drains == []


def test_what_is_listed_no_more_has_ended_but_not_at_once(stage: RetirementStage) -> None:
    others_start(stage, 1)
    stage.cloud.by_token.clear()
    stage.step()
    assert stage.states() == ["ready"]
    stage.step(120)
    assert stage.states() == ["ended"]
    assert stage.of_state(State.ENDED)[0].reason == "no longer listed"


def test_its_rows_and_its_redis_are_its_own_and_its_tags_are_the_factorys(site: Site, tmp_path: Path) -> None:
    config = config_at(site, tmp_path)
    shadow = shadow_of(config)
    assert site_of(shadow) == replace(site_of(config), factory=f"{config.factory.name}.shadow")
    assert embedded_directory(shadow) != embedded_directory(config)
    assert shadow.factory.name == config.factory.name
