"""When an actor looks at its posts."""

import threading
import time
from itertools import pairwise
from typing import Any

import pytest

from actors.runtime.calls import CallAnswer, Calls
from actors.runtime.messages import LookAtDemand, LookAtWishes
from actors.runtime.metrics import Gauges
from actors.runtime.post_actor import FIRST_S, FIRST_SHARE, REST, Hold, PostActor, Seat, Tick, Wake
from actors.runtime.terms import Terms
from broker.envelope import Message
from broker.posts.leases import Term

POST = "queue/atlas"


class Looker(PostActor):
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


def trusted(*posts: str) -> Terms:
    """Terms of these posts that outlast a test."""
    terms = Terms()
    for post in posts:
        terms.put(Term(post=post, holder="a#1", fence=1, trusted_until=time.monotonic() + 1000))
    return terms


def looks_after_wakes(used_s: float, for_s: float) -> list[float]:
    """When an actor looked that gets a mail every 5 ms."""
    terms, calls = trusted(POST), Calls(4)
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


def looks_after_each(kind: type[Looker], *messages: Any) -> list[int]:
    """How many looks an actor had made after each of these messages, received one after the other on this thread."""
    terms, calls = trusted(POST), Calls(4)
    looks: list[float] = []
    actor = kind(terms, calls, Gauges(), 0.0, looks)
    counts = []
    for message in messages:
        actor.on_receive(message)
        counts.append(len(looks))
    calls.close()
    return counts


class Patient(Looker):
    """News of a pool may wait for ever; other news may not."""

    def may_wait_s(self, news: Message) -> float:
        return 1000.0 if isinstance(news, LookAtDemand) else 0.0


def test_news_that_may_wait_makes_no_look_of_its_own_and_keeps_no_other_news_waiting() -> None:
    patient_news = Wake(post=POST, message=LookAtDemand(pool="local"))
    other_news = Wake(post=POST, message=LookAtWishes())
    messages = (Hold(post=POST), Tick(), patient_news, Tick(), other_news, patient_news, Tick())
    assert looks_after_each(Patient, *messages) == [0, 1, 1, 1, 1, 1, 2]


class Brief(Looker):
    """News may wait for a moment."""

    looked = threading.Semaphore(0)

    def may_wait_s(self, news: Message) -> float:
        return 0.05

    def look(self, seat: Seat, term: Term) -> None:
        super().look(seat, term)
        self.looked.release()


def test_news_that_may_wait_is_looked_at_when_its_time_is_over_whoever_ticks() -> None:
    terms, calls, looks = trusted(POST), Calls(4), list[float]()
    ref = Brief.start(terms, calls, Gauges(), 0.0, looks)
    try:
        ref.tell(Hold(post=POST))
        assert Brief.looked.acquire(timeout=30)
        woken = time.monotonic()
        ref.tell(Wake(post=POST, message=LookAtDemand(pool="local")))
        assert Brief.looked.acquire(timeout=30)
    finally:
        ref.stop()
        calls.close()
    assert looks[1] - woken >= 0.05


class Staggered(Brief):
    """News of a pool may wait for a moment, other news for a moment more."""

    looked = threading.Semaphore(0)

    def may_wait_s(self, news: Message) -> float:
        return 0.05 if isinstance(news, LookAtDemand) else 0.1


def test_news_of_two_posts_that_may_wait_is_looked_at_in_time_for_both_whoever_ticks() -> None:
    posts = [POST, "queue/other"]
    terms, calls, looks = trusted(*posts), Calls(4), list[float]()
    ref = Staggered.start(terms, calls, Gauges(), 0.0, looks)
    try:
        for post in posts:
            ref.tell(Hold(post=post))
        assert all(Staggered.looked.acquire(timeout=30) for _ in posts)
        ref.tell(Wake(post=posts[0], message=LookAtDemand(pool="local")))
        ref.tell(Wake(post=posts[1], message=LookAtWishes()))
        assert all(Staggered.looked.acquire(timeout=30) for _ in posts)
    finally:
        ref.stop()
        calls.close()


class Finder(Looker):
    """Its first look finds something that is to be looked at closely from then on."""

    def interval_s(self, seat: Seat) -> float:
        return 0.0 if self.looks else 1000.0


