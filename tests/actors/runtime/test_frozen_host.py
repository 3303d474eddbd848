"""A host with a freeze file on it: nothing that changes the world leaves it, whatever was decided before."""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.config.schema import Config
from actors.fleet.vm import Launch, State
from actors.runtime.freeze_file import FreezeFile
from actors.store.views import read_views
from broker.connection.address import Site
from tests.actors.retirement.retirement_stage import BUSY, RetirementStage
from tests.actors.stage import CONFIG


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "freeze"


@pytest.fixture
def stage(site: Site, file: Path) -> Iterator[RetirementStage]:
    factory = CONFIG.factory.model_copy(update={"freeze_file": str(file)})
    made = RetirementStage(site, Config(**{**dict(CONFIG), "factory": factory}))
    yield made
    made.close()


def test_nobody_is_drained_and_the_status_says_why_until_the_file_is_gone(stage: RetirementStage, file: Path) -> None:
    stage.started(1)
    file.write_text("power cut")
    stage.want(0)
    for _ in range(3):
        stage.step()
    assert (stage.pool.drains, stage.states()) == ([], ["ready"])
    view, _ = read_views(stage.table, "private")
    assert view
    assert "power cut" in view.frozen
    assert "power cut" in view.closed
    file.unlink()
    for _ in range(4):
        stage.step()
    assert stage.states() == ["ended"]


def test_a_drained_vm_is_not_ended(stage: RetirementStage, file: Path) -> None:
    (vm,) = stage.started(1, BUSY)
    stage.want(0)
    stage.step()
    stage.pool.job_ends(vm.instance_id)
    file.touch()
    for _ in range(5):
        stage.step()
    assert not stage.ends_asked()
    assert stage.of_state(State.DRAINED)


def test_a_call_that_was_decided_before_the_file_came_is_stopped_too(
    stage: RetirementStage, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file comes between the look and the send: all looks that decide see none, the last one does."""
    stage.started(1)
    file.touch()
    monkeypatch.setattr(FreezeFile, "told", _unseen_by_decisions(FreezeFile.told))
    stage.want(0)
    stage.step()
    assert stage.pool.drains == []
    assert stage.states() == ["draining"]


def _unseen_by_decisions(told: Callable[[FreezeFile], str]) -> Callable[[FreezeFile], str]:
    return lambda self: told(self) if inspect.stack()[1].function == "check" else ""


def test_nothing_is_started_and_a_launch_under_way_is_sent_when_the_file_is_gone(
    stage: RetirementStage, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.list_cloud()
    file.touch()
    stage.want(1)
    stage.look()
    assert (stage.cloud.launches, stage.states()) == (0, [])
    with monkeypatch.context() as patched:
        patched.setattr(FreezeFile, "told", _unseen_by_decisions(FreezeFile.told))
        stage.look()
    assert (stage.cloud.launches, stage.states()) == (0, ["launching"])
    assert [intent.state for intent in stage.registry.intents()] == [Launch.SENT]
    file.unlink()
    stage.look(later_s=5)
    assert (stage.cloud.launches, stage.states()) == (1, ["booting"])
