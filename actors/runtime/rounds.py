"""A thread that makes rounds, for as long as the host lives.

The rule it keeps: a round that fails ends that round only. It is told once, with its cause; the next round comes after
a pause that grows while it goes on failing; and until one has succeeded, the thread has a trouble that /healthz, the
metrics and `apf status` show. A thread that is not there any more, though nobody stopped it, is a trouble too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from actors.fleet.number_of import number_of

PAUSES = (1, 1, 2, 4, 8)  # times the pause between rounds

log = structlog.get_logger("host")


class Rounds:
    """`pause_s`: between the starts of two rounds. `failed` is told each failure. `most_s`: no pause is longer."""

    def __init__(
        self,
        name: str,
        round: Callable[[], object],
        pause_s: float,
        failed: Callable[[str], object] = lambda _: None,
        most_s: float = 10.0,
    ) -> None:
        self.name, self._round, self._pause_s, self._most_s = name, round, pause_s, most_s
        self._failed = failed
        self._failures, self._why = 0, ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, wait_s: float) -> bool:
        """Make no more rounds. False: the last one is not over after `wait_s`."""
        self._stop.set()
        if self._thread.ident:
            self._thread.join(timeout=wait_s)
        return not self._thread.is_alive()

    @property
    def trouble(self) -> str:
        """Empty while all is well."""
        if self._thread.ident and not self._thread.is_alive() and not self._stop.is_set():
            return f"its thread {self.name} is dead: restart this host"
        if self._failures:
            return f"its thread {self.name} fails, {number_of(self._failures, 'time')} in a row: {self._why}"
        return ""

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                self._round()
                self._failures = 0
            except Exception as cause:  # noqa: BLE001 - supervision: whatever came, the thread lives on
                self._note(cause)
            pause_s = min(self._most_s, self._pause_s * PAUSES[min(self._failures, len(PAUSES) - 1)])
            self._stop.wait(max(0.05, pause_s - (time.monotonic() - began)))

    def _note(self, cause: Exception) -> None:
        self._failures += 1
        why = f"{type(cause).__name__}: {cause}"[:300]
        if why != self._why or self._failures == 1:
            log.error("thread failed", thread=self.name, times=self._failures, why=why, exc_info=cause)
        self._why = why
        self._failed(self.name)
