"""What the factory looked like last: read now and then for all who look, and kept with its age while Redis is away."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from actors.config.secrets import NoSecret
from actors.console.status_model import Status
from actors.store.site import NotRunning
from broker.errors import BrokerError

AGAIN_S = 2.0  # between two readings


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSeen:
    """`status`: as last read, `age_s` seconds ago; None: never. `away`: why it could not be read now, or empty."""

    status: Status | None
    age_s: float
    away: str = ""


class Snapshots:
    """Shared by all threads. `read` is called at most once in `again_s`; `changed` is told of each new status."""

    def __init__(
        self,
        read: Callable[[], Status],
        changed: Callable[[Status | None, Status], None] | None = None,
        again_s: float = AGAIN_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._changed, self._again_s, self._clock = read, changed, again_s, clock
        self._lock = Lock()
        self._status: Status | None = None
        self._away = ""
        self._read_at = self._tried_at = -again_s

    def now(self) -> LastSeen:
        with self._lock:
            if self._clock() - self._tried_at >= self._again_s:
                self._look()
            return LastSeen(status=self._status, age_s=max(0.0, self._clock() - self._read_at), away=self._away)

    def _look(self) -> None:
        try:
            status = self._read()
        except (NotRunning, BrokerError, NoSecret) as away:
            self._away = str(away)
        else:
            if self._changed is not None:
                self._changed(self._status, status)
            self._status, self._away, self._read_at = status, "", self._clock()
        self._tried_at = self._clock()
