"""What is told of claims that no schedd has a job for, and what is not."""

from dataclasses import replace

import pytest

from actors.fleet.observations import Machine
from actors.fleet.orphan_claims import ASKS, Orphaned, noted, suspected, told
from actors.fleet.vm import State
from tests.actors.fleet.made import machine, slot, vm

READY = vm(State.READY, machine="worker")
BUSY = machine(slot("Claimed", "Busy"))


def after(machines: list[Machine], jobs: int = 0) -> dict[str, Orphaned]:
    seen: dict[str, Orphaned] = {}
    for number, one in enumerate(machines):
        seen = noted(seen, {READY.id: one}, {READY.id: jobs}, 60.0 * number)
    return seen


def test_it_is_told_when_the_same_work_was_seen_in_several_asks_and_since_when() -> None:
    assert not told(READY, after([BUSY] * (ASKS - 1))[READY.id])
    said = told(READY, after([BUSY] * ASKS)[READY.id])
    assert f"VM {READY.id} (i-1, startd worker) has a claim for which no schedd has a job, since 00:00:00 UTC" in said


def test_a_drain_that_begins_meanwhile_is_no_other_work() -> None:
    drains = machine(slot("Claimed", "Retiring", draining=True, drain_reason="apf x-0.1"))
    assert told(READY, after([BUSY, BUSY, drains])[READY.id])


@pytest.mark.parametrize(
    "other",
    [replace(BUSY, recent_jobs=1), replace(BUSY, started_at=7), machine(slot("Claimed", "Busy", children=2))],
    ids=["a job ended", "the startd restarted", "another job began"],
)
def test_work_that_changes_may_be_between_two_jobs(other: Machine) -> None:
    assert not told(READY, after([BUSY, other, BUSY])[READY.id])


def test_a_vm_on_which_a_schedd_has_a_job_or_of_which_nothing_was_said_is_none() -> None:
    assert not after([BUSY] * ASKS, jobs=1)
    assert not noted({}, {READY.id: BUSY}, {}, 1.0)


def test_only_busy_vms_that_joined_are_asked_for() -> None:
    assert suspected(READY, BUSY)
    assert suspected(vm(State.DRAINING), BUSY)
    assert not suspected(READY, machine())
    assert not suspected(READY, None)
    assert not suspected(vm(State.BOOTING), BUSY)
