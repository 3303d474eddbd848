"""Where the history of VMs is kept: in Redis, beside the rows that it is about, and in a file of the host's own.

In Redis a moment is written in the Lua call that changes the row (`broker.rows.table.Append`): both or neither, and a
stale holder writes no history. It is bounded there by number and by age, a cloud's on its own. The file has no bound:
one JSON object a line, for those who keep it longer; logrotate may move it away, then the next line starts a new one.
It is written after Redis took the change; a host that dies in between has told Redis only.
"""

from __future__ import annotations

import dataclasses
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

import structlog

from actors.config.schema import Factory
from actors.fleet.history import NOTHING, Because, Moment, moment
from actors.fleet.vm import Vm
from actors.store.codec import BadRow, pack, unpack
from actors.store.sentences import with_shown
from broker.posts.leases import Term
from broker.rows.streams import Lines
from broker.rows.table import Append

KIND = "history"

log = structlog.get_logger("history")


class HistoryFile:
    """One JSON object a line, appended. Thread-safe. A file that cannot be written is told once, and stops nobody."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file: TextIO | None = None
        self._broken = False

    def write(self, moments: Iterable[Moment]) -> None:
        text = "".join(json.dumps(dataclasses.asdict(one), ensure_ascii=False) + "\n" for one in moments)
        with self._lock:
            try:
                file = self._opened()
                file.write(text)
                file.flush()
                self._broken = False
            except OSError as wrong:
                self._tell(wrong)

    def close(self) -> None:
        with self._lock:
            self._shut()

    def _opened(self) -> TextIO:
        """The file at the path, which may be another one than before: logrotate moved that away."""
        if self._file is not None and not self._still_there(self._file):
            self._shut()
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self._path, "a", encoding="utf-8", opener=_private)  # noqa: SIM115  kept open
        return self._file

    def _still_there(self, file: TextIO) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(file.fileno()))
        except FileNotFoundError:
            return False

    def _shut(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _tell(self, wrong: OSError) -> None:
        if not self._broken:
            log.warning("history file cannot be written", path=str(self._path), why=str(wrong))
        self._broken = True
        self._file = None


def _private(path: str, flags: int) -> int:
    """A new one is its owner's alone: it tells which VMs there are, whose, and where. An old one stays as it is."""
    return os.open(path, flags, 0o600)


class Chronicle:
    """`now`: Redis seconds. `most` moments of a cloud are kept in Redis, for `kept_s` at most."""

    def __init__(
        self,
        now: Callable[[], float],
        most: int = 100_000,
        kept_s: float = 604_800.0,
        file: HistoryFile | None = None,
        lines: Lines | None = None,
    ) -> None:
        self._now, self._most, self._kept_s, self._file, self._lines = now, most, int(kept_s), file, lines

    def knows(self, vm: Vm) -> bool:
        """Whether a moment is kept of this VM, or of its instance."""
        if self._lines is None:
            return False
        return any(read_moments(self._lines, [vm.cloud], name) for name in (vm.id, vm.instance_id))

    def moments(
        self, term: Term, changes: Iterable[tuple[Vm | None, Vm]], because: Mapping[str, Because]
    ) -> list[Moment]:
        """What there is to tell of these changes: (before, after); `because` by VM id."""
        at = self._now()
        told = (moment(b, vm, at, term.holder, because.get(vm.id, NOTHING)) for b, vm in changes)
        return [one for one in told if one is not None]

    def lines(self, moments: Sequence[Moment]) -> list[Append]:
        """They as changes of a table's write. None are kept in Redis where none are to be."""
        if not self._most:
            return []
        return [Append(kind=KIND, key=one.vm, body=pack(one), most=self._most, kept_s=self._kept_s) for one in moments]

    def written(self, moments: Sequence[Moment]) -> None:
        """Redis took them."""
        if self._file is not None and moments:
            self._file.write(moments)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def chronicle_of(factory: Factory, now: Callable[[], float], lines: Lines) -> Chronicle:
    path = Path(factory.history_file).expanduser() if factory.history_file else None
    return Chronicle(now, factory.history_moments, factory.history_kept_s, HistoryFile(path) if path else None, lines)


def read_moments(lines: Lines, clouds: Iterable[str], name: str, since: float = 0.0) -> list[Moment]:
    """The moments of the VM that `name` (its id, instance id or machine) is, the oldest first.

    Where a later VM got the same machine name, the newest one is meant.
    """
    found = [one for cloud in clouds for one in _of_cloud(lines, cloud, name, since)]
    if not found:
        return []
    exact = [one for one in found if name in (one.vm, one.instance_id)] or found
    vm = max(exact, key=lambda one: one.at).vm
    first = min(one.born for one in exact if one.vm == vm)
    cloud = exact[-1].cloud
    return [one for one in _of_cloud(lines, cloud, vm, first - 60.0) if one.vm == vm]


def _of_cloud(lines: Lines, cloud: str, name: str, since: float) -> Iterator[Moment]:
    """Those whose bytes have the name are looked at: unpacking a hundred thousand would take seconds."""
    wanted = name.encode()
    for line in lines.read(KIND, f"cloud/{cloud}", max(0.0, since)):
        if line.key == name or wanted in line.body:
            try:
                told = with_shown(unpack(Moment, line.body))
            except BadRow:
                continue  # one line of a story that cannot be read is missing in it
            if told.is_about(name):
                yield told
