"""What VMs' history holds after actors moved them: every transition, with its evidence and its decision."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from actors.fleet.history import Moment
from actors.fleet.vm import State
from actors.store.history import Chronicle, HistoryFile, read_moments
from actors.store.vms import Registries
from actors.store.wants import Wish, accept
from broker.connection.address import Site
from broker.errors import LeaseLost
from broker.rows.streams import Lines
from tests.actors.retirement.retirement_stage import BUSY, RetirementStage
from tests.actors.stage import CONFIG


@pytest.fixture
def stage(site: Site) -> Iterator[RetirementStage]:
    made = RetirementStage(site)
    yield made
    made.close()


def history(site: Site, name: str) -> list[Moment]:
    return read_moments(Lines(site.client(), site), ["private"], name)


def walked(moments: list[Moment]) -> list[str]:
    return [one.now for one in moments if one.was != one.now]


def test_a_whole_life_is_told_with_the_decisions_that_began_and_ended_it(stage: RetirementStage, site: Site) -> None:
    (vm,) = stage.started(1)
    stage.want(0)
    for _ in range(10):
        stage.step()
    told = history(site, vm.id)
    assert walked(told) == ["launching", "booting", "ready", "draining", "drained", "ending", "ended"]
    by_state = {one.now: one for one in told if one.was != one.now}
    assert by_state["launching"].decision == "d"
    assert by_state["draining"].decision == "d"
    assert any("it had no job for" in line for line in by_state["draining"].evidence)
    assert any("Drained/Idle 'apf " in line for line in by_state["drained"].evidence)
    assert any("asked directly" in line for line in by_state["ending"].evidence)
    assert any("terminated" in line for line in by_state["ended"].evidence)
    assert [one.at for one in told] == sorted(one.at for one in told)
    assert {one.by for one in told} == {stage.term.holder}


def test_a_vm_is_found_by_its_instance_and_by_its_machine(stage: RetirementStage, site: Site) -> None:
    (vm, other) = stage.started(2)
    told = history(site, vm.id)
    assert told == history(site, vm.instance_id)
    assert {one.vm for one in told} == {vm.id}
    assert history(site, "nobody") == []
    assert other.id not in {one.vm for one in told}


def test_what_an_operator_wished_stands_with_the_wishs_id(stage: RetirementStage, site: Site) -> None:
    (vm,) = stage.started(1, BUSY)
    for number, verb in enumerate(("hold", "release", "drain")):
        wish = Wish(
            id=f"wish-000{number}", verb=verb, selector="vm", names=(vm.id,), reason="a look", by="ada",
            at=stage.now + number, ends=stage.now + 900,
        )  # fmt: skip
        accept(stage.table, wish)
        stage.step()
    told = {one.why: one.decision for one in history(site, vm.id) if one.decision.startswith("wish-")}
    assert told == {
        "held: hold by ada: a look": "wish-0000",
        "no longer held": "wish-0000",
        "drain by ada: a look": "wish-0002",
    }


def test_a_reading_that_is_not_trusted_says_so_in_the_evidence(stage: RetirementStage, site: Site) -> None:
    (vm,) = stage.started(1)
    stage.empty_step()
    stage.cloud.end([vm.instance_id])  # a spot reclaim: nobody here asked for it
    stage.empty_step()
    last = history(site, vm.id)[-1]
    assert (last.was, last.now) == ("ready", "ended")
    assert any("not trusted" in line for line in last.evidence)
    assert any("that reading does not show its startd" in line for line in last.evidence)


def test_a_stale_holder_tells_nothing(stage: RetirementStage, site: Site) -> None:
    (vm,) = stage.started(1)
    before, stale = history(site, vm.id), stage.term
    old = Registries(stage.table, CONFIG, Chronicle(lambda: stage.now)).of(stale)
    stage.crash()
    with pytest.raises(LeaseLost):
        old.change(stale, [(old.vms()[0], replace(old.vms()[0], state=State.ENDED, reason="by a stale host"))])
    assert history(site, vm.id) == before


def test_no_history_is_kept_where_none_is_wanted(stage: RetirementStage, site: Site) -> None:
    (vm,) = stage.started(1)
    before = history(site, vm.id)
    registry = Registries(stage.table, CONFIG, Chronicle(lambda: stage.now, most=0)).of(stage.term)
    (row,) = registry.vms()
    registry.change(stage.term, [(row, replace(row, state=State.ENDED, reason="gone"))])
    assert history(site, vm.id) == before


def moment(vm: str) -> Moment:
    return Moment(vm=vm, at=1.0, was="", now="launching", why="atlas wants 1", evidence=("a job waits",), decision="d")


def test_the_file_has_one_json_object_a_line_and_starts_anew_when_it_was_moved_away(tmp_path: Path) -> None:
    path = tmp_path / "log" / "history.jsonl"
    file = HistoryFile(path)
    file.write([moment("v1"), moment("v2")])
    path.rename(tmp_path / "history.jsonl.1")
    file.write([moment("v3")])
    file.close()
    assert [json.loads(line)["vm"] for line in (tmp_path / "history.jsonl.1").read_text().splitlines()] == ["v1", "v2"]
    (line,) = path.read_text().splitlines()
    assert json.loads(line)["evidence"] == ["a job waits"]


def test_a_file_that_cannot_be_written_stops_nobody_and_is_written_again_when_it_can(tmp_path: Path) -> None:
    path = tmp_path / "there" / "history.jsonl"
    path.mkdir(parents=True)  # a folder where the file should be
    file = HistoryFile(path)
    file.write([moment("v1")])
    path.rmdir()
    file.write([moment("v2")])
    file.close()
    assert "v2" in path.read_text()


def test_a_new_history_file_is_its_owners_alone_and_an_operators_mode_stays(tmp_path: Path) -> None:
    for path, mode in ((tmp_path / "new", 0o600), (tmp_path / "old", 0o640)):
        if mode != 0o600:
            path.touch(mode=mode)
            path.chmod(mode)
        file = HistoryFile(path)
        file.write([])
        file.close()
        assert path.stat().st_mode & 0o777 == mode
