"""From a message in a cloud's queue to a drained and replaced VM: nothing is lost on the way, nothing waits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from actors.clouds.port import Unknown
from actors.clouds.spot_notices import QueuedMessage
from actors.config.schema import Config
from actors.fleet.spot_notice import KEPT_S, Kind
from actors.fleet.vm import State
from actors.monitor.actor import Monitor, MonitorCloudSeat
from actors.runtime.post_actor import Seat
from actors.store.codec import unpack
from actors.store.readings import HEAD, ListingHead
from actors.store.spot_notices import LOOKED, forget_notices, read_notices, take
from broker.connection.address import Site
from broker.errors import Unreachable
from broker.mail.dead_letters import DeadLetters
from broker.rows.table import Table
from tests.actors.clouds.test_spot_notices import INTERRUPTION, REBALANCE
from tests.actors.retirement.retirement_stage import BUSY, RetirementStage
from tests.actors.retirement.test_disruption_budget import PLAIN

WITH_QUEUE = Config.model_validate(
    {**PLAIN, "clouds": {"private": {**PLAIN["clouds"]["private"], "notices_queue": "https://sqs.r/1/apf"}}}
)


def event(base: dict[str, Any], instance_id: str) -> str:
    return json.dumps({**base, "detail": {"instance-id": instance_id, "instance-action": "terminate"}})


class TwinQueue:
    """A queue in memory: what was received comes again until it is deleted."""

    def __init__(self) -> None:
        self.messages: dict[str, str] = {}
        self.away = False

    def put(self, *bodies: str) -> None:
        for body in bodies:
            self.messages[f"r-{len(self.messages)}"] = body

    def receive(self, wait_s: int) -> tuple[QueuedMessage, ...]:
        if self.away:
            raise Unknown("timed out")
        return tuple(QueuedMessage(body=body, receipt=receipt) for receipt, body in self.messages.items())

    def delete(self, messages: Sequence[QueuedMessage]) -> None:
        for one in messages:
            self.messages.pop(one.receipt, None)

    def close(self) -> None: ...


@pytest.fixture
def stage(site: Site) -> Iterator[RetirementStage]:
    made = RetirementStage(site, WITH_QUEUE)
    yield made
    made.close()


@pytest.fixture
def dead(site: Site) -> DeadLetters:
    return DeadLetters(site.client(), site)


def test_a_warned_vm_is_drained_and_replaced_in_one_round_though_its_job_runs(
    stage: RetirementStage, dead: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[str] = []
    monkeypatch.setattr(stage.office, "send", lambda mailbox, _: woken.append(mailbox))
    first, second = stage.started(2, BUSY)
    queue = TwinQueue()
    queue.put(event(INTERRUPTION, first.instance_id))
    take(queue, stage.table, dead, "notices/private", stage.now)
    woken.clear()
    stage.step()
    assert stage.pool.drains == [f"{first.id}.1"]
    assert "submitter@cloud/private" in woken
    stage.look()
    assert stage.cloud.launches == 2
    assert sorted(stage.states()) == ["booting", "draining", "ready"]
    stage.step()
    stage.look()
    assert stage.cloud.launches == 2, "the notice is heeded once"
    assert second.id not in {vm.id for vm in stage.of_state(State.DRAINING)}


def test_a_warned_vm_that_boots_is_replaced_and_drained_when_it_joins(
    stage: RetirementStage, dead: DeadLetters
) -> None:
    stage.list_cloud()
    stage.want(1)
    stage.look()
    (vm,) = stage.vms()
    queue = TwinQueue()
    queue.put(event(INTERRUPTION, vm.instance_id))
    take(queue, stage.table, dead, "notices/private", stage.now)
    stage.step()
    stage.look()
    assert stage.cloud.launches == 2
    stage.joins(vm)
    stage.step()
    stage.step()
    assert stage.pool.drains == [f"{vm.id}.1"]


def test_a_message_is_deleted_only_when_its_row_is_written(
    stage: RetirementStage, dead: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = TwinQueue()
    queue.put(event(INTERRUPTION, "i-1"), event(REBALANCE, "i-2"))

    def away(*_: object) -> bool:
        raise Unreachable("away")

    with monkeypatch.context() as patched:
        patched.setattr(Table, "put_once", away)
        with pytest.raises(Unreachable):
            take(queue, stage.table, dead, "notices/private", stage.now)
    assert len(queue.messages) == 2
    take(queue, stage.table, dead, "notices/private", stage.now)
    assert queue.messages == {}
    assert {one.kind for one in read_notices(stage.table).values()} == {Kind.INTERRUPTION, Kind.REBALANCE}


def test_what_is_no_notice_is_put_aside_whole_and_does_not_come_again(
    stage: RetirementStage, dead: DeadLetters
) -> None:
    queue = TwinQueue()
    queue.put("garbage \ud800", event(INTERRUPTION, "i-1"))
    taken = take(queue, stage.table, dead, "notices/private", stage.now)
    assert (len(taken.notices), len(taken.unknown), queue.messages) == (1, 1, {})
    (letter,) = dead.list()
    assert (letter.mailbox, letter.body) == ("notices/private", b"garbage ?")
    assert "not JSON" in letter.reason


def test_old_notices_are_forgotten(stage: RetirementStage, dead: DeadLetters) -> None:
    queue = TwinQueue()
    queue.put(event(INTERRUPTION, "i-1"))
    take(queue, stage.table, dead, "notices/private", stage.now)
    assert forget_notices(stage.table, stage.now + KEPT_S) == 0
    assert forget_notices(stage.table, stage.now + KEPT_S + 1) == 1
    assert read_notices(stage.table) == {}


class ByHand(Monitor):
    """The monitor, whose calls are made when the test says so."""

    asked: list[tuple[str, Callable[[], Any], Callable[[Any], None]]]

    def call(
        self, seat: Seat, lane: Any, key: str, call: Callable[[], Any], then: Callable[[Any], None], wakes: bool = True
    ) -> bool:
        self.asked.append((lane, call, then))
        return True

    def answer(self) -> None:
        """Make the one call for notices that is waiting."""
        ((number, (_, call, then)),) = [one for one in enumerate(self.asked) if one[1][0] == "notices"]
        del self.asked[number]
        try:
            got = call()
        except Exception as raised:  # noqa: BLE001 - it travels to the actor, as with real calls
            got = raised
        then(got)


def test_the_monitor_asks_again_and_again_wakes_and_counts(
    stage: RetirementStage, dead: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[str] = []
    monkeypatch.setattr(stage.office, "send", lambda mailbox, _: woken.append(mailbox))
    queue, services = TwinQueue(), stage.services(WITH_QUEUE, stage.office)
    gauges = services.gauges
    monitor = ByHand(services, {}, {"private": stage.cloud}, {"private": queue}, dead)  # type: ignore[dict-item]
    monitor.asked = []
    seat = Seat(post="cloud/private")
    seat.kept = MonitorCloudSeat()
    monitor.look(seat, stage.term)
    monitor.answer()
    assert woken == []
    queue.put(event(INTERRUPTION, "i-1"), event(REBALANCE, "i-2"), "garbage")
    monitor.answer()
    assert woken == ["retirement@cloud/private"]
    counted = {
        kind: gauges.registry.get_sample_value("apf_spot_notices_total", {"cloud": "private", "kind": kind})
        for kind in ("interruption", "rebalance", "unknown")
    }
    assert counted == {"interruption": 1, "rebalance": 1, "unknown": 1}
    queue.away = True
    monitor.answer()
    row = stage.table.get(LOOKED, "cloud/private", HEAD)
    assert row
    assert "timed out" in unpack(ListingHead, row.body).failed
    assert [lane for lane, *_ in monitor.asked] == ["look"], "a queue that does not answer is asked at the next look"
    monitor.look(seat, stage.term)
    assert [lane for lane, *_ in monitor.asked] == ["look", "look", "notices"]
