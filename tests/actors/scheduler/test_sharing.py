"""Two queues that want more of a cloud than there is: what is started, and what the schedulers are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from actors.config.schema import Config
from actors.store.views import read_views
from broker.connection.address import Site
from tests.actors.stage import CONFIG, Stage

MakeStage = Callable[..., Stage]


@pytest.fixture
def make_stage(site: Site) -> Iterator[MakeStage]:
    stages: list[Stage] = []

    def make(**belle: object) -> Stage:
        raw = CONFIG.model_dump()
        raw["queues"]["belle"] = raw["queues"]["atlas"] | belle
        stage = Stage(site, Config.model_validate(raw))
        stages.append(stage)
        stage.list_cloud()
        return stage

    yield make
    for stage in stages:
        stage.close()


def shares(stage: Stage) -> dict[str, int]:
    return {queue: view.share for queue, view in read_views(stage.table, "private")[1].items()}


def started(stage: Stage) -> Counter[str]:
    return Counter(vm.queue for vm in stage.vms())


def test_queues_of_one_priority_get_equal_parts_and_are_told_them(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.want(4)
    stage.want(4, "belle")
    stage.look()
    assert started(stage) == {"atlas": 2, "belle": 2}
    assert shares(stage) == {"atlas": 2, "belle": 2}


def test_a_higher_priority_is_started_first_and_has_no_need_to_hold_back(make_stage: MakeStage) -> None:
    stage = make_stage(priority=1)
    stage.want(4)
    stage.want(3, "belle")
    stage.look()
    assert started(stage) == {"atlas": 1, "belle": 3}
    assert shares(stage) == {"atlas": 1, "belle": -1}


def test_where_there_is_enough_for_all_nobody_is_told_a_share(make_stage: MakeStage) -> None:
    stage = make_stage(share=9.0)
    stage.want(1)
    stage.want(3, "belle")
    stage.look()
    assert started(stage) == {"atlas": 1, "belle": 3}
    assert shares(stage) == {"atlas": -1, "belle": -1}


def test_one_that_came_first_has_its_vms_and_is_told_what_it_is_to_give_back(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.want(4)
    stage.look()
    assert started(stage) == {"atlas": 4}
    stage.want(4, "belle")
    stage.look()
    assert started(stage) == {"atlas": 4}
    assert shares(stage) == {"atlas": 2, "belle": 2}


def test_one_that_has_more_than_its_share_gets_no_more_of_the_room_that_is_left(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.want(3)
    stage.look()
    stage.want(4)
    stage.want(4, "belle")
    stage.look()
    assert started(stage) == {"atlas": 3, "belle": 1}
