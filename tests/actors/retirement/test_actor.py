"""The way of a VM from its first ad to its end, with everything that may come between."""

from collections.abc import Iterator, Mapping, Sequence

import pytest

from actors.clouds.port import Unknown
from actors.fleet.drain_and_hold import POLICY_FINAL
from actors.fleet.observations import Machine, StartdsSeen
from actors.fleet.reconcile import FRESH_S
from actors.fleet.vm import KEPT_S, State, Vm
from actors.pools.port import Drain
from broker.connection.address import Site
from tests.actors.retirement.retirement_stage import BUSY, FREE, RetirementStage


@pytest.fixture
def stage(site: Site) -> Iterator[RetirementStage]:
    made = RetirementStage(site)
    yield made
    made.close()


def test_a_surplus_vm_is_drained_verified_and_ended(stage: RetirementStage) -> None:
    (vm,) = stage.started(1)
    stage.want(0)
    stage.step()
    assert stage.pool.drains == [f"{vm.id}.1"]
    for _ in range(3):
        stage.step()
    assert stage.ends_asked() == {vm.instance_id}
    assert stage.states() == ["ended"]
    assert stage.vms()[0].lost == ""


def test_of_a_vm_that_ended_long_ago_nothing_is_kept(stage: RetirementStage) -> None:
    (vm,) = stage.started(1)
    stage.want(0)
    for _ in range(4):
        stage.step()
    del stage.pool.machines[vm.instance_id]
    stage.step(KEPT_S + 10)
    seen = stage.sightings
    assert stage.vms() == []
    assert vm.id not in {**seen.idle_since, **seen.busy_since, **seen._last_seen}


def test_a_busy_vm_is_drained_and_not_ended_before_its_job_has(stage: RetirementStage) -> None:
    (vm,) = stage.started(1, BUSY)
    stage.want(0)
    for _ in range(5):
        stage.step(20)
    assert stage.states() == ["draining"]
    assert not stage.ends_asked()
    stage.pool.job_ends(vm.instance_id)
    stage.step()
    stage.step()
    assert stage.ends_asked() == {vm.instance_id}


def test_every_slot_has_to_be_empty(stage: RetirementStage) -> None:
    (vm,) = stage.started(1, FREE, BUSY)
    stage.want(0)
    for _ in range(3):
        stage.step(20)
    assert stage.states() == ["draining"]
    stage.pool.job_ends(vm.instance_id)
    stage.step()
    assert stage.states() == ["ending"]


def test_demand_that_returns_takes_the_drain_back_and_buys_nothing(stage: RetirementStage) -> None:
    (vm,) = stage.started(1, BUSY)
    stage.want(0)
    stage.step()
    stage.step()
    stage.want(1)
    stage.look()
    stage.step()
    assert stage.pool.cancels == [f"{vm.id}.1"]
    assert stage.states() == ["ready"]
    assert stage.cloud.launches == 1


def test_a_drain_that_cannot_be_taken_back_is_final_and_another_vm_is_bought(stage: RetirementStage) -> None:
    (vm,) = stage.started(1, BUSY)
    stage.want(0)
    stage.step()
    stage.step()
    stage.pool.silent.add(vm.instance_id)
    stage.want(1)
    stage.step()
    stage.look()
    (drains,) = stage.of_state(State.DRAINING)
    assert drains.drain_for == POLICY_FINAL
    assert drains.cancel_unknown
    assert stage.cloud.launches == 2


def test_one_whose_last_job_ends_as_its_drain_is_taken_back_is_drained_while_idle_and_ended(
    stage: RetirementStage,
) -> None:
    vm = taken_back_too_late(stage)
    assert (vm.state, vm.nonce, vm.drain_for) == (State.DRAINING, f"{vm.id}.2", POLICY_FINAL)
    assert vm.final
    stage.step()
    stage.step()
    assert stage.ends_asked() == {vm.instance_id}
    stage.look()
    assert stage.cloud.launches == 2, "another serves the demand"


