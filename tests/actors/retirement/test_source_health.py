"""Sources that cannot be trusted, through retirement: what rests on them stays, and when that is over."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from actors.fleet.observations import Listed, StartdsSeen
from actors.fleet.wish import Wish
from actors.retirement import answers
from actors.store.readings import write_listing
from actors.store.views import read_views
from actors.store.wants import accept
from broker.connection.address import Site
from tests.actors.retirement.retirement_stage import RetirementStage


@pytest.fixture
def stage(site: Site) -> Iterator[RetirementStage]:
    made = RetirementStage(site)
    yield made
    made.close()


def frozen_by(stage: RetirementStage, source: str) -> float | None:
    labels = {"cloud": "private", "source": source}
    return stage._gauges.registry.get_sample_value("apf_source_frozen", labels)


def thaw(stage: RetirementStage) -> None:
    at = stage.now
    wish = Wish(
        id=f"thaw-{at}", verb="thaw", selector="cloud", names=("private",), reason="x", by="ada", at=at, ends=at + 9e9
    )
    accept(stage.table, wish)


def short_step(stage: RetirementStage, later_s: float = 1.0) -> None:
    """The collector shows one startd only."""
    first = next(iter(stage.pool.machines.values()))
    stage.step(later_s, StartdsSeen(source="p", at=stage.now + later_s, machines=(first,)))


def test_one_good_reading_after_trouble_releases_nothing_the_second_does(stage: RetirementStage) -> None:
    stage.started(3)
    stage.want(0)
    stage.empty_step()
    assert frozen_by(stage, "pool/local") == 1
    stage.step()
    assert stage.states() == ["ready"] * 3
    assert stage.registry.judged.frozen == "pool/local is good again, 1 of 2 times in a row"
    stage.step()
    assert stage.states() == ["draining"] * 3
    assert frozen_by(stage, "pool/local") == 0


def test_calls_that_failed_while_a_pool_was_away_are_made_again_when_it_is_good_again(
    stage: RetirementStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "PAUSES_S", (3600.0,))
    stage.started(1)
    stage.want(0)
    stage.pool.away = True
    stage.step()
    stage.blind_step()
    assert (stage.states(), stage.pool.drains) == (["draining"], [])
    stage.pool.away = False
    stage.step()
    assert stage.pool.drains == []
    stage.step()
    assert len(stage.pool.drains) == 1


def test_a_reading_that_does_not_come_any_more_freezes_what_rests_on_it(stage: RetirementStage) -> None:
    stage.started(1)
    stage.want(0)
    stage.now += 181
    stage._retirement.look(stage._retires, stage.term)
    assert stage.states() == ["ready"]
    assert stage.registry.judged.frozen == "pool/local was not read for 180 s"
    stage.step()
    assert stage.states() == ["draining"]


def test_an_operators_thaw_says_that_what_is_missing_is_gone(stage: RetirementStage) -> None:
    stage.started(3)
    stage.want(2)
    for _ in range(3):
        short_step(stage)
    assert stage.states() == ["ready"] * 3
    thaw(stage)
    short_step(stage)
    short_step(stage)
    assert stage.registry.judged.frozen == ""
    assert sorted(stage.states()) == ["draining", "ready", "ready"]


def test_trouble_that_begins_after_the_thaw_freezes_again(stage: RetirementStage) -> None:
    stage.started(3)
    thaw(stage)
    stage.step()
    stage.want(0)
    stage.empty_step()
    assert "shows 0 of 3 startds" in stage.registry.judged.frozen
    assert stage.states() == ["ready"] * 3


def test_a_listing_that_lacks_what_it_showed_before_proves_no_end(stage: RetirementStage) -> None:
    vms = stage.started(4)
    stage.want(3)
    for _ in range(5):
        stage.step()
    (ended,) = [vm for vm in stage.vms() if vm.state.value == "ended"]
    assert ended.instance_id in stage.ends_asked()
    stage.want(2)
    real = stage.cloud.listing
    stage.cloud.listing = lambda now: replace(real(now), instances=real(now).instances[:1])  # type: ignore[method-assign]
    for _ in range(6):
        stage.step()
    assert stage.states().count("ending") == 1
    assert len(stage.ends_asked()) == 2
    view, _ = read_views(stage.table, "private")
    assert view
    assert "instances that were there before" in view.listing_short
    assert view.frozen == ""
    assert frozen_by(stage, "cloud/private") == 1
    stage.cloud.listing = real  # type: ignore[method-assign]
    for _ in range(3):
        stage.step()
    assert stage.states().count("ended") == 2
    assert len(vms) == 4


def test_a_listing_of_a_cloud_that_forgets_ended_instances_still_ends_them(stage: RetirementStage) -> None:
    stage.started(2)
    stage.want(1)
    real = stage.cloud.listing

    def without_the_dead(now: float) -> Listed:
        whole = real(now)
        return replace(whole, instances=tuple(one for one in whole.instances if not one.dead))

    stage.cloud.listing = without_the_dead  # type: ignore[method-assign]
    for _ in range(5):
        stage.step()
    assert sorted(stage.states()) == ["ended", "ready"]
    write_listing(stage.table, stage.term, real(stage.now))
