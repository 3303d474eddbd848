"""A cloud whose launches get no answer, while its listing is fine: the submitter and retirement on one set of rows."""

from collections.abc import Iterator

import pytest

from actors.clouds.port import Unknown
from actors.store.views import read_views
from broker.connection.address import Site
from tests.actors.retirement.retirement_stage import RetirementStage


@pytest.fixture
def stage(site: Site) -> Iterator[RetirementStage]:
    made = RetirementStage(site)
    yield made
    made.close()


def both(stage: RetirementStage, seconds: float) -> None:
    stage.look(seconds)
    stage.step()
    stage.look()


def test_the_jobs_look_elsewhere_for_as_long_as_it_owes_an_answer_though_they_are_still_wanted_here(
    stage: RetirementStage,
) -> None:
    stage.cloud.script = [Unknown("500")] * 40
    stage.list_cloud()
    stage.want(2)
    both(stage, 1)
    both(stage, 5)
    for _ in range(20):
        both(stage, 20)
        assert stage.closed().startswith("launches get no answer")
        assert not any(vm.supply for vm in stage.vms())
        cloud, views = read_views(stage.table, "private")
        assert cloud is not None
        assert cloud.closed
        assert views["atlas"].supply == 0
    assert len(stage.vms()) == 2, "what may have started is not bought again"


def test_what_comes_after_all_serves_what_is_wanted_then_and_the_cloud_is_open_again(stage: RetirementStage) -> None:
    stage.cloud.script = [Unknown("500"), Unknown("500"), ("lost", Unknown("timed out"))]
    stage.list_cloud()
    stage.want(2)
    for _ in range(8):
        both(stage, 30)
    assert stage.states() == ["booting", "booting"]
    assert all(vm.supply for vm in stage.vms())
    assert stage.closed() == ""
