"""An instance with our tags that no row knows of is taken in, so that it serves, or is drained and ended."""

from collections.abc import Iterator

import pytest

from broker.connection.address import Site
from tests.actors.retirement.retirement_stage import RetirementStage


@pytest.fixture
def stage(site: Site) -> Iterator[RetirementStage]:
    made = RetirementStage(site)
    yield made
    made.close()


def test_an_instance_that_nobody_remembers_gets_a_row_serves_and_is_ended_when_nobody_wants_it(
    stage: RetirementStage,
) -> None:
    (forgotten,) = stage.cloud._start(token="forgotten", count=1, intent="old", queue="atlas")
    stage.want(1)
    stage.step()
    (vm,) = stage.vms()
    assert (vm.instance_id, vm.state.value, vm.queue) == (forgotten.id, "booting", "atlas")
    stage.joins(vm)
    stage.step()
    stage.look()
    assert stage.states() == ["ready"]
    assert stage.cloud.launches == 0, "it serves the want"
    stage.want(0)
    for _ in range(4):
        stage.step()
    assert stage.ends_asked() == {forgotten.id}
