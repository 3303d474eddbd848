"""A VM is missed only in the pool that it was told to join, whatever the configuration becomes meanwhile."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from actors.config.schema import Config
from actors.config.told import told_of
from actors.fleet.lifecycle import Event, move
from actors.fleet.reconcile import astray_because
from actors.fleet.told import same_pool
from broker.connection.address import Site
from tests.actors.retirement.retirement_stage import BUSY, RetirementStage
from tests.actors.stage import CONFIG

DEADLINE_S = CONFIG.clouds["private"].boot_deadline_s


def changed(**pool: object) -> Config:
    """The configuration with another pool "local"."""
    old = CONFIG.pools["local"]
    return CONFIG.model_copy(update={"pools": {"local": old.model_copy(update=pool)}})


def moved() -> Config:
    """The queue's workers go to another pool now; the old one is still configured."""
    pools = {**CONFIG.pools, "other": CONFIG.pools["local"].model_copy(update={"collector": "cm2"})}
    queue = CONFIG.queues["atlas"].model_copy(update={"pool": "other"})
    return CONFIG.model_copy(update={"pools": pools, "queues": {"atlas": queue}})


CHANGES = {
    "collector": {"collector": "cm2"},
    "worker_collector": {"worker_collector": "cm:9619"},
    "trust domain": {"trust_domain": "elsewhere"},
    "token": {"worker_token_command": ("mint", "--other")},
    "schedds": {"schedds": ("s1",)},
    "identities": {"worker_identities": ("worker@*",)},
}


@pytest.fixture
def stage(site: Site) -> Iterator[RetirementStage]:
    made = RetirementStage(site)
    yield made
    made.close()


def reads_on(stage: RetirementStage, seconds: float) -> None:
    for _ in range(int(seconds / 60) + 2):
        stage.step(60)


def test_a_vm_that_does_not_join_the_pool_it_was_told_is_ended_at_its_deadline(stage: RetirementStage) -> None:
    stage.list_cloud()
    stage.want(1)
    stage.look()
    (vm,) = stage.vms()
    reads_on(stage, DEADLINE_S)
    assert stage.ends_asked() == {vm.instance_id}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_vm_told_of_another_pool_is_not_ended_for_being_absent(
    stage: RetirementStage, change: dict[str, object]
) -> None:
    stage.list_cloud()
    stage.want(1)
    stage.look()
    stage.configure(changed(**change))
    reads_on(stage, 2 * DEADLINE_S)
    (vm,) = stage.vms()
    assert vm.state == "booting"
    assert vm.astray
    assert not vm.supply
    assert "cm" in astray_because(vm)
    assert stage.ends_asked() == set()


@pytest.mark.parametrize("seconds", [0.0, DEADLINE_S])
def test_one_that_is_seen_after_all_is_followed_as_any_other(stage: RetirementStage, seconds: float) -> None:
    stage.list_cloud()
    stage.want(1)
    stage.look()
    stage.configure(changed(collector="cm.with.its.whole.name"))
    reads_on(stage, seconds)
    stage.joins(stage.vms()[0])
    stage.step()
    stage.step()
    (vm,) = stage.vms()
    assert (vm.state, vm.astray) == ("ready", 0.0)
    assert same_pool(vm.pool, stage.told)


def test_a_row_or_a_reading_that_does_not_know_its_pool_ends_nothing(stage: RetirementStage) -> None:
    stage.list_cloud()
    stage.want(1)
    stage.look()
    (vm,) = stage.vms()
    stage.registry.change(stage.term, [(vm, replace(vm, pool=""))])
    reads_on(stage, 2 * DEADLINE_S)
    assert stage.ends_asked() == set()


def test_a_vm_that_was_found_late_is_not_ended_once_its_pool_is_another(stage: RetirementStage) -> None:
    """The end call comes after the decision: it is another configuration that answers "not joined" then."""
    stage.list_cloud()
    stage.want(1)
    stage.look()
    (vm,) = stage.vms()
    stage.registry.change(stage.term, [(vm, move(vm, Event.LATE, stage.now, "no startd"))])
    stage.configure(changed(collector="cm2"))
    reads_on(stage, 600)
    assert stage.ends_asked() == set()


def test_the_schedds_of_another_pool_say_nothing_of_a_vm_that_does_not_answer(stage: RetirementStage) -> None:
    (vm,) = stage.started(1, BUSY)
    stage.want(0)
    stage.step()
    stage.pool.job_ends(vm.instance_id)
    stage.pool.silent.add(vm.instance_id)
    stage.pool.schedds_away = True
    stage.step()
    assert stage.states() == ["drained"]
    stage.configure(changed(collector="cm2"))
    del stage.pool.machines[vm.instance_id]
    stage.pool.schedds_away = False
    reads_on(stage, 600)
    assert stage.states() == ["drained"]
    assert stage.ends_asked() == set()


def test_a_vm_whose_queue_moved_is_followed_in_the_pool_that_it_was_told(stage: RetirementStage) -> None:
    stage.list_cloud()
    stage.want(1)
    stage.look()
    stage.configure(moved())
    stage.joins(stage.vms()[0])
    stage.step()
    assert stage.states() == ["ready"]
    assert stage.sightings.pool_of(stage.vms()[0]) == "local"


def test_a_pool_that_is_renamed_is_the_same_pool() -> None:
    renamed = CONFIG.model_copy(update={"pools": {"new": CONFIG.pools["local"]}})
    assert same_pool(told_of(CONFIG, "local"), told_of(renamed, "new"))
    assert not same_pool("", "")