def test_one_that_took_a_job_since_is_drained_when_that_has_ended_and_not_before(stage: RetirementStage) -> None:
    """Its START was an operator's own."""
    vm = taken_back_too_late(stage, {"state": "Claimed", "activity": "Busy"})
    for _ in range(3):
        stage.step(60)
        stage.sure()
    (kept,) = stage.of_state(State.DRAINING)
    assert (kept.id, kept.drain_refused) == (vm.id, "its MaxJobRetirementTime is 0 s")
    assert not kept.supply
    assert not stage.ends_asked()
    stage.pool.refusing.clear()
    stage.pool.show(vm.instance_id, state="Unclaimed", activity="Idle")
    for _ in range(3):
        stage.step()
    assert stage.ends_asked() == {vm.instance_id}


def taken_back_too_late(stage: RetirementStage, then: Mapping[str, str] | None = None) -> Vm:
    """`then`: what its slot shows at once, with which it refuses to drain."""
    (vm,) = stage.started(1, BUSY)
    stage.want(0)
    stage.step()
    stage.step()
    cancel = stage.pool.cancel

    def ends_first(order: Drain, request_id: str) -> None:
        stage.pool.job_ends(order.machine)
        cancel(order, request_id)
        if then:
            stage.pool.refusing[order.machine] = "its MaxJobRetirementTime is 0 s"
            stage.pool.show(order.machine, **then)

    stage.pool.cancel = ends_first  # type: ignore[method-assign]
    stage.want(1)
    stage.step()
    return next(one for one in stage.vms() if one.id == vm.id)


def test_a_cancel_is_written_down_before_it_is_sent(stage: RetirementStage) -> None:
    """Its answer may be lost with this host, or come when the row has moved on."""
    stage.started(1, BUSY)
    stage.want(0)
    stage.step()
    stage.step()
    rows = []
    cancel = stage.pool.cancel
    stage.pool.cancel = lambda *asked: (rows.append(stage.vms()[0].cancel_unknown), cancel(*asked))[1]  # type: ignore[method-assign,func-returns-value]
    stage.want(1)
    stage.look()
    stage.step()
    assert len(rows) == 1
    assert rows[0] > 0
    assert stage.states() == ["ready"]
    assert stage.vms()[0].cancel_unknown == 0


def test_a_vm_whose_cancel_may_come_late_is_ended_only_when_it_cannot_come_any_more(stage: RetirementStage) -> None:
    (vm,) = stage.started(1, BUSY)
    stage.want(0)
    stage.step()
    stage.step()
    stage.pool.silent.add(vm.instance_id)
    stage.want(1)
    stage.step()
    stage.look()
    stage.pool.silent.clear()
    stage.pool.job_ends(vm.instance_id)
    stage.step()
    stage.step()
    assert vm.instance_id not in stage.ends_asked()
    stage.step(60)
    stage.step()
    assert vm.instance_id in stage.ends_asked()


def test_a_startd_that_restarted_in_its_drain_is_drained_again_with_a_new_nonce(stage: RetirementStage) -> None:
    (vm,) = stage.started(1, BUSY)
    stage.want(0)
    stage.step()
    stage.joins(vm, BUSY)
    stage.step(30)
    assert stage.pool.drains == [f"{vm.id}.1", f"{vm.id}.2"]
    assert stage.states() == ["draining"]


def test_a_startd_that_restarted_after_it_was_drained_is_not_ended_with_a_job_on_it(stage: RetirementStage) -> None:
    (vm,) = stage.started(1, BUSY)
    stage.want(0)
    stage.step()
    drained = stage.pool.machines[vm.instance_id]
    stage.pool.job_ends(vm.instance_id)
    drained_ad = stage.pool.machines[vm.instance_id]
    stage.joins(vm, BUSY)  # the startd itself; the collector still shows the old ad
    stage.step(1, StartdsSeen(source="p", at=stage.now + 1, machines=(drained_ad,)))
    assert drained.busy
    assert not stage.ends_asked()
    assert stage.states() == ["draining"]
    assert stage.vms()[0].nonce == f"{vm.id}.2"


def test_a_collector_that_restarted_ends_nothing(stage: RetirementStage) -> None:
    stage.started(3, BUSY)
    stage.want(0)
    stage.step()
    for _ in range(20):
        stage.empty_step(30)
    assert stage.states() == ["draining"] * 3
    assert not stage.ends_asked()


def test_while_the_collector_is_away_nobody_is_given_up(stage: RetirementStage) -> None:
    stage.started(2)
    stage.want(0)
    stage.blind_step()
    assert stage.states() == ["ready", "ready"]
    assert "no answer" in stage.registry.judged.frozen


