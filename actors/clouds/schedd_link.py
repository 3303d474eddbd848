"""A schedd that takes jobs of ours: calls in children that can be killed, and their failures by remedy.

The schedd is one of a pool of the configuration, whose collector, tokens and trust domain are used. Where it is, the
collector is asked once, and again after a call that got no answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from actors.clouds.port import CloudError, Quota, Refused, Unknown
from actors.config.schema import HtcondorPool
from actors.pools.htcondor.child_lanes import ChildFailed, Lane, TaskFailed

_TASKS = "actors.pools.htcondor.condor_tasks"
_REMEDIES: dict[str, Callable[[str, str], CloudError]] = {
    "away": Unknown,
    "wrong": Unknown,
    "denied": Refused,
    "refused": Refused,
    "full": Quota,
}
_CHILDREN = 2

Row = dict[str, Any]


class ScheddLink:
    """One schedd of a pool; none named: the only one that its collector knows. All calls raise CloudError."""

    def __init__(self, pool: HtcondorPool, schedd: str, tokens: str | None, timeout_s: float) -> None:
        """`tokens`: the folder with IDTOKENS of who submits; none: the pool's."""
        self._collector, self._wanted = pool.collector, schedd
        settings = (pool.collector, tokens or pool.token_directory or "", pool.trust_domain or "", timeout_s)
        self._lane = Lane(_TASKS, settings, most=_CHILDREN, limit_s=timeout_s)
        self._lock = threading.Lock()
        self._known: tuple[str, str] | None = None

    def submit(
        self, description: dict[str, str], count: int, token: str, names: tuple[str, ...]
    ) -> tuple[bool, list[Row]]:
        """(whether they are new, the jobs that carry `token`)."""
        new, rows = self._ask("submit", description, count, token, names)
        return new, rows

    def queued(self, constraint: str, names: tuple[str, ...]) -> list[Row]:
        return list(self._ask("queued", constraint, names))

    def left(self, constraint: str, names: tuple[str, ...], most: int) -> list[Row]:
        """Jobs in its history, the newest first, at most `most`."""
        return list(self._ask("left", constraint, names, most))

    def remove(self, constraint: str, reason: str) -> int:
        return int(self._ask("remove", constraint, reason))

    def edit(self, constraint: str, attribute: str, value: str) -> int:
        return int(self._ask("edit", constraint, attribute, value))

    def close(self) -> None:
        self._lane.close()

    def pids(self) -> list[int]:
        return self._lane.pids()

    def _ask(self, task: str, *arguments: Any) -> Any:
        with _remedied(f"schedd {self._wanted or 'of ' + self._collector}", self._forget):
            name, address = self._where()
            return self._lane.call(task, name, address, *arguments, key=name)

    def _where(self) -> tuple[str, str]:
        with self._lock:
            known = self._known
        if known is None:
            found = self._lane.call("schedds", (self._wanted,) if self._wanted else ())
            known = _the_one(self._wanted, self._collector, found)
            with self._lock:
                self._known = known
        return known

    def _forget(self) -> None:
        with self._lock:
            self._known = None


def _the_one(wanted: str, collector: str, found: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Absent proves nothing: a collector that was restarted has forgotten schedds that run."""
    if len(found) == 1:
        name, address = found[0]
        return name, address
    if not found:
        raise Unknown(f"the collector {collector} does not know {'schedd ' + wanted if wanted else 'a schedd'} now")
    names = ", ".join(name for name, _ in found)
    raise Refused(f"the collector {collector} knows several schedds ({names}): say which one takes the jobs, by schedd")


@contextmanager
def _remedied(what: str, forget: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    except TaskFailed as failed:
        if failed.kind in ("away", "wrong"):
            forget()
        raise _REMEDIES[failed.kind](str(failed), failed.kind) from failed
    except ChildFailed as failed:
        forget()
        raise Unknown(f"{what}: {failed}", type(failed).__name__) from failed
