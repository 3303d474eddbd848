"""What the monitor tells of readings that fail: enough to act on, and not a line for each reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from actors.config.schema import HtcondorPool
from actors.fleet.observations import Failed, JobsSeen, Listed, ScheddSeen
from actors.monitor.actor import TOLD_AGAIN_S, Monitor, MonitorCloudSeat
from actors.runtime.post_actor import Seat
from broker.connection.address import Site
from broker.mail.dead_letters import DeadLetters
from broker.posts.leases import Leases, Term
from tests.actors.stage import CONFIG, Stage

Tell = Callable[[str], list[str]]


@pytest.fixture
def stage(site: Site) -> Iterator[Stage]:
    made = Stage(site)
    yield made
    made.close()


@pytest.fixture
def tell(stage: Stage, site: Site) -> Tell:
    """Note one reading of the cloud, failed for the reason if there is one; returns what the log was told."""
    services = stage.services(CONFIG, None)  # type: ignore[arg-type]
    monitor = Monitor(services, {}, {}, {}, DeadLetters(site.client(), site))
    seat = Seat(post=stage.post, kept=MonitorCloudSeat())

    def told(why: str) -> list[str]:
        failed = Failed(source="cloud/private", at=stage.now, reason=why)
        with capture_logs() as logs:
            monitor._note(seat, "listing", failed if why else Listed(source="twin", at=stage.now, instances=()))
        return [str(line["event"]) for line in logs]

    return told


def test_a_reading_that_goes_on_failing_is_told_once_and_its_end_once(tell: Tell) -> None:
    assert tell("timed out") == ["reading failed"]
    assert tell("timed out") == []
    assert tell("") == ["reading works again"]
    assert tell("") == []
    assert tell("timed out") == ["reading failed"]


def test_a_failure_that_reads_otherwise_each_time_is_told_again_once_a_minute(stage: Stage, tell: Tell) -> None:
    assert tell("ap2 hung") == ["reading failed"]
    stage.now += TOLD_AGAIN_S / 2
    assert tell("ap2: the child was killed") == []
    stage.now += TOLD_AGAIN_S / 2
    assert tell("ap2: the child was killed") == ["reading failed"]
    assert tell("") == ["reading works again"]


class Source:
    """A source of demand without startds: asking it for some is an error."""

    def __init__(self) -> None:
        self.looks = 0

    def jobs(self, now: float, slots: object = None) -> JobsSeen:
        self.looks += 1
        return JobsSeen(source="wms", at=now, classes=(), schedds=(ScheddSeen(name="panda"),))

    def close(self) -> None: ...


def test_a_pool_that_has_no_startds_is_not_asked_for_any(
    stage: Stage, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HtcondorPool, "has_startds", False)
    source, services = Source(), stage.services(CONFIG, None)  # type: ignore[arg-type]
    monitor = Monitor(services, {"local": source}, {}, {}, DeadLetters(site.client(), site))
    term = Leases(site.client(), site, "test#1", 600.0).acquire("pool/local")
    assert isinstance(term, Term)
    services.terms.put(term)
    seat = Seat(post="pool/local", kept=monitor.begin(Seat(post="pool/local"), term))
    asked: list[str] = []

    def at_once(*told: Any, **_: object) -> bool:
        _, _, key, read, then = told
        asked.append(key)
        then(read())
        return True

    monkeypatch.setattr(monitor, "call", at_once)
    monkeypatch.setattr(monitor, "_office", SimpleNamespace(send=lambda *_: None))
    monitor.look(seat, term)
    assert asked == ["jobs local"]
    monitor.look(seat, term)
    assert source.looks == 2
