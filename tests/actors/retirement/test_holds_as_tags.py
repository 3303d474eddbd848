"""Operators' holds stand on the instances too: a held VM comes back held after all rows and all hosts were lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from actors.clouds.port import Refused
from actors.fleet.drain_and_hold import HoldBy
from actors.fleet.wish import Wish
from actors.store.wants import accept
from broker.connection.address import Site
from tests.actors.retirement.retirement_stage import RetirementStage
from tests.actors.stage import TwinCloud

WORDS = "hold by me@here: a look"


@pytest.fixture
def stage(site: Site) -> Iterator[RetirementStage]:
    made = RetirementStage(site)
    yield made
    made.close()


class WithoutTags:
    """A cloud of a kind that has no tags."""

    def __init__(self, cloud: TwinCloud) -> None:
        self._cloud = cloud

    def __getattr__(self, name: str) -> Any:
        if name == "mark_held":
            raise AttributeError(name)
        return getattr(self._cloud, name)


def wish(stage: RetirementStage, verb: str, for_s: float = 600.0) -> Wish:
    """About VMs that a cloud has now."""
    at = stage.now
    said = Wish(id=f"{verb}-{at}", verb=verb, selector="cloud", names=("private",), reason="a look", by="me@here",
                at=at, ends=at + for_s)  # fmt: skip
    accept(stage.table, said)
    return said


def held(stage: RetirementStage) -> list[str]:
    return [vm.hold.word for vm in stage.vms() if vm.hold]


def lose_everything(stage: RetirementStage, site: Site) -> None:
    """All rows, wishes and hosts."""
    client = site.client()
    for kind in ("rows", "once"):
        for key in client.scan_iter(site.key(kind, "*")):
            client.delete(key)
    stage.crash()


def test_holds_of_one_wish_are_written_in_one_call_until_the_listing_shows_them(stage: RetirementStage) -> None:
    first, second = (vm.instance_id for vm in stage.started(2))
    said = wish(stage, "hold")
    stage.step()
    tag = f"{int(said.ends)} {WORDS}"
    assert stage.cloud.marks == [((first, second), tag)]
    stage.cloud.tags.pop(second)  # the cloud forgot it, or its listing trails behind
    stage.step()
    assert stage.cloud.marks[1:] == [((second,), tag)]
    stage.step()
    assert len(stage.cloud.marks) == 2
    assert stage.view().unmarked == ""


def test_a_release_takes_the_tags_away(stage: RetirementStage) -> None:
    (vm,) = stage.started(1)
    wish(stage, "hold")
    stage.step()
    stage.step()
    wish(stage, "release")
    stage.step()
    stage.step()
    assert (stage.cloud.tags, held(stage)) == ({vm.instance_id: ""}, [])
    stage.step()
    assert len(stage.cloud.marks) == 2


def test_after_all_was_lost_a_held_vm_comes_back_held_is_not_drained_and_can_be_released(
    stage: RetirementStage, site: Site
) -> None:
    one, other = stage.started(2)
    accept(stage.table, Wish(id="w", verb="hold", selector="vm", names=(one.id,), reason="r", by="b", at=stage.now,
                             ends=stage.now + 600))  # fmt: skip
    stage.step()
    lose_everything(stage, site)
    stage.want(0)
    for _ in range(6):
        stage.step()
    assert {vm.id: vm.held_by for vm in stage.vms() if vm.alive} == {one.id: HoldBy.TAG}
    assert stage.ends_asked() == {other.instance_id}
    wish(stage, "release")
    for _ in range(5):
        stage.step()
    assert stage.ends_asked() == {one.instance_id, other.instance_id}


def test_rows_from_an_older_copy_learn_of_the_hold_from_the_tag(stage: RetirementStage) -> None:
    (vm,) = stage.started(1)
    stage.cloud.tags[vm.instance_id] = f"{int(stage.now + 600)} {WORDS}"
    stage.want(0)
    stage.step()
    assert (held(stage), stage.pool.drains) == ([HoldBy.TAG.value], [])
    stage.step(601.0)
    assert held(stage) == [], "its time is over"
    stage.step()
    assert stage.cloud.tags == {vm.instance_id: ""}


def test_a_wish_that_lives_takes_over_from_the_tag_and_ends_the_hold_as_ever(
    stage: RetirementStage, site: Site
) -> None:
    (vm,) = stage.started(1)
    said = replace(wish(stage, "hold"), selector="vm", names=(vm.id,))
    stage.step()
    lose_everything(stage, site)
    stage.want(1)
    stage.step()
    assert held(stage) == [HoldBy.TAG.value]
    accept(stage.table, said)  # a host that remembered it puts it back
    stage.step()
    assert (held(stage), len(stage.cloud.marks)) == ([said.id], 1)
    stage.step(601.0)
    assert held(stage) == []


def test_a_cloud_that_refuses_is_told_of_and_asked_again_later_and_the_hold_stands(
    stage: RetirementStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("actors.retirement.hold_marks.time.monotonic", lambda: clock[0])
    (vm,) = stage.started(1)
    stage.cloud.mark_error = Refused("EC2 answered UnauthorizedOperation")
    wish(stage, "hold")
    stage.want(0)
    for _ in range(3):
        stage.step()
    assert len(stage.cloud.marks) == 1
    assert "UnauthorizedOperation" in stage.view().unmarked
    assert (len(held(stage)), stage.pool.drains) == (1, [])
    stage.cloud.mark_error, clock[0] = None, 3.0
    stage.step()
    stage.step()
    assert (stage.cloud.tags[vm.instance_id][-4:], stage.view().unmarked) == ("look", "")


def test_a_cloud_that_cannot_keep_holds_is_no_error_and_is_told_of_while_one_stands(stage: RetirementStage) -> None:
    stage.started(1)
    stage.clouds["private"] = WithoutTags(stage.cloud)
    stage.step()
    assert stage.view().unmarked == ""
    wish(stage, "hold")
    stage.step()
    assert stage.view().unmarked == "clouds of kind ec2 cannot keep them"
    assert len(held(stage)) == 1
    wish(stage, "release")
    stage.step()
    assert stage.view().unmarked == ""
