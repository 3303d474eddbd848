"""A factory host as a process of its own: started, frozen, thawed, stopped and killed by a test; its log is kept.

It comes from the forge (a second less to wait for each), or under a keeper where its memory and its threads are to be
measured. Either way nothing of it outlives the test run.
"""

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from deploy.lab import keeper, processes
from tests.condor_pool import until
from tests.forge import forge

ROOT = Path(__file__).parents[1]
START_LIMIT_S = 60.0
STOP_LIMIT_S = 20.0


class Running(Protocol):
    """A process, whoever started it."""

    @property
    def pid(self) -> int: ...
    def ended(self) -> bool: ...
    def wait(self, limit_s: float) -> None: ...


class Kept:
    """A command under a keeper. `pid` is the command's own, not its keeper's."""

    def __init__(self, argv: list[str], *, log: Path, environment: Mapping[str, str], cwd: Path = ROOT) -> None:
        with log.open("ab") as out:
            self._keeper = subprocess.Popen(
                keeper.command(os.getpid(), -1, -1, argv),
                cwd=cwd,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self.pid = 0
        until(self._find, f"{argv} is forked", START_LIMIT_S)

    def ended(self) -> bool:
        return self._keeper.poll() is not None

    def wait(self, limit_s: float) -> None:
        self._keeper.wait(limit_s)

    def _find(self) -> bool:
        below = processes.descendants(self._keeper.pid)
        self.pid = below[0] if below else 0
        return bool(below) or self.ended()


class NotEnded(AssertionError):
    """A host that was told to stop went on: a finding, whatever was away from it. It was ended by force."""


class HostProcess:
    """`directory` gets its log (`NAME.log`, over all its lives). Each start is a new incarnation of one name."""

    def __init__(
        self,
        name: str,
        config: Path,
        directory: Path,
        environment: Mapping[str, str],
        posts: str = "*",
        cwd: Path = ROOT,
    ) -> None:
        self.name = name
        self.log_file = directory / f"{name}.log"
        self._config, self._posts = config, posts
        self._environment = {"PYTHONPATH": str(ROOT), **environment}
        self._cwd = cwd  # relative paths in the configuration begin here
        self._process: Running | None = None
        self._begun = 0  # bytes of the log before this life

    def start(self, *, wait: bool = True) -> None:
        """Start it; returns when it says that it is up, or at once."""
        assert not self.runs
        self.log_file.touch()
        self._begun = self.log_file.stat().st_size
        self._process = self._begin()
        if wait:
            until(lambda: self.said("host up", this_life=True) or not self.runs, f"host {self.name}", START_LIMIT_S)
            assert self.runs, self.text()[-3000:]

    def _begin(self) -> Running:
        argv = [str(self._config), self.name, self._posts]
        return forge().run("tests.factory_host", argv, log=self.log_file, environment=self._environment, cwd=self._cwd)

    @property
    def runs(self) -> bool:
        return self._process is not None and not self._process.ended()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """kill -9, as if the machine had lost its power."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM; returns when it has ended, which must not take long. Raises NotEnded."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """SIGSTOP to the host alone."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill_actor(self, title: str) -> None:
        """The next look of its monitor, scheduler, submitter or retirement raises what nobody expected."""
        Path(f"{self._config}.kill-actor").write_text(title)
        os.kill(self.pid, signal.SIGUSR1)

    def text(self, *, this_life: bool = False) -> str:
        return self.log_file.read_bytes()[self._begun if this_life else 0 :].decode(errors="replace")

    def lines(self, *, this_life: bool = False) -> list[dict[str, Any]]:
        """The log's lines that are JSON objects (others are warnings of libraries, or tracebacks)."""
        return [json.loads(line) for line in self.text(this_life=this_life).splitlines() if line.startswith("{")]

    def said(self, event: str, *, this_life: bool = False, **fields: Any) -> list[dict[str, Any]]:
        """The log lines of this event whose fields are these; a text stands for "contains"."""
        return [
            line
            for line in self.lines(this_life=this_life)
            if line.get("event") == event and all(_fits(line.get(name), value) for name, value in fields.items())
        ]

    def close(self) -> None:
        """After the test, whatever state it is in."""
        if self.runs:
            self.thaw()
            self.kill()

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        processes.send(self.pid, number)
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired as late:
            processes.send(self.pid, signal.SIGKILL)
            self._process.wait(STOP_LIMIT_S)
            raise NotEnded(f"{self.name} did not end within {STOP_LIMIT_S:g} s after {number.name}") from late


def _fits(seen: Any, wanted: Any) -> bool:
    return wanted in seen if isinstance(wanted, str) and isinstance(seen, str) else bool(seen == wanted)
