"""The demo's factory host: a real `apf run` in a process of its own, heard only through its log.

Nothing of it outlives the demo, not even after `kill -9`: it runs under a keeper.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from deploy.lab import keeper, processes

_STOP_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the host's log. `at`: "21:39:51"; `weight`: info, warning, error."""

    at: str
    weight: str
    what: str
    fields: Mapping[str, Any]


class Heard(Protocol):
    """A host of the demo, or several: `stop` returns the exit status, `news` the lines since the last call."""

    @property
    def ended(self) -> bool: ...

    def stop(self) -> int: ...

    def news(self) -> list[Line]: ...


class DemoHost:
    """`apf run CONFIG`, its log in `log`. Usable as a context manager."""

    def __init__(self, config: Path, log: Path, environment: Mapping[str, str], name: str = "demo-host") -> None:
        self.name = name
        self._argv = [sys.executable, "-m", "actors.cli", "run", str(config), "--host", name]
        self._log, self._environment = log, {**os.environ, **environment}
        self._child: subprocess.Popen[bytes] | None = None
        self._read = 0
        self._rest = b""

    def __enter__(self) -> DemoHost:
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(
                keeper.command(os.getpid(), -1, -1, self._argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,  # Ctrl-C is the demo's: it ends its host in order
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def ended(self) -> bool:
        return self._child is None or self._child.poll() is not None

    def stop(self) -> int:
        """End it as an operator does, and return its exit status."""
        if self._child is None:
            return 0
        self.signal(signal.SIGTERM)
        try:
            return self._child.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._child.terminate()
            return self._child.wait(_STOP_S)

    def signal(self, number: signal.Signals) -> None:
        """To the host itself, if it still runs; the keeper waits for it."""
        if self._child is not None and not self.ended:
            for pid in processes.descendants(self._child.pid)[:1]:
                processes.send(pid, number)

    def news(self) -> list[Line]:
        """The lines that came since the last call."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            data = log.read()
        self._read += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [line for text in whole if (line := _line(text))]


def _line(text: bytes) -> Line | None:
    """None for what is no line of the log, as a traceback is not."""
    try:
        said = json.loads(text)
        at = said.pop("timestamp")[11:19]
        return Line(at=at, weight=said.pop("level"), what=said.pop("event"), fields=said)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
