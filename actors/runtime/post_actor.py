"""An actor that serves posts: what the four have in common, which is when to look, not what to do.

In pykka an actor is a thread, and a factory has as many posts as queues, clouds and pools. So an actor of ours serves
all posts of its kind that its host holds (schedulers: a share of them), and keeps what it knows of each in a `Seat`.
Threads stay bounded, whatever the number of queues.

It looks when mail says so, when a call has answered, and by itself at a steady, jittered interval, since mail may be
lost. Several wakes in a row make one look. After a look that cost much (ten thousand VMs) the post rests in proportion,
and wakes are only noted: a burst of mail then makes a few looks, not one a mail, and other threads run meanwhile. Of
posts that come together, as in a takeover, those without mail have their first looks a few at a time.

An exception that says "Redis is away" or "the term is over" ends that look and nothing else. Any other, one that nobody
expected, is that post's alone: the post is set aside for a pause that grows while it goes on failing, its reason is
told (`Terms.aside`), and the actor serves the others. What fails outside of any post kills the actor, and the
supervisor starts it anew from the rows.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pykka
import structlog

from actors.fleet.number_of import number_of
from actors.runtime.calls import CallAnswer, Calls, Lane
from actors.runtime.metrics import Gauges
from actors.runtime.pauses import pause_s
from actors.runtime.terms import Terms
from actors.store.codec import BadRow
from broker.envelope import Message
from broker.errors import DamagedRow, LeaseLost, StaleRow, Unreachable
from broker.posts.leases import Term

S = TypeVar("S")  # what an actor keeps of one post
R = TypeVar("R")  # what a call brings

log = structlog.get_logger("actor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """This host holds the post now: serve it."""

    post: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """This host holds the post no more: forget it."""

    post: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Look at whatever is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wake:
    """Mail came for the post."""

    post: str
    message: Message


_CAUSES: dict[str, BaseException] = {}  # of death, by actor urn, until the supervisor asks; as pykka's own registry is


def cause_of_death(ref: pykka.ActorRef[Any]) -> BaseException | None:
    """What ended the actor, once; None if nothing did, or not in its own code."""
    return _CAUSES.pop(ref.actor_urn, None)


CHEAP_S = 0.06  # a look that takes less of a core needs no rest
LOOK = "look"
REST = 3.0  # times what it took
ASIDE_S = (1.0, 5.0, 15.0, 60.0, 300.0)  # how long a post is set aside that failed by what nobody expected
SOONEST_S = 0.05  # between two looks for news that may wait
FIRST_SHARE = 0.1  # of a core, for first looks that nobody asked for
FIRST_S = 0.03  # of a core, for those that come at once


@dataclass(slots=True, kw_only=True)
class Seat(Generic[S]):
    """One post as an actor serves it. `due`: monotonic time of the next look, which is not before `rests_until`.

    `new`: it was not looked at yet, and no mail came for it. `kept`: what the actor knows of the post in this term.
    """

    post: str
    due: float = 0.0
    rests_until: float = 0.0
    new: bool = True
    failures: int = 0  # in a row, by what nobody expected
    failed_in: str = ""  # a look, or the key of a call whose answer could not be taken
    kept: S | None = None

    @property
    def name(self) -> str:
        return self.post.partition("/")[2]

    @property
    def state(self) -> S:
        """As `kept`; for who looks, and takes answers: that is after `begin`."""
        if self.kept is None:
            raise RuntimeError(f"{self.post} was not begun")
        return self.kept


class PostActor(pykka.ThreadingActor, Generic[S]):
    """Subclasses say `title`, `interval_s`, `begin` and `look`; nothing here knows what they do."""

    use_daemon_thread = True
    title = ""

    def __init__(self, terms: Terms, calls: Calls, gauges: Gauges) -> None:
        super().__init__()
        self.terms, self.calls = terms, calls
        self._looked, self._gauges = gauges.look_s.labels(self.title), gauges
        self._seats: dict[str, Seat[S]] = {}
        self._tick_waits = self._timer_runs = False
        self._soon: set[str] = set()  # posts with a look that is due in a moment
        self._unanswered: set[str] = set()  # keys of calls: under way, or their answer waits in the inbox
        self._first_s, self._first_at = FIRST_S, time.monotonic()  # left for first looks, and when that was counted

    def interval_s(self, seat: Seat[S]) -> float:
        """How long the post may go without a look."""
        raise NotImplementedError

    def may_wait_s(self, news: Message) -> float:
        """How long this news may wait for more of its kind: one look does for all."""
        return 0.0

    def begin(self, seat: Seat[S], term: Term) -> S:
        """What the actor keeps of a post, read from the rows."""
        raise NotImplementedError

    def look(self, seat: Seat[S], term: Term) -> None:
        """Look at one post and do what follows. Must not wait for anything outside Redis."""
        raise NotImplementedError

    def on_receive(self, message: Any) -> None:
        """pykka ends the actor on whatever is raised here, and tells nobody why: so the cause is put down first."""
        try:
            self._receive(message)
        except BaseException as cause:
            _CAUSES[self.actor_urn] = cause
            raise

    def _receive(self, message: Any) -> None:
        match message:
            case Hold(post=post):
                self._seats[post] = Seat(post=post)
                self._tick_soon()
            case Drop(post=post):
                self._seats.pop(post, None)
                self._soon.discard(post)
            case Wake(post=post, message=news) if post in self._seats:
                self._seats[post].new = False
                self._surviving(self._seats[post], lambda seat: self.look_in(seat, self.may_wait_s(news)))
            case CallAnswer(post=post, key=key, seat=seat):
                self._unanswered.discard(key)
                if self._seats.get(post) is seat:
                    self._take(self._seats[post], message)
            case Tick():
                self._tick_waits = False
                self._look_at_due()

    def call(
        self,
        seat: Seat[S],
        lane: Lane,
        key: str,
        call: Callable[[], R],
        then: Callable[[R | Exception], None],
        wakes: bool = True,
    ) -> bool:
        """Start a call; `then(value or exception)` runs on this actor's thread if the post is still served, and a look
        follows, if it `wakes`. A call is not made again until its answer was taken. False: it was not started.
        """
        post, ref = seat.post, self.actor_ref

        def answer(value: Any, error: Exception | None) -> None:
            if ref.is_alive():
                ref.tell(CallAnswer(post=post, key=key, seat=seat, then=then, wakes=wakes, value=value, error=error))

        if key in self._unanswered or not self.calls.start(lane, key, call, answer):
            return False
        self._unanswered.add(key)
        return True

    def under_way(self, key: str) -> bool:
        """A call was started, by this actor or by one before it, whose answer was not taken yet."""
        return key in self._unanswered or self.calls.under_way(key)

    def look_in(self, seat: Seat[S], wait_s: float) -> None:
        """A look at the post is due in so many seconds, if none is before."""
        seat.due = min(seat.due, time.monotonic() + wait_s)
        if wait_s > 0:
            self._soon.add(seat.post)
            self._tick_in(wait_s)
        else:
            self._tick_soon()

    def _take(self, seat: Seat[S], answer: CallAnswer) -> None:
        """What was kept of a term that is over is gone, so its answers say nothing any more: the rows do."""
        if seat.kept is None:
            return
        if self._surviving(seat, lambda _: answer.then(answer.error if answer.error is not None else answer.value),
                           answer.key):  # fmt: skip
            self._is_well(seat, answer.key)
        if answer.wakes:
            self.look_in(seat, 0.0)

    def _tick_soon(self) -> None:
        """Behind what already waits in the inbox, so that many wakes make one look."""
        if not self._tick_waits:
            self._tick_waits = True
            self.actor_ref.tell(Tick())

    def _tick_in(self, wait_s: float) -> None:
        """When the news that waits is due: the supervisor's next tick may be as late again."""
        if not self._timer_runs:
            self._timer_runs = True
            timer = threading.Timer(wait_s, self._time_is_over)
            timer.daemon = True
            timer.start()

    def _time_is_over(self) -> None:
        self._timer_runs = False
        if self.actor_ref.is_alive():
            self.actor_ref.tell(Tick())

    def _look_at_due(self) -> None:
        now = time.monotonic()
        self._first_s = min(FIRST_S, self._first_s + FIRST_SHARE * (now - self._first_at))
        self._first_at = now
        for seat in list(self._seats.values()):
            if seat.due <= now and seat.rests_until <= now and not (seat.new and self._first_s <= 0):
                used_s = self._look_timed(seat, now)
                self._first_s -= used_s if seat.new else 0.0
                seat.new = False
            self.terms.progress(self.title, seat.post)
        if self._soon and not self._timer_runs:
            due = min(max(seat.due, seat.rests_until) for seat in map(self._seats.__getitem__, self._soon))
            self._tick_in(max(SOONEST_S, due - time.monotonic()))

    def _look_timed(self, seat: Seat[S], now: float) -> float:
        """Seconds of a core that it used."""
        seat.due = math.inf
        self._soon.discard(seat.post)
        before_s = time.thread_time()
        with self._looked.time():
            if self._surviving(seat, self._look_at):
                self._is_well(seat, LOOK)
        used_s = time.thread_time() - before_s
        seat.rests_until = max(seat.rests_until if seat.failures else 0.0, _rests_until(time.monotonic(), used_s))
        # by what the look found, not by what was known before it
        self._surviving(seat, lambda one: self._due_in(one, now))
        return used_s

    def _due_in(self, seat: Seat[S], now: float) -> None:
        seat.due = min(seat.due, now + self.interval_s(seat) * random.uniform(0.9, 1.1))

    def _look_at(self, seat: Seat[S]) -> None:
        term = self.terms.get(seat.post)
        if term is None:
            return
        if seat.kept is None:
            seat.kept = self.begin(seat, term)
        self.look(seat, term)

    def _surviving(self, seat: Seat[S], work: Callable[[Seat[S]], None], what: str = LOOK) -> bool:
        """Expected trouble ends this look: the rows are there, the next look starts from them. Whether there was none
        that nobody expected.
        """
        try:
            work(seat)
        except Unreachable as away:
            log.warning("redis away", actor=self.title, post=seat.post, why=str(away))
        except (BadRow, DamagedRow) as bad:
            log.error("row cannot be read", actor=self.title, post=seat.post, why=str(bad))
        except StaleRow as stale:
            seat.due = 0.0
            log.info("row moved on", actor=self.title, post=seat.post, why=str(stale))
        except LeaseLost as lost:
            seat.kept = None
            log.info("term over", actor=self.title, post=seat.post, why=str(lost))
        except Exception as cause:  # noqa: BLE001 - supervision: one post's mistake must not stop the others
            self._set_aside(seat, cause, what)
            return False
        return True

    def _set_aside(self, seat: Seat[S], cause: Exception, what: str) -> None:
        """Its next look starts from the rows, after a pause."""
        wait_s = pause_s(ASIDE_S, seat.failures)
        seat.failures, seat.failed_in, seat.kept = seat.failures + 1, what, None
        seat.due = seat.rests_until = time.monotonic() + wait_s
        why = f"{type(cause).__name__}: {cause}"[:300]
        self.terms.set_aside(seat.post, self.title, f"{why} (failed {number_of(seat.failures, 'time')} in a row)")
        self._gauges.failing.labels(self.title, seat.post).set(1)
        log.error("post set aside", actor=self.title, post=seat.post, times=seat.failures, for_s=wait_s, why=why,
                  exc_info=cause)  # fmt: skip

    def _is_well(self, seat: Seat[S], what: str) -> None:
        """What failed last did not fail now."""
        if not seat.failures or seat.failed_in != what:
            return
        log.info("post served again", actor=self.title, post=seat.post, failed=seat.failures)
        seat.failures = 0
        self.terms.set_aside(seat.post, self.title, "")
        self._gauges.failing.labels(self.title, seat.post).set(0)


def _rests_until(now: float, used_s: float) -> float:
    """When a post may be looked at again after a look that used so much of a core."""
    return now + REST * used_s if used_s > CHEAP_S else 0.0
