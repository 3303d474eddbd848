"""When an actor looks at its posts."""

import threading
import time
from itertools import pairwise
from typing import Any

from actors.calls import Calls
from actors.gauges import Gauges
from actors.messages import LookAtDemand
from actors.serving import REST, Hold, Seat, Serving, Terms, Tick, Wake
from broker.leases import Term

POST = "queue/atlas"


class Looker(Serving):
    """Each look uses `used_s` of a core, and its moment is kept in `looks`."""

    title = "looker"

    def __init__(self, terms: Terms, calls: Calls, gauges: Gauges, used_s: float, looks: list[float]) -> None:
        super().__init__(terms, calls, gauges)
        self.used_s, self.looks = used_s, looks

    def interval_s(self, seat: Seat) -> float:
        return 1000.0

    def begin(self, seat: Seat, term: Term) -> Any:
        return True

    def look(self, seat: Seat, term: Term) -> None:
        self.looks.append(time.monotonic())
        over = time.thread_time() + self.used_s
        while time.thread_time() < over:
            pass


def looks_after_wakes(used_s: float, for_s: float) -> list[float]:
    """When an actor looked that gets a mail every 5 ms."""
    terms, calls = Terms(), Calls(4)
    terms.put(Term(post=POST, holder="a#1", fence=1, trusted_until=time.monotonic() + 1000))
    looks: list[float] = []
    ref = Looker.start(terms, calls, Gauges(), used_s, looks)
    try:
        ref.tell(Hold(post=POST))
        deadline, pause = time.monotonic() + for_s, threading.Event()
        while time.monotonic() < deadline:
            ref.tell(Wake(post=POST, message=LookAtDemand(pool="local")))
            ref.tell(Tick())
            pause.wait(0.005)
    finally:
        ref.stop()
        calls.close()
    return looks


def test_after_a_look_that_cost_much_the_post_rests_in_proportion() -> None:
    looks = looks_after_wakes(used_s=0.1, for_s=1.5)
    assert len(looks) >= 2, "a wake in the rest is not forgotten"
    assert all(after - before >= (1 + REST) * 0.1 for before, after in pairwise(looks))


def test_a_cheap_look_follows_each_mail() -> None:
    assert len(looks_after_wakes(used_s=0.0, for_s=0.5)) > 10
