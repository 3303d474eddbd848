"""An instance that runs nothing and still holds quota: stopped from inside where that ends nothing, or in error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from actors.clouds.port import Unknown
from actors.fleet.observations import Listed
from actors.fleet.reconcile import ASK_AGAIN_S
from broker.connection.address import Site
from tests.actors.retirement.retirement_stage import BUSY, RetirementStage


@pytest.fixture
def stage(site: Site) -> Iterator[RetirementStage]:
    made = RetirementStage(site)
    yield made
    made.close()


def becomes(stage: RetirementStage, instance_id: str, state: str) -> None:
    for token, batch in stage.cloud.by_token.items():
        changed = [replace(one, state=state) if one.id == instance_id else one for one in batch]
        stage.cloud.by_token[token] = tuple(changed)


def test_it_is_ended_though_its_row_has_ended_and_only_once_a_minute(stage: RetirementStage) -> None:
    (vm,) = stage.started(1)
    asked: list[str] = []
    stage.cloud.end = lambda ids: (asked.extend(ids), tuple(ids))[1]  # type: ignore[method-assign]
    becomes(stage, vm.instance_id, "defunct")
    stage.want(0)
    for _ in range(5):
        stage.step()
    assert (stage.states(), asked) == (["ended"], [vm.instance_id])
    stage.step(ASK_AGAIN_S)
    assert asked == [vm.instance_id] * 2


def test_one_that_nobody_has_a_row_for_is_ended_too(stage: RetirementStage) -> None:
    stage.started(1)
    other = replace(stage.cloud.instances()[0], id="i-other", intent="other", state="defunct")
    stage.cloud.by_token["other"] = (other,)
    stage.step()
    assert (stage.ends_asked(), stage.states()) == ({"i-other"}, ["ready"])


def test_one_that_runs_again_when_it_is_looked_at_once_more_is_left(stage: RetirementStage) -> None:
    (vm,) = stage.started(1, BUSY)
    listing, looks = stage.cloud.listing, []

    def again(now: float) -> Listed:
        looks.append(now)
        becomes(stage, vm.instance_id, "defunct" if len(looks) == 1 else "running")
        return listing(now)

    stage.cloud.listing = again  # type: ignore[method-assign]
    stage.step()
    assert (len(looks), stage.ends_asked()) == (2, set())


def test_one_that_is_held_is_left_for_who_looks_at_it(stage: RetirementStage) -> None:
    (vm,) = stage.started(1)
    becomes(stage, vm.instance_id, "defunct")
    stage.cloud.tags[vm.instance_id] = "1790000000 hold by me@here: look"
    stage.step()
    assert stage.ends_asked() == set()


def test_a_cloud_that_fails_is_asked_again(stage: RetirementStage) -> None:
    (vm,) = stage.started(1)
    end = stage.cloud.end
    becomes(stage, vm.instance_id, "defunct")

    def fails(_: object) -> tuple[str, ...]:
        raise Unknown("no answer")

    stage.cloud.end = fails  # type: ignore[method-assign,assignment]
    stage.step()
    stage.cloud.end = end  # type: ignore[method-assign]
    stage.step(ASK_AGAIN_S)
    assert stage.ends_asked() == {vm.instance_id}
