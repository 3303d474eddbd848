"""What a startd says of itself right before its VM is ended."""

from actors.fleet.vm import State
from actors.retirement import vm_calls
from actors.retirement.vm_calls import Verdict
from tests.actors.fleet.made import drained_slot, draining_slot, machine, slot, vm
from tests.actors.retirement.retirement_stage import TwinPool

OURS = vm(State.DRAINED, nonce="x-0.1", drains=1)


def verdict(*slots: object, jobs: int = 0, silent: bool = False) -> Verdict:
    pool = TwinPool()
    pool.machines["worker"] = machine(*slots)  # type: ignore[arg-type]
    pool.silent = {"worker"} if silent else set()
    pool.jobs_there = {"worker": jobs}
    return vm_calls.verify(pool, OURS, True).verdict


def test_a_startd_that_still_drains_for_us_is_waited_for_and_not_asked_anew() -> None:
    assert verdict(drained_slot("x-0.1"), drained_slot("x-0.1")) is Verdict.EMPTY
    assert verdict(drained_slot("x-0.1"), draining_slot("x-0.1")) is Verdict.WAIT
    assert verdict(drained_slot("x-0.1", children=1)) is Verdict.WAIT


def test_a_startd_without_our_drain_forgot_it_and_may_have_a_job() -> None:
    assert verdict(slot()) is Verdict.FORGOT
    assert verdict(drained_slot("x-0.1"), slot("Claimed", "Busy")) is Verdict.FORGOT
    assert verdict(drained_slot("x-0.10")) is Verdict.FORGOT


def test_of_a_silent_startd_the_schedds_say_whether_a_job_is_there() -> None:
    assert verdict(silent=True, jobs=1) is Verdict.WAIT
    assert verdict(silent=True) is Verdict.EMPTY