def test_the_next_look_is_as_soon_as_what_this_one_found_asks_for() -> None:
    assert looks_after_each(Finder, Hold(post=POST), Tick(), Tick()) == [0, 1, 2]


def test_a_cheap_look_follows_each_mail() -> None:
    assert len(looks_after_wakes(used_s=0.0, for_s=0.5)) > 10


def answer_to(actor: PostActor) -> CallAnswer:
    """The answer from the actor's inbox, where the call's thread puts it. What was there before is gone."""
    while not isinstance(message := actor.actor_inbox.get(timeout=10).message, CallAnswer):
        pass
    return message


class Caller(Looker):
    """Asks something outside at each look."""

    wakes = True

    def look(self, seat: Seat, term: Term) -> None:
        super().look(seat, term)
        self.call(seat, "look", f"call {len(self.looks)}", lambda: None, lambda _: None, wakes=self.wakes)

    def answered(self) -> None:
        """Take the answer and look if that asks for it."""
        self.on_receive(answer_to(self))
        self.on_receive(Tick())


class Unwoken(Caller):
    wakes = False


@pytest.mark.parametrize(("kind", "looks"), [(Caller, 2), (Unwoken, 1)])
def test_a_look_follows_an_answer_unless_the_call_says_that_it_wakes_nobody(kind: type[Caller], looks: int) -> None:
    terms, calls, made = trusted(POST), Calls(4), list[float]()
    actor = kind(terms, calls, Gauges(), 0.0, made)
    for message in (Hold(post=POST), Tick()):
        actor.on_receive(message)
    actor.answered()
    assert len(made) == looks
    calls.close()


class Repeater(Looker):
    """Asks the same at each look. `heard`: the answers that were taken."""

    heard = 0

    def look(self, seat: Seat, term: Term) -> None:
        super().look(seat, term)
        self.call(seat, "look", "the call", lambda: None, self.hear)

    def hear(self, _: Any) -> None:
        self.heard += 1


def test_a_call_is_not_made_again_while_its_answer_waits_in_the_inbox() -> None:
    terms, calls, made = trusted(POST), Calls(4), list[float]()
    actor = Repeater(terms, calls, Gauges(), 0.0, made)
    for message in (Hold(post=POST), Tick()):
        actor.on_receive(message)
    answer = answer_to(actor)
    assert not calls.under_way("the call")
    assert actor.under_way("the call")
    for message in (Wake(post=POST, message=LookAtWishes()), Tick()):
        actor.on_receive(message)
    assert len(made) == 2
    assert not calls.under_way("the call")
    actor.on_receive(answer)
    assert actor.heard == 1
    assert not actor.under_way("the call")
    calls.close()


class Keeper(Looker):
    """Notes at which posts it looked. `used_so_far_s`: what its thread's clock is to say."""

    def __init__(self, terms: Terms, calls: Calls, gauges: Gauges, used_s: float) -> None:
        super().__init__(terms, calls, gauges, used_s, [])
        self.looked: list[str] = []
        self.used_so_far_s = 0.0

    def look(self, seat: Seat, term: Term) -> None:
        self.used_so_far_s += self.used_s
        self.looked.append(seat.post)


def test_posts_that_come_together_have_their_first_looks_a_few_at_a_time_and_those_with_mail_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    posts, used_s = [f"queue/{number}" for number in range(8)], FIRST_S / 2.5
    terms, calls, began = trusted(*posts), Calls(4), time.monotonic()
    actor = Keeper(terms, calls, Gauges(), used_s)
    monkeypatch.setattr(time, "thread_time", lambda: actor.used_so_far_s)
    for post in posts:
        actor.on_receive(Hold(post=post))
    actor.on_receive(Wake(post=posts[-1], message=LookAtWishes()))
    actor.on_receive(Tick())
    assert actor.looked == [*posts[:3], posts[-1]]
    while len(actor.looked) < len(posts):
        actor.on_receive(Tick())
    assert sorted(actor.looked) == sorted(posts)
    of_first_looks = used_s * (len(posts) - 2)  # one was asked for, and one is paid for afterwards
    assert time.monotonic() - began >= (of_first_looks - FIRST_S) / FIRST_SHARE
    calls.close()
