"""Calls to the world outside, off the actors' threads: bounded lanes, one call at a time for a key.

An actor never waits for a cloud or a daemon. It starts a call and gets the answer as a message. Each kind of call has
threads of its own, so that fifty dead startds delay no reading and no launch; those about a VM that its cloud will take
away have some too (`urgent`), so that no other call is ahead of them; and reading the notices of that, which mostly
waits, has one (`spot_notices`). A key that is under way is not started again: asking each round is safe.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

Lane = Literal["look", "launch", "drain", "end", "urgent", "notices"]
SHARES: dict[Lane, float] = {
    "look": 0.25, "launch": 0.25, "drain": 0.1875, "end": 0.125, "urgent": 0.125, "notices": 0.0625,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswer:
    """What a call brought: a value, or the exception it raised. `then` says what the actor does with it.

    `seat` is what the actor kept of the post when it asked: an answer to a former term of it is of no use.
    `wakes`: a look at the post follows.
    """

    post: str
    key: str
    seat: object
    then: Callable[[Any], None]
    wakes: bool = True
    value: Any = None
    error: Exception | None = None


class Calls:
    """All calls of one host that are under way."""

    def __init__(self, most: int) -> None:
        self._lanes = {
            lane: ThreadPoolExecutor(max_workers=max(1, int(most * share)), thread_name_prefix=f"call-{lane}")
            for lane, share in SHARES.items()
        }
        self._under_way: set[str] = set()
        self._closed = False
        self._lock = threading.Lock()

    def start(
        self, lane: Lane, key: str, call: Callable[[], Any], answer: Callable[[Any, Exception | None], None]
    ) -> bool:
        """Start `call` unless `key` is under way; `answer(value, error)` runs on the call's thread. False: it is, or
        this host stops: an actor may have its last look then.
        """
        with self._lock:
            if self._closed or key in self._under_way:
                return False
            self._under_way.add(key)
            self._lanes[lane].submit(self._run, key, call, answer)
        return True

    def under_way(self, key: str) -> bool:
        with self._lock:
            return key in self._under_way

    def close(self) -> None:
        """Start nothing more. Calls under way end by their own time limits."""
        with self._lock:
            self._closed = True
        for lane in self._lanes.values():
            lane.shutdown(wait=False, cancel_futures=True)

    def _run(self, key: str, call: Callable[[], Any], answer: Callable[[Any, Exception | None], None]) -> None:
        value, error = None, None
        try:
            value = call()
        except Exception as raised:  # noqa: BLE001 - it travels to the actor, which sorts it by remedy
            error = raised
        with self._lock:
            self._under_way.discard(key)
        answer(value, error)
