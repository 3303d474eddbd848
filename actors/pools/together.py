"""Many ask one thing at about the same time: one question serves all who asked before it began.

Every end of a VM asks all schedds, and a hundred VMs may be at their end at once: a hundred questions, each about one
place, would keep a busy schedd from its work. An answer is never older than its question: who comes while a question is
under way waits for the next one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

Asked = tuple[str, ...]
Told = dict[str, int]


class SharedQuestion:
    """`ask` is called with all places that are waiting, by one thread at a time. For any number of threads."""

    def __init__(self, ask: Callable[[Asked], Told]) -> None:
        self._ask = ask
        self._lock, self._one = threading.Lock(), threading.Lock()
        self._waiting: list[tuple[Asked, Future[Told]]] = []

    def ask(self, places: Asked) -> Told:
        """The answer of a question that began after this call. Raises what that question raised."""
        mine: Future[Told] = Future()
        with self._lock:
            self._waiting.append((places, mine))
        with self._one:
            if not mine.done():
                self._serve()
        told = mine.result()
        return {place: told.get(place, 0) for place in places}

    def _serve(self) -> None:
        with self._lock:
            served, self._waiting = self._waiting, []
        try:
            told = self._ask(tuple(sorted({place for places, _ in served for place in places})))
        except Exception as error:  # noqa: BLE001 - it travels to all who asked
            for _, waiting in served:
                waiting.set_exception(error)
            return
        for _, waiting in served:
            waiting.set_result(told)
