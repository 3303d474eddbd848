"""A worker that eats jobs, through the actors: drained, held for a look, replaced, and ended when it is released."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from actors.fleet.drain_and_hold import HoldBy
from actors.fleet.wish import Wish
from actors.store.wants import accept
from broker.connection.address import Site
from tests.actors.retirement.retirement_stage import BUSY, RetirementStage


@pytest.fixture
def stage(site: Site) -> Iterator[RetirementStage]:
    made = RetirementStage(site)
    yield made
    made.close()


def test_it_is_drained_and_held_and_another_is_bought_and_a_release_ends_it(stage: RetirementStage) -> None:
    eater, *others = stage.started(3, BUSY)
    machines = stage.pool.machines
    machines[eater.instance_id] = replace(machines[eater.instance_id], recent_jobs=50, longest_job_s=1.0)
    stage.step()
    assert stage.states() == ["ready"] * 3, "its peers have not been busy for long enough to say anything"
    stage.step(65)
    held = next(vm for vm in stage.vms() if vm.id == eater.id)
    assert held.state == "draining"
    assert held.held.startswith(
        "black hole: 50 jobs ended on it lately, none took more than 1 s, and on 2 of its peers"
    )
    stage.look()
    assert stage.cloud.launches == 2, "another is bought for it"
    stage.pool.job_ends(eater.instance_id)
    for _ in range(4):
        stage.step()
    assert next(vm for vm in stage.vms() if vm.id == eater.id).state == "drained"
    assert not stage.ends_asked()
    accept(
        stage.table,
        Wish(
            id="wish-1", verb="release", selector="vm", names=(eater.id,), reason="looked", by="ada",
            at=stage.now, ends=stage.now + 600,
        ),
    )  # fmt: skip
    for _ in range(3):
        stage.step()
    assert stage.ends_asked() == {eater.instance_id}
    assert all(vm.state == "ready" for vm in stage.vms() if vm.id in {one.id for one in others})


def test_it_stays_held_when_another_host_takes_over(stage: RetirementStage) -> None:
    (eater, _) = stage.started(2, BUSY)
    machines = stage.pool.machines
    machines[eater.instance_id] = replace(machines[eater.instance_id], recent_jobs=50, longest_job_s=1.0)
    stage.step(65)
    stage.crash()
    stage.pool.job_ends(eater.instance_id)
    for _ in range(4):
        stage.step()
    (vm,) = [vm for vm in stage.vms() if vm.id == eater.id]
    assert (vm.state, vm.held_by) == ("drained", HoldBy.BLACK_HOLE)
    assert not stage.ends_asked()
