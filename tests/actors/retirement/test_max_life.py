"""The end of a VM's life through configuration, rows, views and the pool: drained in peace, replaced where needed."""

from collections.abc import Iterator

import pytest

from actors.store.views import read_views
from broker.connection.address import Site
from tests.actors.retirement.retirement_stage import BUSY, FREE, RetirementStage
from tests.actors.stage import CONFIG

LIFE_S = 10_000.0
PRIVATE = CONFIG.clouds["private"].model_copy(update={"max_life_s": LIFE_S, "min_useful_s": 2_000.0})


@pytest.fixture
def stage(site: Site) -> Iterator[RetirementStage]:
    made = RetirementStage(site, CONFIG.model_copy(update={"clouds": {"private": PRIVATE}}))
    yield made
    made.close()


def test_a_busy_vm_is_no_place_for_new_jobs_then_drained_and_ends_with_its_job(stage: RetirementStage) -> None:
    (vm,) = stage.started(1, BUSY)
    stage.step(0.85 * LIFE_S)
    stage.step()
    assert (stage.states(), stage.pool.drains) == (["ready"], [])
    stage.step(0.15 * LIFE_S)
    stage.step()
    assert stage.states() == ["draining"]
    assert stage.vms()[0].reason.startswith("it has lived its time: ")
    for _ in range(3):
        stage.step(20)
    assert not stage.ends_asked()
    stage.pool.job_ends(vm.instance_id)
    stage.step()
    stage.step()
    assert stage.ends_asked() == {vm.instance_id}


def test_its_free_slots_are_not_told_to_the_schedulers_any_more(stage: RetirementStage) -> None:
    stage.started(1, FREE, BUSY)
    for later_s, free in ((0.5 * LIFE_S, 1), (0.35 * LIFE_S, 0)):
        stage.step(later_s)
        _, views = read_views(stage.table, "private")
        assert (views["atlas"].ready, views["atlas"].busy, len(views["atlas"].free)) == (1, 1, free)


def test_another_is_bought_only_after_its_queue_could_decide_anew(stage: RetirementStage) -> None:
    stage.started(1, BUSY)
    stage.step(LIFE_S)
    stage.look()
    assert stage.states() == ["draining"]
    for _ in range(3):
        stage.step(15)
        stage.look()
    assert stage.states().count("draining") == 1
    assert len(stage.vms()) == 2  # the want still says one