def test_a_silent_startd_is_ended_only_when_all_schedds_say_that_no_job_is_there(stage: RetirementStage) -> None:
    (vm,) = stage.started(1)
    stage.want(0)
    stage.step()
    stage.pool.silent.add(vm.instance_id)
    stage.pool.schedds_away = True
    stage.step()
    assert not stage.ends_asked()
    stage.pool.schedds_away, stage.pool.jobs_there = False, {vm.instance_id: 1}
    stage._retires.state.pauses.clear()
    stage.step()
    assert not stage.ends_asked()
    stage.pool.jobs_there = {}
    stage._retires.state.pauses.clear()
    stage.step()
    stage.step()
    assert stage.ends_asked() == {vm.instance_id}


def test_a_vm_that_never_joined_is_ended_at_its_deadline(stage: RetirementStage) -> None:
    stage.list_cloud()
    stage.want(1)
    stage.look()
    for _ in range(20):
        stage.step(60)
    assert stage.states() == ["ended"]


def test_a_vm_that_joined_in_the_last_moment_is_not_ended(stage: RetirementStage) -> None:
    stage.list_cloud()
    stage.want(1)
    stage.look()
    (vm,) = stage.vms()
    stage.joins(vm, BUSY)
    for _ in range(20):
        stage.empty_step(60)  # the collector's answer does not show it yet, the last look before the end does
    assert not stage.ends_asked()
    assert stage.states() == ["ready"]


def test_a_startd_that_refuses_the_drain_keeps_its_vm_and_says_why(stage: RetirementStage) -> None:
    (vm,) = stage.started(1, BUSY)
    stage.pool.refusing[vm.instance_id] = "MaxJobRetirementTime is 0"
    stage.want(0)
    stage.step()
    (kept,) = stage.vms()
    assert (kept.state, kept.drain_refused) == (State.READY, "MaxJobRetirementTime is 0")
    stage.step()
    assert stage.states() == ["ready"]


def test_a_host_that_dies_after_the_drain_call_leaves_a_successor_that_asks_once(stage: RetirementStage) -> None:
    (vm,) = stage.started(1, BUSY)
    stage.want(0)
    stage.step()
    stage.crash()
    stage.step()
    stage.step()
    assert stage.pool.drains == [f"{vm.id}.1"]


def test_a_host_that_dies_before_the_end_call_leaves_a_successor_that_verifies_again(stage: RetirementStage) -> None:
    (vm,) = stage.started(1, BUSY)
    stage.want(0)
    stage.step()
    stage.pool.job_ends(vm.instance_id)
    end, stage.cloud.end = stage.cloud.end, lambda _: ()  # type: ignore[method-assign]
    stage.step()
    assert stage.states() == ["ending"]
    stage.crash()
    stage.cloud.end = end  # type: ignore[method-assign]
    stage.joins(vm, BUSY)  # its startd restarted meanwhile, and took a job
    stage.step(60)
    stage.step()
    assert not stage.ends_asked()
    assert stage.states() == ["draining"]


@pytest.mark.parametrize(("what", "when"), [("vm", "after"), ("end", "before")])
def test_a_vm_that_was_seen_empty_too_long_before_the_end_call_is_asked_again(
    stage: RetirementStage, monkeypatch: pytest.MonkeyPatch, what: str, when: str
) -> None:
    """On a busy host the answer, or the end call, waits; meanwhile the startd restarts and takes a job."""
    (vm,) = stage.started(1, BUSY)
    stage.want(0)
    stage.step()

    def restarts(key: str, now: str) -> None:
        if (key.split()[0], now) == (what, when) and stage.pool.machines[vm.instance_id].slots != (BUSY,):
            stage.now += FRESH_S + 1
            stage.joins(vm, BUSY)

    stage.pool.job_ends(vm.instance_id)
    drained_ad = stage.pool.machines[vm.instance_id]
    monkeypatch.setattr(stage.retirement, "meanwhile", restarts)
    for _ in range(2):
        stage.step(1, StartdsSeen(source="p", at=stage.now + 1, machines=(drained_ad,)))
    assert stage.pool.machines[vm.instance_id].slots == (BUSY,), "it restarted"
    stage.step()
    assert not stage.ends_asked()
    assert stage.states() == ["draining"]


