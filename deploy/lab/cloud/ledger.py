"""The cloud's own record: what it accepted, when, and what it cost. The lab judges by this, not by the factory's word.

An entry has `at` (Unix seconds), `action` and `ids`. RunInstances adds `token`, `type`, `market`, `zone`, `region`,
`tags`, `usd_per_hour` and `repeat` (the token had been used: nothing new was started). TerminateInstances names the ids
that were alive. `Ended` is an end that nobody asked for through the API, with its `how`.
"""

from __future__ import annotations

import threading
import time
from typing import Any


class Ledger:
    """Entries are only ever added. Safe from many threads."""

    def __init__(self) -> None:
        self._entries: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def add(self, action: str, ids: list[str], **more: Any) -> None:
        with self._lock:
            self._entries.append({"at": time.time(), "action": action, "ids": ids, **more})

    def entries(self) -> list[dict[str, Any]]:
        with self._lock:
            return list(self._entries)
