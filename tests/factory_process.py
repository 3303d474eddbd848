"""A factory host as a child process: started, frozen, thawed, stopped and killed by a test; its log is kept.

It is started under a keeper, so that nothing of it outlives the test run.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.lab import keeper, processes
from tests.condor_pool import until

ROOT = Path(__file__).parents[1]
START_LIMIT_S = 60.0
STOP_LIMIT_S = 20.0


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
        self._config = config
        self._argv = [sys.executable, "-m", "tests.factory_host", str(config), name, posts]
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        self._cwd = cwd  # relative paths in the configuration begin here
        self._keeper: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._begun = 0  # bytes of the log before this life

    def start(self, *, wait: bool = True) -> None:
        """Start it; returns when it says that it is up, or at once."""
        assert not self.runs
        self.log_file.touch()
        self._begun = self.log_file.stat().st_size
        with self.log_file.open("ab") as out:
            self._keeper = subprocess.Popen(
                keeper.command(os.getpid(), -1, -1, self._argv),
                cwd=self._cwd,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        until(self._find, f"host {self.name} is forked", START_LIMIT_S)
        if wait:
            until(lambda: self.said("host up", this_life=True) or not self.runs, f"host {self.name}", START_LIMIT_S)
            assert self.runs, self.text()[-3000:]

    @property
    def runs(self) -> bool:
        return self._keeper is not None and self._keeper.poll() is None

    @property
    def pid(self) -> int:
        """Of the host itself, not of its keeper."""
        assert self.runs
        return self._pid

    def kill(self) -> None:
        """kill -9, as if the machine had lost its power."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM; returns when it has ended, which must not take long."""
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

    def _find(self) -> bool:
        assert self._keeper is not None
        below = processes.descendants(self._keeper.pid)
        self._pid = below[0] if below else 0
        return bool(below) or self._keeper.poll() is not None

    def _end(self, number: signal.Signals) -> None:
        assert self._keeper is not None
        processes.send(self.pid, number)
        self._keeper.wait(STOP_LIMIT_S)


def _fits(seen: Any, wanted: Any) -> bool:
    return wanted in seen if isinstance(wanted, str) and isinstance(seen, str) else bool(seen == wanted)
