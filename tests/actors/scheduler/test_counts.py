"""What steps that look beyond the present are told: VMs started in a queue's life, VMs that ended lately."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from actors.fleet.adoption import orphans
from actors.fleet.drain_and_hold import POLICY
from actors.fleet.observations import Instance, Listed
from actors.fleet.vm import State, Vm
from actors.fleet.want import FleetView, Want
from actors.policies.rules import QueueRules
from actors.policies.steps import Counts, KeepNQueueLife, Scale, Step, Throttle
from actors.scheduler.counts import counted, lately, on_the_way
from actors.store.vms import Registry, read_started
from broker.connection.address import Site
from tests.actors.stage import Stage

NOW = 10_000.0


@pytest.fixture
def stage(site: Site) -> Iterator[Stage]:
    made = Stage(site)
    made.list_cloud()
    yield made
    made.close()


def queue(*steps: Step) -> QueueRules:
    return QueueRules(name="atlas", cascade=(("private",),), steps=steps)


def counts(stage: Stage, *steps: Step, wanted: int = 0, launching: int = 0, ready: int = 0) -> Counts:
    view = FleetView(cloud="private", queue="atlas", at=stage.now, launching=launching, ready=ready)
    want = Want(queue="atlas", cloud="private", n=wanted)
    return counted(stage.table, queue(*steps), ["private"], {"private": view}, {"private": want}, stage.now)


def test_started_vms_are_counted_once_for_ever_whoever_holds_the_cloud(stage: Stage) -> None:
    stage.want(2)
    stage.look()
    assert read_started(stage.table, ["private"], "atlas") == [2]
    for vm in stage.vms():
        stage.registry.change(stage.term, [(vm, replace(vm, state=State.ENDED, since=0.0))])
    stage.registry.forget(stage.term, stage.now)
    stage.crash()
    assert stage.vms() == []
    stage.want(1)
    stage.list_cloud()
    stage.look()
    assert read_started(stage.table, ["private", "another"], "atlas") == [3, 0]


def test_an_adopted_vm_was_started_once_too(stage: Stage) -> None:
    listed = Listed(
        source="cloud/private", at=stage.now, instances=(Instance(id="i-1", state="running", queue="atlas"),)
    )
    registry: Registry = stage.registry
    registry.adopt(stage.term, orphans([], listed, "private", 0.0))
    assert read_started(stage.table, ["private"], "atlas") == [1]


def test_what_is_wanted_or_launching_counts_as_started_already(stage: Stage) -> None:
    step = KeepNQueueLife(njobs=3)
    assert counts(stage, step, wanted=3).started == 3
    assert counts(stage, step, wanted=3, launching=2).started == 3
    stage.want(3)
    stage.look()
    assert counts(stage, step, wanted=3, ready=3).started == 3


def test_a_cloud_that_is_not_known_and_a_want_below_what_there_is_add_nothing() -> None:
    view = FleetView(cloud="private", queue="atlas", at=NOW, ready=4)
    assert on_the_way({"private": view, "spot": None}, {"private": Want(queue="atlas", cloud="private", n=1)}) == 0
    assert on_the_way({"private": view}, {}) == 0


def ended(**changes: Any) -> Vm:
    facts: dict[str, Any] = {"since": NOW - 60, "joined": NOW - 65, "state": State.ENDED}
    return Vm(id="x", cloud="private", queue="atlas", born=NOW - 300, reason="", **(facts | changes))


@pytest.mark.parametrize(
    ("vm", "expected"),
    [
        (ended(), (1, 1)),
        (ended(joined=0.0), (1, 1)),  # never heard of
        (ended(joined=NOW - 200), (1, 0)),
        (ended(joined=0.0, unwanted=NOW - 100), (1, 0)),
        (ended(drain_for=POLICY), (1, 0)),
        (ended(killed="w"), (1, 0)),
        (ended(since=NOW - 4_000), (0, 0)),
        (ended(state=State.FAILED, joined=0.0), (0, 0)),
        (ended(state=State.READY), (0, 0)),
    ],
)
def test_short_is_who_ended_by_itself_a_moment_after_it_joined(vm: Vm, expected: tuple[int, int]) -> None:
    assert lately([vm], NOW, 3_600.0, 10.0) == expected


def test_the_throttle_is_told_of_its_own_queues_vms_by_its_own_times(stage: Stage) -> None:
    stage.want(2)
    stage.look()
    for vm in stage.vms():
        gone = replace(vm, state=State.ENDED, since=stage.now, joined=stage.now - 20)
        stage.registry.change(stage.term, [(vm, gone)])
    assert counts(stage, Throttle()) == Counts(ended=2, short=0)
    assert counts(stage, Throttle(maxtime_s=30.0)) == Counts(ended=2, short=2)
    other = replace(queue(Throttle(maxtime_s=30.0)), name="users")
    assert counted(stage.table, other, ["private"], {}, {}, stage.now) == Counts()


def test_nothing_is_read_for_steps_that_ask_for_nothing() -> None:
    nothing: Any = None
    assert counted(nothing, queue(Scale(factor=2.0)), ["private"], {}, {}, NOW) == Counts()
