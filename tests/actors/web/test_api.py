"""REST: the shapes of `--json`, wishes by id, and a stream of what changes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from actors.config.schema import Config
from actors.console.status import Reader
from actors.console.status_model import Status
from actors.fleet.vm import State
from actors.store.readings import HEAD
from actors.store.wants import QueueStanding, WishOutcome, conclude
from actors.web import api, events
from actors.web.app import make_app
from actors.web.desk import Desk
from actors.web.events import KEPT, MOST_STREAMS, EventLog, stream
from actors.web.snapshot import LastSeen, Snapshots
from broker.errors import Unreachable
from tests.actors.console.factory_rows import Rows

WISH = {"id": "wish-0001", "verb": "drain", "selector": "cloud", "name": "spot", "reason": "a look"}


def test_the_status_is_what_the_command_prints(here: TestClient, rows: Rows, config: Config) -> None:
    rows.vm("private", State.READY)
    said = Status.model_validate_json(here.get("/api/v1/status").text)
    printed = Reader(config).read()
    assert [vm.id for vm in said.vms] == [vm.id for vm in printed.vms]
    assert said.factory == printed.factory


def test_every_way_is_described_with_its_shape(here: TestClient) -> None:
    described = here.get("/api/v1/docs.json").json()
    assert {"/api/v1/status", "/api/v1/vms/{name}", "/api/v1/wishes", "/api/v1/events"} <= described["paths"].keys()
    assert "/vms" not in described["paths"]
    assert described["components"]["schemas"]["Status"]["properties"].keys() == Status.model_fields.keys()


def test_vms_come_a_page_at_a_time(here: TestClient, rows: Rows) -> None:
    ids = sorted(rows.vm("private", State.READY).id for _ in range(5))
    first = [vm["id"] for vm in here.get("/api/v1/vms", params={"most": 3}).json()]
    then = [vm["id"] for vm in here.get("/api/v1/vms", params={"most": 3, "after": first[-1]}).json()]
    assert first + then == ids


def test_a_wish_whose_outcome_is_there_is_answered_with_it_and_sent_twice_is_one(
    here: TestClient, rows: Rows, wisher: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "WAIT_S", 0.3)
    assert here.post("/api/v1/wishes", json=WISH, headers=wisher).json()["verdict"] == "pending"
    assert here.get("/api/v1/wishes/wish-0001").json()["verdict"] == "pending"
    outcome = WishOutcome(id="wish-0001", verdict="accepted", why="drains 2 VMs", at=rows.now())
    conclude(rows.table, outcome)
    answer = here.post("/api/v1/wishes", json=WISH, headers=wisher).json()
    assert answer == {"id": "wish-0001", "verdict": "accepted", "why": "drains 2 VMs"}


@pytest.mark.parametrize(
    "wrong", [{"verb": "explode"}, {"reason": ""}, {"life_s": -1}, {"by": "root"}, {"count": 10**9}]
)
def test_a_wish_of_another_shape_is_refused(here: TestClient, wisher: dict[str, str], wrong: dict[str, object]) -> None:
    assert here.post("/api/v1/wishes", json={**WISH, **wrong}, headers=wisher).status_code == 422


def test_while_redis_is_away_what_was_seen_last_is_shown_with_its_age(desk: Desk, rows: Rows) -> None:
    rows.vm("private", State.READY)
    good, clock = Reader(desk.config).read(), [0.0]
    answers: list[Status | Exception] = [good, Unreachable("connection refused")]

    def read() -> Status:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    told = replace(desk, snapshots=Snapshots(read, again_s=2.0, clock=lambda: clock[0]))
    with TestClient(make_app(told), base_url="http://127.0.0.1", client=("127.0.0.1", 5)) as client:
        assert "cannot be read" not in client.get("/").text
        clock[0] = 61.0
        page = client.get("/").text
    assert "Redis cannot be read: connection refused. What is shown was seen 61 s ago." in page


def test_a_factory_that_was_never_read_is_503_and_no_traceback(desk: Desk) -> None:
    def read() -> Status:
        raise Unreachable("connection refused")

    with TestClient(make_app(replace(desk, snapshots=Snapshots(read))), base_url="http://127.0.0.1",
                    client=("127.0.0.1", 5)) as client:  # fmt: skip
        assert client.get("/api/v1/status").status_code == 503
        assert "connection refused" in client.get("/").text


def test_a_stream_tells_transitions_and_decisions_and_resumes_where_it_was(rows: Rows, config: Config) -> None:
    log, reader = EventLog(), Reader(config)
    before = reader.read()
    vm = rows.vm("private", State.BOOTING)
    rows.write("standing", "queue/atlas", HEAD, QueueStanding(known=True, idle=1))
    log.changed(before, then := reader.read())
    rows.write("vm", "cloud/private", vm.id, replace(vm, state=State.READY))
    log.changed(then, reader.read())
    told = first(log, after=0, most=2)
    assert [(one["was"], one["now"]) for one in told if one["kind"] == "vm"] == [("", "booting"), ("booting", "ready")]
    assert first(log, after=log.last - 1, most=1) == told[-1:]


def test_who_missed_more_than_is_kept_is_told_to_read_anew(config: Config, rows: Rows) -> None:
    log, reader = EventLog(), Reader(config)
    empty = reader.read()
    rows.vm("private", State.READY)
    one = reader.read()
    for _ in range(KEPT + 5):
        log.changed(empty, one)
    assert log.since(0)[1]
    assert not log.since(log.last)[1]
    assert log.since(log.last + 7)[1], "a number of another process"


def test_a_stream_says_when_redis_is_lost_and_when_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOOK_S", 0.0)
    looks = [LastSeen(status=None, age_s=0.0, away=away) for away in ("", "gone", "gone", "", "")]

    async def look() -> LastSeen:
        return looks.pop(0)

    async def read() -> int:
        lines = [line async for line in bounded(stream(EventLog(), look, 0))]
        return lines.count(b"event: reset\ndata: {}\n\n")

    async def bounded(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        with suppress(IndexError):  # all looks are over
            async for line in lines:
                yield line

    assert asyncio.run(read()) == 2


def test_no_more_streams_than_a_host_can_bear(here: TestClient, desk: Desk) -> None:
    desk.log.streams = MOST_STREAMS
    assert here.get("/api/v1/events").status_code == 503


def first(log: EventLog, after: int, most: int) -> list[dict[str, str]]:
    async def read() -> list[dict[str, str]]:
        async def nothing() -> LastSeen:
            return LastSeen(status=None, age_s=0.0)

        told: list[dict[str, str]] = []
        async for line in stream(log, nothing, after):
            told += [json.loads(part[6:]) for part in line.decode().splitlines() if part.startswith("data: ")]
            if len([one for one in told if one["kind"] == "vm"]) >= most:
                break
        return [one for one in told if one["kind"] == "vm"]

    return asyncio.run(read())
