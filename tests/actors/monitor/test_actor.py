"""What the monitor tells of readings that fail: enough to act on, and not a line for each reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from actors.fleet.observations import Failed, Listed
from actors.monitor.actor import TOLD_AGAIN_S, Monitor, MonitorCloudSeat
from actors.runtime.post_actor import Seat
from broker.connection.address import Site
from broker.mail.dead_letters import DeadLetters
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
    seat = Seat(post=stage.post, state=MonitorCloudSeat())

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
