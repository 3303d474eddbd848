"""Right before a call goes out the term is looked at once more: what a former term decided is not sent in the next.

The host may hold the post again by then, with another fence: it lost it meanwhile, and another may have acted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from actors.clouds.port import Unknown
from actors.fleet.vm import Launch
from broker.connection.address import Site
from broker.errors import LeaseLost
from tests.actors.retirement.retirement_stage import BUSY, RetirementStage
from tests.actors.stage import Stage


@pytest.fixture
def stage(site: Site) -> Iterator[RetirementStage]:
    made = RetirementStage(site)
    yield made
    made.close()


def in_another_term_before(stage: RetirementStage, key: str) -> None:
    """While a call of this key waits in its lane, this host loses the post and takes it again."""

    def meanwhile(called: str, when: str) -> None:
        if when == "before" and called.startswith(key):
            stage._hold(stage.post)

    stage.retirement.meanwhile = meanwhile  # type: ignore[method-assign]


def steps(stage: RetirementStage, count: int) -> None:
    for _ in range(count):
        stage.step()


def test_no_drain_of_a_former_term_is_sent(stage: RetirementStage) -> None:
    stage.started(1)
    stage.want(0)
    in_another_term_before(stage, "vm ")
    with pytest.raises(LeaseLost, match="another term"):
        stage.step()
    assert not stage.pool.drains


def test_no_drain_is_taken_back_for_a_former_term(stage: RetirementStage) -> None:
    stage.started(1, BUSY)
    stage.want(0)
    stage.step()
    stage.step()
    stage.want(1)
    in_another_term_before(stage, "vm ")
    with pytest.raises(LeaseLost, match="another term"):
        stage.step()
    assert not stage.pool.cancels


def test_no_end_of_a_former_term_is_sent(stage: RetirementStage) -> None:
    stage.started(1)
    stage.want(0)
    stage.step()
    in_another_term_before(stage, "end ")
    with pytest.raises(LeaseLost, match="another term"):
        steps(stage, 3)
    assert not stage.ends_asked()


@pytest.fixture
def buying(site: Site) -> Iterator[Stage]:
    made = Stage(site)
    made.list_cloud()
    yield made
    made.close()


def before_each_call(stage: Stage, happens: Callable[[], object]) -> None:
    call = stage._submitter.call

    def later(seat: Any, lane: Any, key: str, *rest: Any, **options: Any) -> bool:
        if key.startswith("launch "):
            happens()
        return call(seat, lane, key, *rest, **options)

    stage._submitter.call = later  # type: ignore[method-assign]


def test_no_launch_of_a_former_term_is_sent_nor_looked_up(buying: Stage) -> None:
    buying.cloud.script = [Unknown("timed out")]
    buying.want(1)
    buying.look()
    before_each_call(buying, lambda: buying._hold(buying.post))
    with pytest.raises(LeaseLost, match="another term"):
        buying.look(later_s=5)
    assert (buying.cloud.launches, buying.cloud.finds) == (1, 0)


def test_a_term_that_ends_while_a_launch_is_looked_up_sends_it_no_more(
    buying: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    buying.cloud.script = [Unknown("timed out")]
    buying.want(1)
    buying.look()
    find = buying.cloud.find
    monkeypatch.setattr(buying.cloud, "find", lambda *asked: (buying._hold(buying.post), find(*asked))[1])
    with pytest.raises(LeaseLost, match="another term"):
        buying.look(later_s=5)
    assert (buying.cloud.launches, buying.cloud.finds) == (1, 1)
    assert [intent.state for intent in buying.registry.intents()] == [Launch.SENT]
