"""A service that says in JSON what waits, asked over real HTTP: by list and by path, and in the ways that it fails."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.config.schema import HttpJsonPool
from actors.fleet.observations import JobsSeen
from actors.pools.http_json.source import HttpJson
from actors.pools.port import PoolAway, PoolDenied
from tests.actors.pools.http_service import Asked, Reply, Service, said
from tests.actors.pools.source_conformance import *  # noqa: F403

QUEUES = (("atlas", 'name == "atlas"'), ("cms", 'name == "cms"'))


class JsonSite:
    """`document` is what it answers; `reply` is said instead."""

    def __init__(self) -> None:
        self.document: Any = [{"name": "atlas", "ready": 3, "unacked": 2}, {"name": "cms", "ready": 1, "unacked": 0}]
        self.reply: Reply | None = None
        self.service = Service(self.answer)
        self.source = self.made()

    def made(self, queues: tuple[tuple[str, str], ...] = QUEUES, **config: Any) -> HttpJson:
        known = {"idle": {"sum": "ready"}, "running": {"sum": "unacked"}, "kind": "http-json", "url": self.service.url}
        return HttpJson("wms", HttpJsonPool(**{**known, "timeout_s": 5, **config}), queues, lambda: 0.0)

    def answer(self, asked: Asked) -> Reply:
        return self.reply or said(self.document)

    def work(self, queue: str, idle: int, running: int) -> None:
        others = [one for one in self.document if one["name"] != queue]
        self.document = [*others, {"name": queue, "ready": idle, "unacked": running}]

    def breaks(self) -> None:
        self.reply = Reply(status=500)


@pytest.fixture
def service() -> Iterator[JsonSite]:
    made = JsonSite()
    with made.service:
        yield made


@pytest.fixture
def source_site(service: JsonSite) -> JsonSite:
    return service


def counts(seen: JobsSeen, queue: str = "atlas") -> tuple[int, int]:
    classes = [one for one in seen.classes if one.queue == queue]
    return sum(one.idle for one in classes), sum(one.running for one in classes)


def test_items_are_counted_where_a_condition_holds(service: JsonSite) -> None:
    states = ["PENDING", "PENDING", "RUNNING", "COMPLETED"]
    service.document = {"jobs": [{"name": "atlas", "job_state": [state], "cpus": {"number": 4}} for state in states]}
    seen = service.made(
        items="jobs",
        idle={"when": 'member("PENDING", job_state)'},
        running={"when": 'member("RUNNING", job_state)'},
        cpus="cpus.number",
        memory_mib="cpus.number * 2000",
        missing="zero",
    ).jobs(7.0)
    assert counts(seen) == (2, 1)
    assert {(one.request.cpus, one.request.memory_mib) for one in seen.classes} == {(4, 8000)}
    assert counts(seen, "cms") == (0, 0)


def test_a_plain_number_at_the_end_of_a_path_is_an_item(service: JsonSite) -> None:
    service.document = {"totals": {"CERN": {"Idle": 5, "Running": 2}}}
    made = service.made((("all", "true"),), items="totals.CERN", idle={"sum": "Idle"}, running={"sum": "Running"})
    assert counts(made.jobs(7.0), "all") == (5, 2)
    made = service.made((("all", "true"),), items="totals.CERN.Idle", idle={"sum": "Value"}, running=None)
    assert counts(made.jobs(7.0), "all") == (5, 0)


def test_a_star_takes_all_and_says_where_each_stood(service: JsonSite) -> None:
    service.document = {"sites": {"atlas": {"ready": 5, "unacked": 0}, "cms": {"ready": 2, "unacked": 1}}}
    seen = service.made((("atlas", 'Key == "atlas"'), ("rest", "true")), items="sites.*").jobs(7.0)
    assert (counts(seen), counts(seen, "rest")) == ((5, 0), (2, 1))
    assert seen.schedds[0].overlapping == 1


@pytest.mark.parametrize("wrong", [-1, 1.5, 2.0, "3", True, None, [1], {}, 10**12, 10**30, 1e300])
@pytest.mark.parametrize("field", ["ready", "unacked"])
def test_a_number_that_is_none_makes_its_queue_unknown_and_no_other(service: JsonSite, field: str, wrong: Any) -> None:
    service.document[0][field] = wrong
    seen = service.source.jobs(7.0)
    assert "allowed: a whole number from 0" in seen.of("atlas").unread
    assert not [one for one in seen.classes if one.queue == "atlas"]
    assert (seen.of("cms").unread, counts(seen, "cms")) == ("", (1, 0))


def test_a_condition_that_is_neither_true_nor_false_makes_its_queue_unknown(service: JsonSite) -> None:
    seen = service.made(idle={"when": 'state == "waiting"'}).jobs(7.0)
    assert "idle.when" in seen.of("atlas").unread
    assert "undefined" in seen.of("atlas").unread


@pytest.mark.parametrize("cpus", ["0", "1.5", "cores", '"4"'])
def test_a_size_that_is_none_makes_its_queue_unknown(service: JsonSite, cpus: str) -> None:
    assert "cpus" in service.made(cpus=cpus).jobs(7.0).of("atlas").unread


def test_a_queue_of_which_there_is_no_item_is_unknown_unless_that_means_zero(service: JsonSite) -> None:
    service.document = service.document[:1]
    assert service.source.jobs(7.0).of("cms").unread == "the answer has no item of this queue"
    seen = service.made(missing="zero").jobs(7.0)
    assert (seen.of("cms").unread, counts(seen, "cms")) == ("", (0, 0))


def test_a_path_that_leads_to_no_list_is_a_failure_though_what_is_missing_means_zero(service: JsonSite) -> None:
    service.document = {"data": {"error": "down"}}
    with pytest.raises(PoolAway, match=r"no 'queues' of 'data\.queues'; there: error"):
        service.made(items="data.queues", missing="zero").jobs(7.0)
    with pytest.raises(PoolAway, match="is no list"):
        service.made(items="data", missing="zero").jobs(7.0)
    service.document = {"data": {"queues": []}}
    assert counts(service.made(items="data.queues", missing="zero").jobs(7.0)) == (0, 0)
    service.document = {"data": "down"}
    with pytest.raises(PoolAway, match="no table and no list"):
        service.made(items="data.queues", missing="zero").jobs(7.0)


def test_an_answer_that_does_not_say_success_is_a_failure_whatever_missing_says(service: JsonSite) -> None:
    service.document = {"ok": False, "queues": []}
    with pytest.raises(PoolAway, match="does not say ok"):
        service.made(success="ok", items="queues", missing="zero").jobs(7.0)
    service.document = {"ok": True, "queues": []}
    assert service.made(success="ok", items="queues", missing="zero").jobs(7.0).complete


@pytest.mark.parametrize("body", [b"", b"<html>", b"{'a': 1}", b"[NaN]", b"[" * 100_000, b"\xff", b"1" * 5000])
def test_what_is_no_json_is_a_failure(service: JsonSite, body: bytes) -> None:
    service.reply = Reply(body=body)
    with pytest.raises(PoolAway, match="no JSON"):
        service.made(missing="zero").jobs(7.0)


def test_it_asks_by_post_with_what_the_service_wants_to_know(service: JsonSite, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    body = json.dumps({"grouping": ["Status"]})
    service.made(body=body, user="guest", password=f"file:{secret}", headers={"X-Site": "lab"}).jobs(7.0)
    asked = service.service.asked[-1]
    assert (asked.method, asked.body, asked.headers["content-type"]) == ("POST", body.encode(), "application/json")
    assert base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")) == b"guest:s3cret"
    assert asked.headers["x-site"] == "lab"
    service.made(token=f"file:{secret}", token_header="X-SLURM-USER-TOKEN").jobs(7.0)
    assert service.service.asked[-1].headers["x-slurm-user-token"] == "s3cret"
    service.reply = Reply(status=401)
    with pytest.raises(PoolDenied, match="as user guest") as denied:
        service.made(user="guest", password=f"file:{secret}").jobs(7.0)
    assert "s3cret" not in str(denied.value)


def test_the_live_check_says_what_waits(service: JsonSite) -> None:
    assert [(one.what, one.ok, one.text) for one in service.source.check()][1:] == [
        ("queue atlas", True, "3 idle"),
        ("queue cms", True, "1 idle"),
    ]
