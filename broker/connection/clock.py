"""One clock for the whole factory: that of Redis.

Hosts disagree about the time of day, and leases, mail and readings are compared between hosts. So every time
that another host will read is Redis TIME. Asking Redis for each is too slow; the offset between TIME and this
process's monotonic clock is measured by `sync` (call it every minute or so) and added without a call.

The rule it keeps: `now` never raises once synced, and is right to within `error_s` plus the drift since.
"""

import threading
import time
from collections.abc import Callable

import redis

from broker.errors import Unreachable, reaching

SAMPLES = 3  # the quickest answer of these bounds the error best


class RedisClock:
    """Seconds since the epoch by Redis time. Thread-safe."""

    def __init__(self, client: redis.Redis, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._offset_s: float | None = None
        self.error_s = float("inf")

    def sync(self) -> float:
        """Ask Redis for the time; return `now()`. Raises Unreachable; the old offset stays in use then."""
        error_s, offset_s = min(self._sample() for _ in range(SAMPLES))
        with self._lock:
            self.error_s, self._offset_s = error_s, offset_s
        return self.now()

    def now(self) -> float:
        """Redis time in seconds. No call is made. Raises Unreachable if `sync` never succeeded."""
        offset_s = self._offset_s
        if offset_s is None:
            raise Unreachable("the factory's clock was never read from Redis: call sync() first")
        return self._monotonic() + offset_s

    def _sample(self) -> tuple[float, float]:
        """(half the time that the answer took, offset measured at its middle), seconds."""
        asked = self._monotonic()
        with reaching():
            seconds, microseconds = self._client.time()
        half_s = (self._monotonic() - asked) / 2
        return half_s, seconds + microseconds / 1e6 - (asked + half_s)
