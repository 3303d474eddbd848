"""Schedds are asked whether they know of what busy VMs run; what they say ends nothing."""

from collections.abc import Iterator

import pytest

from actors.fleet.orphan_claims import ASKS
from broker.connection.address import Site
from tests.actors.retirement.retirement_stage import BUSY, RetirementStage
from tests.actors.stage import CONFIG

ROUND_S = 10 * CONFIG.pools["local"].interval_s


@pytest.fixture
def stage(site: Site) -> Iterator[RetirementStage]:
    made = RetirementStage(site)
    yield made
    made.close()


def asked(stage: RetirementStage, rounds: int) -> None:
    for _ in range(rounds + 1):  # an answer is told by the look after it
        stage.step(ROUND_S)


def test_a_vm_that_is_busy_for_no_schedd_is_shown_until_one_has_a_job_there(stage: RetirementStage) -> None:
    (vm,) = stage.started(1, BUSY)
    asked(stage, ASKS)
    (told,) = stage.view().orphaned
    assert vm.id in told
    assert stage.states() == ["ready"]
    stage.pool.jobs_there[vm.instance_id] = 1
    asked(stage, 1)
    assert not stage.view().orphaned


def test_a_schedd_that_does_not_answer_proves_nothing(stage: RetirementStage) -> None:
    stage.started(1, BUSY)
    stage.pool.schedds_away = True
    asked(stage, ASKS)
    assert not stage.view().orphaned


def test_they_are_asked_once_in_some_readings(stage: RetirementStage) -> None:
    stage.started(1, BUSY)
    asks: list[tuple[str, ...]] = []
    ask = stage.pool.jobs_on
    stage.pool.jobs_on = lambda places: (asks.append(places), ask(places))[1]  # type: ignore[method-assign,func-returns-value]
    for _ in range(10):
        stage.step(ROUND_S / 10)
    assert len(asks) <= 1
