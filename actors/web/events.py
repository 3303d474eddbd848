"""What changed, as events for whoever listens (server-sent events): decisions and transitions, from two looks.

A stream has no queue of its own: all read one log of bounded length, so a slow reader costs nothing but what it misses,
and is told that it missed something (`reset`: read the status anew).
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from threading import Lock
from typing import Literal

from actors.console.status_model import Status, StatusPart
from actors.web.snapshot import LastSeen

KEPT = 2_000
MOST_STREAMS = 200
QUIET_S = 15.0  # a comment is sent after that, so that a reader that is gone is noticed
LOOK_S = 1.0


class ChangeEvent(StatusPart):
    """`kind`: "vm" (a VM's state), "want" (a decision), "cloud" (opened, closed), "trouble". `at`: Redis seconds."""

    kind: Literal["vm", "want", "cloud", "trouble"]
    at: float
    name: str
    was: str
    now: str
    why: str


def changes(before: Status, after: Status) -> Iterator[ChangeEvent]:
    """What is different in `after`: what came between two looks and went again is in the history, not here."""
    at = after.at
    was = {vm.id: vm.state for vm in before.vms}
    for vm in after.vms:
        if was.get(vm.id) != vm.state:
            yield ChangeEvent(kind="vm", at=at, name=vm.id, was=was.get(vm.id, ""), now=vm.state, why=vm.why)
    wanted = {(queue.name, want.cloud): want.vms for queue in before.queues for want in queue.wants}
    for queue in after.queues:
        for want in queue.wants:
            n = wanted.get((queue.name, want.cloud), 0)
            if n != want.vms:
                name, why = f"{queue.name} of {want.cloud}", "; ".join(want.reasons)
                yield ChangeEvent(kind="want", at=at, name=name, was=str(n), now=str(want.vms), why=why)
    closed = {cloud.name: cloud.closed for cloud in before.clouds}
    for cloud in after.clouds:
        if bool(closed.get(cloud.name, "")) != bool(cloud.closed):
            states = ("open", "closed") if cloud.closed else ("closed", "open")
            yield ChangeEvent(kind="cloud", at=at, name=cloud.name, was=states[0], now=states[1], why=cloud.closed)
    known = {trouble.what for trouble in before.troubles}
    for trouble in after.troubles:
        if trouble.what not in known:
            yield ChangeEvent(kind="trouble", at=at, name=trouble.weight, was="", now=trouble.what, why=trouble.todo)


class EventLog:
    """The last KEPT events, numbered from 1. Written by whichever thread looks, read by all streams."""

    def __init__(self) -> None:
        self._events: deque[tuple[int, ChangeEvent]] = deque(maxlen=KEPT)
        self._lock = Lock()
        self._last = 0
        self.streams = 0

    @property
    def last(self) -> int:
        return self._last

    def changed(self, before: Status | None, after: Status) -> None:
        new = list(changes(before, after)) if before else []
        with self._lock:
            for event in new:
                self._last += 1
                self._events.append((self._last, event))

    def since(self, number: int) -> tuple[list[tuple[int, ChangeEvent]], bool]:
        """Events after that number with theirs, and whether some of them are not kept any more."""
        with self._lock:
            events = [one for one in self._events if one[0] > number]
            return events, number > self._last or self._last - number > len(events)


async def stream(log: EventLog, look: Callable[[], Awaitable[LastSeen]], after: int) -> AsyncIterator[bytes]:
    """Server-sent events, until whoever reads is gone. `look` brings the log up to date. `reset` comes too when Redis
    cannot be read any more, and when it can again.
    """
    log.streams += 1
    away: str | None = None
    quiet_s = QUIET_S  # so that the answer begins at once
    try:
        while True:
            was, away = away, (await look()).away
            events, missed = log.since(after)
            missed = missed or (was is not None and bool(was) != bool(away))
            if missed:
                yield b"event: reset\ndata: {}\n\n"
            for number, event in events:
                yield _line(number, event)
            after = events[-1][0] if events else min(after, log.last)
            quiet_s = 0.0 if events or missed else quiet_s + LOOK_S
            if quiet_s >= QUIET_S:
                yield b": nothing new\n\n"
                quiet_s = 0.0
            await asyncio.sleep(LOOK_S)
    finally:
        log.streams -= 1


def _line(number: int, event: ChangeEvent) -> bytes:
    return f"id: {number}\nevent: {event.kind}\ndata: {json.dumps(event.model_dump())}\n\n".encode()
