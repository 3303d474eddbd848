"""What the supervisor does, and says, when an actor dies."""

import io
import json
import logging
import time
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import structlog
from structlog.testing import capture_logs

from actors.host.logs import configure
from actors.host.supervisor import Supervisor
from actors.runtime import post_actor
from actors.runtime.calls import Calls
from actors.runtime.metrics import Gauges
from actors.runtime.post_actor import Hold, PostActor, Seat, Tick
from actors.runtime.rounds import Rounds
from actors.runtime.terms import Terms
from broker.posts.leases import Term
from tests.late import within

POST = "pool/local"


class Falls(PostActor):
    """Dies at its first message, as an actor with a mistake in what serves all posts does."""

    title = "monitor"

    def interval_s(self, seat: Seat) -> float:
        return 0.0

    def _receive(self, message: Any) -> None:
        raise KeyError("a mistake in the code")

    def look(self, seat: Seat, term: Term) -> None: ...


def until(true: Callable[[], bool], what: str, deadline_s: float = 30.0) -> None:
    within(deadline_s, what, true, poll_s=0.01)


@pytest.fixture
def terms() -> Terms:
    made = Terms()
    made.put(Term(post=POST, holder="a#1", fence=1, trusted_until=time.monotonic() + 1_000))
    return made


def test_the_line_that_says_that_an_actor_died_says_what_of(terms: Terms) -> None:
    calls, gauges = Calls(4), Gauges()
    supervisor = Supervisor({"monitor": lambda: Falls.start(terms, calls, gauges)}, gauges)
    with capture_logs() as logs:
        supervisor.round()
        life = supervisor._lives["monitor"]
        first = life.ref
        assert first is not None
        first.tell(Hold(post=POST))
        until(lambda: not first.is_alive(), "it dies at its first look")
        life.not_before = 0.0
        supervisor.round()
    supervisor.stop()
    calls.close()
    (death,) = [line for line in logs if line["event"] == "actor died"]
    assert death["why"] == "KeyError: 'a mistake in the code'"
    assert isinstance(death["exc_info"], KeyError)
    assert death["exc_info"].__traceback__ is not None, "the traceback says where"
    assert life.ref is not first


def test_the_log_of_a_host_tells_a_death_once(terms: Terms) -> None:
    root, pykkas = logging.getLogger(), logging.getLogger("pykka")
    before = (root.handlers[:], root.level, pykkas.level)
    stream = io.StringIO()
    configure(stream)
    calls, gauges = Calls(4), Gauges()
    supervisor = Supervisor({"monitor": lambda: Falls.start(terms, calls, gauges)}, gauges)
    try:
        supervisor.round()
        life = supervisor._lives["monitor"]
        first = life.ref
        assert first is not None
        first.tell(Hold(post=POST))
        until(lambda: not first.is_alive(), "it dies at its first look")
        life.not_before = 0.0
        supervisor.round()
    finally:
        supervisor.stop()
        calls.close()
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        pykkas.setLevel(before[2])
        structlog.reset_defaults()
    told = [line for line in stream.getvalue().splitlines() if "a mistake in the code" in line]
    assert [json.loads(line)["event"] for line in told] == ["actor died"]


class FailsAt(PostActor):
    """One of its posts fails at each look, until it is well; the others do not."""

    title = "monitor"
    bad = "pool/bad"
    well = False
    seen: ClassVar[list[str]] = []

    def interval_s(self, seat: Seat) -> float:
        return 0.0

    def begin(self, seat: Seat, term: Term) -> Any:
        return {}

    def look(self, seat: Seat, term: Term) -> None:
        self.seen.append(seat.post)
        if seat.post == self.bad and not FailsAt.well:
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "a mistake of one post")


def test_a_post_that_fails_by_what_nobody_expected_is_set_aside_alone_and_told_until_it_is_well(
    terms: Terms, monkeypatch: pytest.MonkeyPatch
) -> None:
    terms.put(Term(post=FailsAt.bad, holder="a#1", fence=1, trusted_until=time.monotonic() + 1_000))
    monkeypatch.setattr(post_actor, "ASIDE_S", (0.05, 0.2))
    calls, gauges = Calls(4), Gauges()
    ref = FailsAt.start(terms, calls, gauges)
    ref.tell(Hold(post=FailsAt.bad))
    ref.tell(Hold(post=POST))

    def ticked(true: Callable[[], bool]) -> bool:
        ref.tell(Tick())
        return true()

    until(lambda: ticked(lambda: FailsAt.seen.count(POST) > 20), "the other post is served")
    until(lambda: ticked(lambda: FailsAt.seen.count(FailsAt.bad) > 1), "it is tried again")
    assert FailsAt.seen.count(FailsAt.bad) < FailsAt.seen.count(POST)
    assert ref.is_alive()
    ((where, why),) = terms.aside().items()
    assert where == (FailsAt.bad, "monitor")
    assert "a mistake of one post" in why
    assert "times in a row" in why
    FailsAt.well = True
    until(lambda: ticked(lambda: not terms.aside()), "it is served again")
    ref.stop()
    calls.close()


def test_a_death_is_a_trouble_that_the_host_tells(terms: Terms) -> None:
    calls, gauges = Calls(4), Gauges()
    supervisor = Supervisor({"monitor": lambda: Falls.start(terms, calls, gauges)}, gauges)
    supervisor.round()
    life = supervisor._lives["monitor"]
    first = life.ref
    assert first is not None
    first.tell(Hold(post=POST))
    until(lambda: not first.is_alive(), "it dies")
    assert supervisor.troubles() == []
    life.not_before = 0.0
    supervisor.round()
    assert "its monitor died, and was started anew: KeyError" in supervisor.troubles()[0]
    supervisor.stop()
    calls.close()


def test_a_thread_whose_round_fails_lives_on_and_tells_it_until_a_round_succeeds() -> None:
    fails, failed = [True], []

    def round() -> None:
        if fails[0]:
            raise ValueError("a round that nobody expected to fail")

    rounds = Rounds("config", round, 0.05, failed.append, most_s=0.1)
    rounds.start()
    until(lambda: len(failed) > 2, "it goes on")
    assert "its thread config fails" in rounds.trouble
    fails[0] = False
    until(lambda: not rounds.trouble, "it is well again")
    assert rounds.stop(5.0)
