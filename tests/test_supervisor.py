"""What the supervisor does, and says, when an actor dies."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from actors.calls import Calls
from actors.gauges import Gauges
from actors.serving import Hold, Seat, Serving, Terms
from actors.supervisor import Supervisor
from broker.leases import Term
from tests.late import within

POST = "pool/local"


class Falls(Serving):
    """Dies at its first look, as an actor with a mistake in it does."""

    title = "monitor"

    def interval_s(self, seat: Seat) -> float:
        return 0.0

    def begin(self, seat: Seat, term: Term) -> Any:
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
