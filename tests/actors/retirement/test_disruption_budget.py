"""The disruption budget through retirement, rows, status and `apf why`."""

from collections.abc import Iterator

import pytest
from rich.console import Console, Group

from actors.config.schema import Config
from actors.console.status import drains_wait
from actors.console.why_queue import queue_story
from actors.console.why_vm import row_says
from broker.connection.address import Site
from tests.actors.retirement.retirement_stage import RetirementStage
from tests.actors.stage import CONFIG

PLAIN = CONFIG.model_dump(exclude_defaults=True)
for _section in ("pools", "clouds"):
    for _name, _found in getattr(CONFIG, _section).items():
        PLAIN[_section][_name]["kind"] = _found.kind
PLAIN["clouds"]["private"]["drains"] = {"max_at_once": 1}
ONE_AT_ONCE = Config.model_validate(PLAIN)


@pytest.fixture
def stage(site: Site) -> Iterator[RetirementStage]:
    made = RetirementStage(site, ONE_AT_ONCE)
    yield made
    made.close()


def told(story: object) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(story)
    return captured.get()


def test_three_are_drained_one_after_another_and_each_that_waits_says_why(stage: RetirementStage) -> None:
    stage.started(3)
    stage.want(0)
    stage.step()
    assert sorted(stage.states()) == ["draining", "ready", "ready"]
    waiting = next(vm for vm in stage.vms() if vm.drain_waits)
    why = "this cloud may have 1 VM drained at once"
    assert list(drains_wait(stage.vms())) == [f"2 drains wait: {why}"]
    assert f"its drain waits: {why}" in told(Group(*row_says(waiting)))
    assert stage.waiting_drains() == 2
    most = 0
    for _ in range(20):
        stage.step()
        most = max(most, sum(state in ("draining", "drained", "ending") for state in stage.states()))
    assert (most, stage.states()) == (1, ["ended"] * 3)
    assert stage.waiting_drains() == 0


def test_a_new_holder_of_the_post_goes_on_with_the_same_budget(stage: RetirementStage) -> None:
    stage.started(3)
    stage.want(0)
    stage.step()
    stage.crash()
    stage.step()
    assert len(stage.pool.drains) == 1


def test_why_a_queue_says_which_of_its_drains_wait(stage: RetirementStage) -> None:
    from actors.store.wants import QueueStanding, write_standing

    stage.started(2)
    stage.want(0)
    stage.step()
    write_standing(stage.table, stage._hold("queue/atlas"), QueueStanding(known=True))
    assert "1 drain waits: this cloud may have" in told(queue_story(ONE_AT_ONCE, stage.table, "atlas", stage.now))
