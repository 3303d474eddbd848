"""The supervisor starts the actors, ticks them, and starts a dead one anew, with backoff.

pykka has no supervision, and an actor may die without a word (a failing `on_start` calls no hook): so `is_alive()` is
polled. An actor that starts anew knows nothing; it is told which posts to serve and reads the rest from the rows. While
it is dead its posts make no progress, so after a while their terms end and another host serves them.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pykka
import structlog

from actors.host.ownership import ACTORS_OF
from actors.runtime.metrics import Gauges
from actors.runtime.pauses import pause_s
from actors.runtime.post_actor import Drop, Hold, Tick, cause_of_death
from actors.runtime.rounds import Rounds

TICK_S = 0.25
BACKOFF_S = (0.5, 2.0, 5.0, 15.0, 30.0)
TOLD_S = 600.0  # how long a death is a trouble
CALM_S = 120.0  # an actor that lived so long starts at the short end of the backoff again

log = structlog.get_logger("supervisor")


@dataclass(slots=True, kw_only=True)
class ActorLife:
    """One running actor and what is known of its lives."""

    make: Callable[[], pykka.ActorRef[Any]]
    ref: pykka.ActorRef[Any] | None = None
    started: float = 0.0
    deaths: int = 0
    not_before: float = 0.0
    died: float = 0.0
    death: str = ""  # the last one, as it is told
    posts: dict[str, None] = field(default_factory=dict)


class Supervisor:
    """`makers`: actor name -> how to start it; schedulers are "scheduler-0", "scheduler-1", ..."""

    def __init__(self, makers: Mapping[str, Callable[[], pykka.ActorRef[Any]]], gauges: Gauges) -> None:
        self._lives = {name: ActorLife(make=make) for name, make in makers.items()}
        self._schedulers = sorted(name for name in makers if name.startswith("scheduler-"))
        self._gauges = gauges
        self._lock = threading.Lock()
        self._rounds = Rounds("supervisor", self.round, TICK_S, lambda name: gauges.thread_failures.labels(name).inc())

    def start(self) -> None:
        self.round()
        self._rounds.start()

    def stop(self) -> None:
        self._rounds.stop(5.0)
        for life in self._lives.values():
            if life.ref is not None:
                life.ref.stop(block=False)

    def hold(self, post: str) -> None:
        """This host holds the post: its actors serve it, now and after a restart of theirs."""
        for life in self._of(post):
            life.posts[post] = None
            _tell(life, Hold(post=post))

    def drop(self, post: str) -> None:
        for life in self._of(post):
            life.posts.pop(post, None)
            _tell(life, Drop(post=post))

    def tell(self, title: str, post: str, message: Any) -> None:
        """Hand a message to the actor with this title that serves the post."""
        _tell(self._lives[self._name(title, post)], message)

    def round(self) -> None:
        """Tick the living, start the dead. One that cannot even be made is tried again, and the others go on."""
        wrong: list[Exception] = []
        for name, life in self._lives.items():
            try:
                self._see_to(name, life)
            except Exception as cause:  # noqa: BLE001 - supervision
                wrong.append(cause)
        if wrong:
            raise wrong[0]

    def troubles(self) -> list[str]:
        """Of this thread, and of actors that died lately."""
        now = time.monotonic()
        told = [life.death for life in self._lives.values() if life.death and now - life.died < TOLD_S]
        return [one for one in (self._rounds.trouble, *told) if one]

    def _see_to(self, name: str, life: ActorLife) -> None:
        if life.ref is not None and life.ref.is_alive():
            _tell(life, Tick())
        elif time.monotonic() >= life.not_before:
            self._start(name, life)

    def _start(self, name: str, life: ActorLife) -> None:
        now = time.monotonic()
        if life.started:
            life.deaths = 0 if now - life.started > CALM_S else life.deaths + 1
            self._gauges.restarts.labels(name).inc()
            life.died, life.death = now, _tell_death(name, life)
        life.started = now
        life.not_before = now + pause_s(BACKOFF_S, life.deaths)
        with self._lock:
            life.ref = life.make()
            for post in life.posts:
                _tell(life, Hold(post=post))

    def _of(self, post: str) -> list[ActorLife]:
        return [self._lives[self._name(title, post)] for title in ACTORS_OF[post.partition("/")[0]]]

    def _name(self, title: str, post: str) -> str:
        """Schedulers share the queues by a stable hash; the others are one each."""
        if title != "scheduler":
            return title
        return self._schedulers[zlib.crc32(post.encode()) % len(self._schedulers)]


def _tell_death(name: str, life: ActorLife) -> str:
    cause = cause_of_death(life.ref) if life.ref is not None else None
    why = f"{type(cause).__name__}: {cause}" if cause else "not known: it was stopped, or could not be made"
    log.error("actor died", actor=name, times=life.deaths, posts=len(life.posts), why=why, exc_info=cause)
    return f"its {name} died, and was started anew: {why}"[:300]


def _tell(life: ActorLife, message: Any) -> None:
    try:
        if life.ref is not None:
            life.ref.tell(message)
    except pykka.ActorDeadError:
        pass  # the next round starts it anew, and tells it what to hold