@pytest.mark.parametrize("dies", [False, True])
def test_an_end_call_that_failed_is_made_again_only_after_the_startd_was_asked_once_more(
    stage: RetirementStage, monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    """Seen in a campaign: the call was cut off, and its repeat, two seconds later, ended a job that began meanwhile."""

    def cut_off(_: Sequence[str]) -> tuple[str, ...]:
        raise Unknown("the connection was closed")

    (vm,) = stage.started(1, BUSY)
    stage.want(0)
    stage.step()
    stage.pool.job_ends(vm.instance_id)
    monkeypatch.setattr("actors.retirement.answers.PAUSES_S", (0.0,))
    with monkeypatch.context() as patched:
        patched.setattr(stage.cloud, "end", cut_off)
        stage.step()
    assert stage.states() == ["ending"]
    if dies:  # its successor has the post at once
        stage.crash()
    stage.joins(vm, BUSY)  # its startd restarted meanwhile, and took a job
    stage.step(1)
    assert not stage.ends_asked()
    assert stage.states() == ["draining"]


@pytest.mark.parametrize("silent", [False, True])
def test_on_a_host_where_every_answer_waits_too_long_vms_are_ended_nevertheless(
    stage: RetirementStage, monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    """Seen in a campaign: thousands of VMs were asked again and again, and each answer was too old when it was read."""
    vms = stage.started(3)
    stage.want(0)
    stage.step()
    stage.step(1)

    def waits(*_: str) -> None:
        stage.now += FRESH_S + 1

    stage.pool.silent = {vm.instance_id for vm in vms} if silent else set()
    monkeypatch.setattr(stage.retirement, "meanwhile", waits)
    for _ in range(3):
        stage.step()
    assert stage.ends_asked() == {vm.instance_id for vm in vms}


@pytest.mark.parametrize("waits_s", [0.0, FRESH_S + 1])
@pytest.mark.parametrize("joined", [True, False])
def test_an_end_that_the_cloud_does_not_accept_is_asked_for_again_only_later(
    stage: RetirementStage, monkeypatch: pytest.MonkeyPatch, waits_s: float, joined: bool
) -> None:
    """An answer wakes the next look at once: without a pause a cloud would be asked without end."""
    stage.list_cloud()
    stage.want(1)
    stage.look()
    if joined:
        stage.joins(stage.vms()[0])
        stage.step()
        stage.want(0)
    asked: list[str] = []

    def refuses(ids: Sequence[str]) -> tuple[str, ...]:
        asked.extend(ids)
        return ()

    def waits(*_: str) -> None:
        stage.now += waits_s

    monkeypatch.setattr(stage.cloud, "end", refuses)
    monkeypatch.setattr(stage.retirement, "meanwhile", waits)
    for _ in range(20):
        stage.step(60)
    assert asked == [stage.vms()[0].instance_id]


def test_a_vm_that_the_cloud_took_is_recorded_as_lost(stage: RetirementStage) -> None:
    (vm,) = stage.started(1, BUSY)
    stage.cloud.ended.add(vm.instance_id)
    stage.step()
    (gone,) = stage.vms()
    assert (gone.state, gone.lost) == (State.ENDED, "the cloud says terminated")


def test_a_stranger_with_our_id_makes_the_vm_doubtful_and_nothing_ends_it(stage: RetirementStage) -> None:
    (vm,) = stage.started(1, BUSY)
    stage.want(0)
    stage.step()
    real = stage.pool.machines[vm.instance_id]
    stage.pool.machines["stranger"] = Machine(**{**{s: getattr(real, s) for s in real.__slots__}, "name": "stranger"})
    stage.pool.job_ends(vm.instance_id)
    for _ in range(5):
        stage.step(20)
    assert not stage.ends_asked()
    assert stage.states() == ["draining"]


def test_the_next_holder_wakes_no_scheduler_to_hear_what_the_last_one_said(
    stage: RetirementStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.started(2, BUSY)
    stage.step()
    sent: list[str] = []
    monkeypatch.setattr(stage.office, "send", lambda mailbox, _: sent.append(mailbox))
    stage.crash()
    stage.step(30)
    assert sent == []
    stage.pool.job_ends(stage.vms()[0].instance_id)
    stage.step()
    assert sent == ["scheduler@queue/atlas"]
