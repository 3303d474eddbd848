"""One condor_master with its daemons, on this machine, for an ordinary user.

Why: the central manager, each access point and each worker node of the lab is one of these; they
differ in their configuration only.

The rule it keeps: started under a keeper (see keeper.py), so it cannot outlive the lab. Ended hard, by
killing its tree, because what the lab is about are machines that vanish.
"""

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from deploy.lab import keeper, processes
from deploy.lab.pool.user import LabUser

_FOLDERS = ("run", "log", "lock", "spool", "execute")
_END_LIMIT_S = 20.0


class ToolFailed(Exception):
    """One of HTCondor's tools ended with an error; the text is what it said."""


class Master:
    """A condor_master run in the foreground, its files in `directory`, its configuration in one file."""

    def __init__(self, *, prefix: Path, directory: Path, user: LabUser) -> None:
        self.prefix = prefix
        self.directory = directory
        self.user = user
        self.config_file = directory / "condor_config"
        self._process: subprocess.Popen[bytes] | None = None
        user.folder(directory)
        for folder in _FOLDERS:
            user.folder(directory / folder)

    def start(self, config: str, environment: Mapping[str, str] | None = None) -> None:
        """Write the configuration and start."""
        self.user.write(self.config_file, config)
        argv = [str(self.prefix / "usr/sbin/condor_master"), "-f"]
        drop = self.user.popen()
        argv = keeper.command(os.getpid(), drop.get("user", -1), drop.get("group", -1), argv)
        with (self.directory / "log/output").open("ab") as output:
            self._process = subprocess.Popen(
                argv,
                env=environment or self.environment(),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it and all that it started at once, and wait until that is so."""
        if self._process is None:
            return
        for pid in self._trees():
            processes.kill_tree(pid)
        if self._process.poll() is None:
            processes.send(self._process.pid, signal.SIGCONT)
            self._process.terminate()
        self._process.wait(_END_LIMIT_S)
        self._process = None

    def has_ended(self) -> bool:
        """Whether the master was started and is gone by itself."""
        return self._process is not None and self._process.poll() is not None

    def pid(self, name: str) -> int | None:
        """The process id of the daemon with this name (`condor_collector`), if it runs."""
        if self._process is None:
            return None
        below = [self._process.pid, *processes.descendants(self._process.pid)]
        return next((pid for pid in below if processes.name_of(pid) == name[:15]), None)

    def environment(self) -> Mapping[str, str]:
        """What the daemons and the tools of this master's configuration run with."""
        programs = f"{self.prefix}/usr/bin:{self.prefix}/usr/sbin:/usr/local/bin:/usr/bin:/bin"
        return {"PATH": programs, "CONDOR_CONFIG": str(self.config_file), "HOME": str(self.directory)}

    def tool(self, *argv: str, timeout_s: float = 30.0) -> str:
        """Run one of HTCondor's tools as the lab's user; its output. Raises ToolFailed."""
        done: subprocess.CompletedProcess[str] = subprocess.run(
            argv,
            env=self.environment(),
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            **self.user.popen(),
        )
        if done.returncode != 0:
            raise ToolFailed(f"{argv[0]} said: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def _trees(self) -> list[int]:
        """The master itself: below the keeper if there is one (which then ends by itself)."""
        assert self._process is not None
        master = self.pid("condor_master")
        return [] if master is None else [master]
