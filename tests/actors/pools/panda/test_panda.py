"""PanDA as a source, asked over real HTTP: well, and in all the ways in which it does not answer.

Nothing but a good answer of PanDA is ever taken for "no jobs".
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.config.schema import PandaPool
from actors.fleet.observations import JobClass, JobsSeen
from actors.pools.panda.answers import statistics
from actors.pools.panda.source import Panda
from actors.pools.port import PoolAway, PoolDenied, PoolError
from tests.actors.pools.http_service import Asked, Reply, Service, certificate, said
from tests.actors.pools.source_conformance import *  # noqa: F403

QUEUES = (("atlas", 'ComputingSite == "CERN"'), ("cms", 'ComputingSite == "BNL" && ResourceType =!= "MCORE"'))
SPECS = {
    "CERN": {"sitename": "CERN", "status": "online", "coreCount": 8, "maxrss": 16_000},
    "BNL": {"sitename": "BNL", "status": "test", "coreCount": None, "maxrss": "2000"},
}


def table(site: str, resource_type: str = "SCORE", **counts: Any) -> dict[str, Any]:
    return {site: {resource_type: {"managed": counts}}}


class PandaSite:
    """`data`: its statistics; `specs`: of its sites; `reply`: said instead of the statistics."""

    def __init__(self) -> None:
        self.data: Any = {**table("CERN", activated=12, running=3), **table("BNL", activated=1)}
        self.specs: Any = SPECS
        self.reply: Reply | None = None
        self.now = 1000.0
        self.service = Service(self.answer)
        self.source = self.made()

    def made(self, queues: tuple[tuple[str, str], ...] = QUEUES, **config: Any) -> Panda:
        settings = PandaPool(**{"kind": "panda", "url": self.service.url, "timeout_s": 5, **config})
        return Panda("wms", settings, queues, lambda: self.now)

    def answer(self, asked: Asked) -> Reply:
        if asked.headers["accept"] != "application/json":
            return Reply(body=repr({"success": True, "data": self.data}).encode())  # as PanDA does
        if asked.path == "/api/v1/metaconfig/get_site_specs?type=all":
            return said({"success": True, "message": "", "data": self.specs})
        if not asked.path.startswith("/api/v1/statistics/"):
            return Reply(status=403, body=b"ERROR : method is forbidden")
        return self.reply or said({"success": True, "message": "", "data": self.data})

    def work(self, queue: str, idle: int, running: int) -> None:
        site = {"atlas": "CERN", "cms": "BNL"}[queue]
        self.data = {**self.data, **table(site, activated=idle, running=running)}

    def breaks(self) -> None:
        self.reply = said({"success": False, "message": "Database failure getting the job statistics", "data": {}})


@pytest.fixture
def panda() -> Iterator[PandaSite]:
    made = PandaSite()
    with made.service:
        yield made


@pytest.fixture
def source_site(panda: PandaSite) -> PandaSite:
    return panda


def of(seen: JobsSeen, queue: str) -> list[JobClass]:
    return [one for one in seen.classes if one.queue == queue]


def test_activated_jobs_wait_those_with_a_pilot_run_and_others_do_neither(panda: PandaSite) -> None:
    panda.data = table("CERN", activated=12, sent=1, starting=2, running=3, holding=50, transferring=60, assigned=70)
    (one,) = of(panda.source.jobs(1.0), "atlas")
    assert (one.idle, one.running, one.held, one.young) == (12, 6, 0, 0)


def test_which_states_are_ready_and_running_is_a_setting(panda: PandaSite) -> None:
    panda.data = table("CERN", activated=12, assigned=5, holding=2)
    (one,) = of(panda.made(ready=["activated", "assigned"], running=["holding"]).jobs(1.0), "atlas")
    assert (one.idle, one.running) == (17, 2)


def test_a_multi_core_job_takes_the_cores_of_its_site_and_its_part_of_the_memory(panda: PandaSite) -> None:
    panda.data = {"CERN": {"SCORE": {"managed": {"activated": 2}}, "MCORE_HIMEM": {"managed": {"activated": 3}}}}
    asked = {one.request.cpus: (one.idle, one.request.memory_mib) for one in of(panda.source.jobs(1.0), "atlas")}
    assert asked == {1: (2, 2_000), 8: (3, 16_000)}


def test_where_a_multi_core_jobs_size_is_not_known_its_queue_is_not_known_until_it_is_said(panda: PandaSite) -> None:
    panda.data = {**table("CERN", "MCORE", activated=2), **table("BNL", activated=1)}
    panda.specs = {"BNL": SPECS["BNL"]}
    seen = panda.source.jobs(1.0)
    assert "corecount of its MCORE jobs is not known" in seen.of("atlas").unread
    assert not seen.of("cms").unread
    (one,) = of(panda.made(multicore_cpus=4).jobs(1.0), "atlas")
    assert (one.request.cpus, one.idle) == (4, 2)


def test_a_server_without_detailed_statistics_is_asked_for_the_plain_ones(panda: PandaSite) -> None:
    panda.data = {"CERN": {"running": 55, "holding": 2, "activated": 150, "assigned": 0}, "null": {"activated": 1}}
    (one,) = of(panda.made(statistics="by-site").jobs(1.0), "atlas")
    assert (one.idle, one.running, one.request.cpus) == (150, 55, 8)
    assert panda.service.asked[0].path == "/api/v1/statistics/active_job_stats_by_site"


def test_jobs_without_a_site_are_nobodys_and_a_site_that_is_absent_has_none(panda: PandaSite) -> None:
    panda.data = {**table("null", activated=9), **table("ELSEWHERE", activated=7)}
    seen = panda.source.jobs(1.0)
    assert not seen.classes
    assert not [one for one in seen.queues if one.unread]


def test_the_first_queue_gets_what_two_choose_and_they_are_told(panda: PandaSite) -> None:
    panda.data = table("CERN", activated=12)
    seen = panda.made((("one", "true"), ("two", 'ComputingSite == "CERN"'))).jobs(1.0)
    assert [(one.queue, one.idle) for one in seen.classes] == [("one", 12)]
    assert seen.schedds[0].overlapping == 12


@pytest.mark.parametrize(("status", "counts"), [
    ("online", True), ("brokeroff", True), ("test", True), ("odd", True), ("offline", False), ("standby", False),
    ("maintenance", False),
])  # fmt: skip
def test_jobs_of_a_site_that_is_offline_are_no_demand_and_say_why(panda: PandaSite, status: str, counts: bool) -> None:
    panda.specs = {"CERN": {**SPECS["CERN"], "status": status.upper()}}
    seen = panda.source.jobs(1.0)
    (one,) = of(seen, "atlas")
    assert one.idle == 12
    assert one.apart == ("" if counts else f"PanDA's site CERN is {status}")
    assert seen.of("atlas").status == status
    assert seen.of("cms").status == ""


def test_a_queue_of_several_sites_is_as_the_best_of_them(panda: PandaSite) -> None:
    assert panda.made((("all", "true"),)).jobs(1.0).of("all").status == "online"
    panda.specs = {"CERN": {"status": "offline"}, "BNL": {"status": "test"}}
    assert panda.made((("all", "true"),)).jobs(1.0).of("all").status == "test"


@pytest.mark.parametrize(
    "wrong", [-4, 1.5, 5.0, "12", True, None, [3], {"n": 1}, 10**12, 1e300], ids=lambda one: f"{one!r}"
)
def test_a_number_that_is_none_makes_its_site_unknown_and_no_other(panda: PandaSite, wrong: Any) -> None:
    panda.data = {**table("CERN", activated=wrong), **table("BNL", activated=7)}
    seen = panda.source.jobs(1.0)
    assert "CERN" in seen.of("atlas").unread
    assert not of(seen, "atlas")
    assert (seen.of("cms").unread, [one.idle for one in of(seen, "cms")]) == ("", [7])


@pytest.mark.parametrize("wrong", [None, 3, "CERN", [], {"SCORE": 3}, {"SCORE": {"managed": 3}}, {"SCORE": None}])
def test_a_site_that_is_no_table_is_unknown(panda: PandaSite, wrong: Any) -> None:
    panda.data = {"CERN": wrong, **table("BNL", activated=7)}
    seen = panda.source.jobs(1.0)
    assert seen.of("atlas").unread
    assert not seen.of("cms").unread


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b"3", b"\xff\xfe", b'{"data": {}}', b'{"success": "true", "data": {}}',
     b"{'success': True, 'message': '', 'data': {}}", b'{"success": true, "data": []}', b'{"success": true}',
     b'{"success": true, "data": {"CERN": {"SCORE": {"managed": {"activated": NaN}}}}}', b"[" * 100_000,
     b"<html>down for maintenance</html>", b'{"success": false, "message": "no", "data": {"CERN": {}}}'],
    ids=lambda one: repr(one[:40]),
)  # fmt: skip
@pytest.mark.parametrize("empty", ["unknown", "zero"])
def test_what_is_no_answer_of_panda_is_a_failure_whatever_empty_says(panda: PandaSite, body: bytes, empty: str) -> None:
    panda.reply = Reply(body=body)
    with pytest.raises(PoolAway):
        panda.made(empty=empty).jobs(1.0)


def test_no_jobs_at_all_look_like_a_broken_database_and_what_that_is_is_a_setting(panda: PandaSite) -> None:
    panda.breaks()
    with pytest.raises(PoolAway, match=r'it says so too when it has no job at all.*empty = "zero"'):
        panda.source.jobs(1.0)
    seen = panda.made(empty="zero").jobs(1.0)
    assert seen.complete
    assert not seen.classes


@pytest.mark.parametrize("status", [500, 502, 503, 404, 302, 204])
def test_another_status_than_200_is_a_failure(panda: PandaSite, status: int) -> None:
    panda.reply = said({"success": True, "message": "", "data": {}}, status=status, headers={"Location": "/"})
    with pytest.raises(PoolAway, match=f"HTTP {status}"):
        panda.source.jobs(1.0)


def test_403_is_a_refusal_that_wants_a_person(panda: PandaSite) -> None:
    panda.reply = Reply(status=403, body=b"ERROR : somebody is banned")
    with pytest.raises(PoolDenied, match=r"403: ERROR : somebody is banned \(asked without any credentials\)"):
        panda.source.jobs(1.0)


@pytest.mark.parametrize("reply", [Reply(hangs=True), Reply(drips=True)], ids=["silent", "byte by byte"])
def test_an_answer_that_does_not_end_is_left_at_the_time_limit(panda: PandaSite, reply: Reply) -> None:
    panda.reply = reply
    began = time.monotonic()
    with pytest.raises(PoolAway, match=r"no whole answer within 0\.5 s"):
        panda.made(timeout_s=0.5).jobs(1.0)
    assert time.monotonic() - began < 5.0


def test_an_answer_that_is_too_long_is_refused_before_it_is_read(panda: PandaSite) -> None:
    panda.reply = Reply(body=b" " * 3_000_000)
    with pytest.raises(PoolAway, match="more than 10000 bytes"):
        panda.made(max_bytes=10_000).jobs(1.0)


def test_a_compressed_answer_was_not_asked_for(panda: PandaSite) -> None:
    panda.reply = Reply(body=b"x" * 100, headers={"Content-Encoding": "gzip"})
    with pytest.raises(PoolAway, match="compressed"):
        panda.source.jobs(1.0)
    assert panda.service.asked[0].headers["accept-encoding"] == "identity"


def test_a_server_that_is_not_there_is_away(panda: PandaSite) -> None:
    for url in ("http://127.0.0.1:1", "http://no-such-host.invalid"):
        with pytest.raises(PoolAway):
            panda.made(url=url).jobs(1.0)


def test_one_look_serves_all_queues_and_specs_are_looked_at_seldom(panda: PandaSite) -> None:
    for _ in range(3):
        panda.source.jobs(1.0)
        panda.now += 120
    asked = [one.path.rpartition("/")[2] for one in panda.service.asked]
    assert asked.count("active_job_detailed_stats_by_site") == 3
    assert asked.count("get_site_specs?type=all") == 1


def test_a_server_that_fails_is_left_alone_for_longer_and_longer(panda: PandaSite) -> None:
    panda.reply = Reply(status=500)
    for _ in range(40):
        with pytest.raises(PoolAway):
            panda.source.jobs(1.0)
        panda.now += 60
    assert 6 <= len(panda.service.asked) <= 12
    panda.reply = None
    panda.now += 600
    assert panda.source.jobs(1.0).complete


def test_a_server_that_asks_to_be_left_alone_is(panda: PandaSite) -> None:
    panda.reply = Reply(status=503, headers={"Retry-After": "300"})
    for _ in range(4):
        with pytest.raises(PoolAway, match="503"):
            panda.source.jobs(1.0)
        panda.now += 60
    assert len(panda.service.asked) == 1


def test_specs_that_fail_leave_those_that_were_good(panda: PandaSite) -> None:
    panda.source.jobs(1.0)
    panda.specs = "down"
    panda.now += 700
    seen = panda.source.jobs(1.0)
    assert seen.of("atlas").status == "online"
    assert "are a str; allowed: a table by site" in seen.schedds[0].notes[0]
    panda.specs = {}  # as PanDA says while its database is down, with success: true
    panda.now += 700
    assert panda.source.jobs(1.0).of("atlas").status == "online"
    panda.now += 90_000
    assert panda.source.jobs(1.0).of("atlas").status == ""


def test_a_spec_that_cannot_be_one_is_noted_and_not_known(panda: PandaSite) -> None:
    panda.specs = {"CERN": {"status": 7, "coreCount": -8, "maxrss": "lots"}, "BNL": None}
    seen = panda.source.jobs(1.0)
    (one,) = of(seen, "atlas")
    assert (one.request.cpus, one.request.memory_mib, seen.of("atlas").status) == (1, 0, "")
    notes = " ".join(seen.schedds[0].notes)
    assert "corecount is '-8'" in notes
    assert "maxrss is 'lots'" in notes
    assert "spec of BNL" in notes


def test_a_site_that_panda_does_not_know_is_told(panda: PandaSite) -> None:
    seen = panda.made((("typo", 'ComputingSite == "CREN"'),)).jobs(1.0)
    assert seen.schedds[0].notes == ("queue typo: PanDA knows no site that its jobs expression chooses",)


def test_specs_may_be_a_file_or_a_url_as_cric_has_them(panda: PandaSite, tmp_path: Path) -> None:
    cric = tmp_path / "cric.json"
    cric.write_text(json.dumps({"CERN": {"corecount": 4, "maxrss": 8000, "status": "brokeroff"}}))
    panda.data = table("CERN", "MCORE", activated=2)
    seen = panda.made(specs=str(cric)).jobs(1.0)
    assert (seen.of("atlas").status, of(seen, "atlas")[0].request.cpus) == ("brokeroff", 4)
    with Service(lambda _: Reply(body=cric.read_bytes())) as other:
        token = tmp_path / "token"
        token.write_text("ours")
        seen = panda.made(specs=f"{other.url}/cric", token=f"file:{token}", vo="atlas").jobs(1.0)
        assert seen.of("atlas").status == "brokeroff"
        assert "authorization" not in other.asked[0].headers
    assert "cannot be read" in panda.made(specs=str(tmp_path / "none")).jobs(1.0).schedds[0].notes[0]


def test_a_token_is_read_again_at_each_look_and_sent_with_its_vo(panda: PandaSite, tmp_path: Path) -> None:
    token = tmp_path / "token"
    source = panda.made(token=f"file:{token}", vo="atlas", specs="none")
    with pytest.raises(PoolDenied, match=r"token.*cannot be read"):
        source.jobs(1.0)
    for text in ("first", "second"):
        token.write_text(text + "\n")
        source.jobs(1.0)
        sent = panda.service.asked[-1].headers
        assert (sent["authorization"], sent["origin"]) == (f"Bearer {text}", "atlas")


def test_a_proxy_is_read_again_at_each_look(panda: PandaSite, tmp_path: Path) -> None:
    tls, proxy = certificate(tmp_path / "server.pem"), tmp_path / "proxy.pem"
    with Service(panda.answer, tls=tls) as secure:
        source = panda.made(url=secure.url, ca=str(tls), proxy=str(proxy))
        with pytest.raises(PoolDenied, match="cannot be used"):
            source.jobs(1.0)
        proxy.write_bytes(tls.read_bytes())
        assert source.jobs(1.0).complete
        assert secure.asked[0].who == "localhost"
        with pytest.raises(PoolAway, match="CERTIFICATE_VERIFY_FAILED"):
            panda.made(url=secure.url).jobs(1.0)


def test_the_live_check_says_how_the_sites_are(panda: PandaSite) -> None:
    assert [(one.what, one.ok, one.text) for one in panda.source.check()] == [
        ("statistics", True, "answers; jobs at 2 sites"),
        ("specs", True, "2 sites known"),
        ("queue atlas", True, "its site is online"),
        ("queue cms", True, "its site is test"),
    ]
    panda.breaks()
    assert [one.ok for one in panda.source.check()] == [False]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just("CERN"), inner, max_size=3)
    ),
    max_leaves=20,
)


@given(JSON, st.booleans())
def test_whatever_is_said_is_counts_a_damage_or_a_failure(data: Any, detailed: bool) -> None:
    try:
        found = statistics(data, detailed)
    except PoolError:
        return
    assert {one.site for one in found.jobs}.isdisjoint(found.damages)
    assert all(type(n) is int and n >= 0 for one in found.jobs for n in one.counts.values())


def test_a_reading_is_of_the_moment_that_it_was_asked_at(panda: PandaSite) -> None:
    assert replace(panda.source.jobs(3.0), at=0.0) == replace(panda.source.jobs(4.0), at=0.0)
