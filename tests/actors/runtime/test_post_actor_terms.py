"""What becomes of an answer when the term that asked for it is over."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pykka

from actors.runtime.calls import CallAnswer, Calls
from actors.runtime.messages import LookAtWishes
from actors.runtime.metrics import Gauges
from actors.runtime.post_actor import Drop, Hold, PostActor, Seat, Tick, Wake
from actors.runtime.terms import Terms
from broker.errors import LeaseLost, StaleRow
from broker.posts.leases import Term
from tests.condor_pool import until

POST = "queue/atlas"


class Asker(PostActor):
    """Each look asks twice; the answers are used with what is kept of the post. The first finds its term lost."""

    title = "asker"

    def __init__(self, terms: Terms, calls: Calls, gauges: Gauges, wait: Callable[[], object], used: list[str]) -> None:
        super().__init__(terms, calls, gauges)
        self.wait, self.used = wait, used

    def interval_s(self, seat: Seat) -> float:
        return 1000.0

    def begin(self, seat: Seat, term: Term) -> Any:
        return {"kept": str(term.fence)}

    def look(self, seat: Seat, term: Term) -> None:
        self.call(seat, "look", f"first {term.fence}", self.wait, lambda _: self.first(seat))
        self.call(seat, "look", f"second {term.fence}", self.wait, lambda _: self.second(seat))

    def first(self, seat: Seat) -> None:
        if seat.state["kept"] == "1":
            raise LeaseLost(POST, "a#1", 1, "another holder")

    def second(self, seat: Seat) -> None:
        self.used.append(seat.state["kept"])


def term(fence: int) -> Term:
    return Term(post=POST, holder="a#1", fence=fence, trusted_until=time.monotonic() + 1000)


def test_answers_to_a_term_that_is_over_are_dropped_and_the_actor_lives() -> None:
    terms, calls, go_on, used = Terms(), Calls(4), threading.Event(), list[str]()
    terms.put(term(1))
    ref = Asker.start(terms, calls, Gauges(), go_on.wait, used)
    try:
        ref.tell(Hold(post=POST))
        until(lambda: calls.under_way("second 1"), "the calls are under way", 5)
        go_on.set()
        until(lambda: not calls.under_way("first 1") and not calls.under_way("second 1"), "both have answered", 5)
        terms.put(term(2))
        again(ref)
        until(lambda: "2" in used or not ref.is_alive(), "the next term's answer is used", 5)
        assert ref.is_alive()
        assert set(used) <= {"1", "2"}
    finally:
        ref.stop()
        calls.close()


def again(ref: pykka.ActorRef[Any]) -> None:
    ref.tell(Drop(post=POST))
    ref.tell(Hold(post=POST))
    ref.tell(Tick())


class Counting(PostActor):
    """Counts how often a post was begun, looked at, and an answer heard. `wrong`: what its looks end in."""

    title = "counting"
    begun = looked = heard = 0
    wrong: Exception | None = None

    def interval_s(self, seat: Seat) -> float:
        return 1000.0

    def begin(self, seat: Seat, term: Term) -> Any:
        self.begun += 1
        return True

    def look(self, seat: Seat, term: Term) -> None:
        self.looked += 1
        if self.wrong:
            raise self.wrong
        self.call(seat, "look", "the call", lambda: None, self.hear)

    def hear(self, _: Any) -> None:
        self.heard += 1


def counting() -> tuple[Counting, Calls]:
    terms, calls = Terms(), Calls(4)
    terms.put(term(1))
    return Counting(terms, calls, Gauges()), calls


def received(actor: PostActor, *messages: object) -> None:
    for message in messages:
        actor.on_receive(message)


def test_an_answer_to_a_post_that_was_given_up_and_taken_again_is_not_heard() -> None:
    """Its row may have another writer in between: what the answer is about is no more."""
    actor, calls = counting()
    received(actor, Hold(post=POST), Tick())
    while not isinstance(answer := actor.actor_inbox.get(timeout=10).message, CallAnswer):
        pass
    received(actor, Drop(post=POST), Hold(post=POST), Tick())
    assert actor.begun == 2
    received(actor, answer)
    assert actor.heard == 0
    calls.close()


def test_a_look_that_finds_its_term_lost_forgets_all_that_it_kept() -> None:
    actor, calls = counting()
    actor.wrong = LeaseLost(POST, "a#1", 1, "another holder")
    received(actor, Hold(post=POST), Tick())
    actor.wrong = None
    received(actor, Wake(post=POST, message=LookAtWishes()), Tick())
    assert actor.begun == 2
    calls.close()


def test_a_row_that_another_wrote_meanwhile_is_looked_at_again_at_once() -> None:
    actor, calls = counting()
    actor.wrong = StaleRow("vm", "x-0", 1, 2)
    received(actor, Hold(post=POST), Tick())
    actor.wrong = None
    received(actor, Tick())
    assert (actor.begun, actor.looked) == (1, 2)
    calls.close()
