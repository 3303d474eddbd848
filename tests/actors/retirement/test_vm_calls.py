"""Each guard of the calls that retire a VM: with it taken away, its test fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.fleet.observations import Machine, Slot
from actors.fleet.vm import State, Vm
from actors.pools.port import PoolAway, PoolRefused, PoolWrong
from actors.retirement import vm_calls
from actors.retirement.vm_calls import Verdict
from tests.actors.fleet import made
from tests.actors.retirement.retirement_stage import TwinPool
from tests.actors.stage import TwinCloud

NONCE = "x-0.1"
BUSY = made.slot("Claimed", "Busy")


def pool_of(*slots: Slot, **changes: object) -> TwinPool:
    pool = TwinPool()
    pool.machines["worker"] = made.machine(*slots, **changes)
    return pool


def draining(**changes: object) -> Vm:
    return made.vm(State.DRAINING, nonce=NONCE, **changes)


def allowed() -> None: ...


@pytest.mark.parametrize("ask", ["drain", "cancel", "evict", "verify"])
def test_a_startd_that_says_another_instance_id_is_an_alarm_and_is_asked_for_nothing(ask: str) -> None:
    pool = pool_of(made.drained_slot(NONCE) if ask == "verify" else made.draining_slot(NONCE), instance_id="i-other")
    with pytest.raises(PoolWrong, match="says it is instance i-other, not i-1"):
        called(ask, pool)
    assert not [*pool.drains, *pool.cancels, *pool.evicts]


@pytest.mark.parametrize("ask", ["drain", "cancel", "evict", "verify"])
def test_a_startd_that_says_what_no_machine_can_mean_is_an_alarm_and_is_asked_for_nothing(ask: str) -> None:
    slot = made.drained_slot(NONCE) if ask == "verify" else made.draining_slot(NONCE)
    pool = pool_of(slot, damaged="slot1@worker says Cpus -1")
    with pytest.raises(PoolWrong, match="says Cpus -1"):
        called(ask, pool)
    assert not [*pool.drains, *pool.cancels, *pool.evicts]


def called(ask: str, pool: TwinPool) -> object:
    match ask:
        case "drain":
            return vm_calls.drain(pool, made.vm(nonce="x-0.2"), allowed)
        case "cancel":
            return vm_calls.cancel(pool, draining(), allowed)
        case "evict":
            return vm_calls.evict(pool, draining(), "x-0.2", allowed)
    return vm_calls.verify(pool, draining(), True)


def test_a_vm_whose_match_is_doubtful_is_spared_at_the_end_of_its_boot() -> None:
    pool, cloud = pool_of(), TwinCloud()
    pool.machines["other"] = made.machine(name="other")
    there, jobs, ended = vm_calls.end_unjoined(pool, cloud, [made.vm(State.BOOTING)], (), allowed)
    assert not there
    assert not jobs
    assert not ended
    assert not cloud.ended


def test_a_drain_that_the_startd_shows_already_is_not_asked_for_again() -> None:
    pool = pool_of(made.draining_slot(NONCE, request_id="7"))
    assert vm_calls.drain(pool, draining(), allowed) == "7"
    assert not pool.drains


def test_a_drain_is_taken_back_only_while_its_last_job_runs() -> None:
    """One whose job has ended keeps a retirement time of 0: its next drain would evict at once."""
    pool = pool_of(made.drained_slot(NONCE))
    with pytest.raises(PoolRefused, match="its last job has ended"):
        vm_calls.cancel(pool, draining(), allowed)
    assert not pool.cancels
    busy = pool_of(made.draining_slot(NONCE))
    assert vm_calls.cancel(busy, draining(), allowed)
    assert busy.cancels == [NONCE]


def test_one_whose_last_job_ends_between_the_look_and_the_request_is_seen_to_grant_nothing() -> None:
    pool = pool_of(made.draining_slot(NONCE))
    assert not vm_calls.cancel(pool, draining(), lambda: pool.job_ends("worker"))
    assert pool.cancels == [NONCE]


@pytest.mark.parametrize("slot", [BUSY, made.draining_slot("somebody else's")])
def test_only_a_drain_of_ours_is_taken_back_or_made_to_evict(slot: Slot) -> None:
    pool = pool_of(slot)
    with pytest.raises(PoolRefused, match="its drain is not ours"):
        vm_calls.cancel(pool, draining(), allowed)
    with pytest.raises(PoolRefused, match="its drain is not ours"):
        vm_calls.evict(pool, draining(), "x-0.2", allowed)
    assert not [*pool.cancels, *pool.evicts]


def test_an_eviction_that_the_startd_shows_already_is_not_asked_for_again() -> None:
    pool = pool_of(made.draining_slot("x-0.2", request_id="8"))
    assert vm_calls.evict(pool, draining(), "x-0.2", allowed) == "8"
    assert not pool.evicts


def test_schedds_have_a_veto_though_the_startd_says_drained_and_idle() -> None:
    pool = pool_of(made.drained_slot(NONCE))
    assert vm_calls.verify(pool, draining(), True).verdict is Verdict.EMPTY
    pool.jobs_there["worker"] = 2
    found = vm_calls.verify(pool, draining(), True)
    assert found.verdict is Verdict.WAIT
    assert "schedds have 2 jobs there" in found.why


def test_without_all_schedds_nothing_is_ended_whatever_the_startd_says() -> None:
    pool, cloud = pool_of(made.drained_slot(NONCE)), TwinCloud()
    pool.schedds_away = True
    with pytest.raises(PoolAway):
        vm_calls.verify(pool, draining(), True)
    with pytest.raises(PoolAway):
        vm_calls.end_asked(pool, cloud, draining(), True, allowed)
    pool.machines.clear()
    with pytest.raises(PoolAway):
        vm_calls.end_unjoined(pool, cloud, [made.vm(State.BOOTING)], (), allowed)
    assert not cloud.ended


@pytest.mark.parametrize("place", ["10.0.0.5", "i-1"])
def test_a_vm_that_never_joined_is_not_ended_while_a_schedd_has_a_job_there(place: str) -> None:
    """Its ad may just be made to vanish; jobs show the address of their host, and its instance if it is recorded."""
    pool, cloud = TwinPool(), TwinCloud()
    vm = made.vm(State.BOOTING, address="10.0.0.5")
    pool.jobs_there[place] = 1
    _, jobs, ended = vm_calls.end_unjoined(pool, cloud, [vm], (), allowed)
    assert jobs == {"x-0": 1}
    assert not ended
    pool.jobs_there.clear()
    assert vm_calls.end_unjoined(pool, cloud, [vm], (), allowed)[2] == ("i-1",)


def test_a_job_at_the_same_address_of_another_cloud_does_not_keep_a_vm_that_joined_at_home() -> None:
    pool = pool_of(made.drained_slot(NONCE))
    pool.jobs_there["10.0.0.5"] = 1
    assert vm_calls.verify(pool, draining(address="10.0.0.5"), True).verdict is Verdict.EMPTY
    elsewhere = draining(address="10.0.0.5", machine_address="<192.0.2.1:9618>")
    assert vm_calls.verify(pool, elsewhere, True).verdict is Verdict.WAIT


def test_another_machine_that_answers_is_no_silence() -> None:
    class Impostor(TwinPool):
        def look(self, machine: str, address: str) -> Machine:
            raise PoolWrong(f"startd {machine} was asked at {address}, and liar answered")

    with pytest.raises(PoolWrong, match="liar answered"):
        vm_calls.verify(Impostor(), replace(draining(), state=State.DRAINED), True)
