"""Which user the lab's daemons run as.

Why: HTCondor started by root wants a `condor` account, which the lab will not make. So as root every
daemon drops to `nobody`, as an ordinary user it stays who it is. In HTCondor's eyes the pool's daemons
and the jobs belong to that user (`NAME@lab`).

The rule it keeps: the lab needs nothing that this user may not read. The checkout may lie in a folder
that is closed to it, so the lab's state lives in a folder of its own, and daemons run HTCondor's
programs only, never the project's Python.
"""

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOMAIN = "lab"


@dataclass(frozen=True, kw_only=True)
class LabUser:
    """An operating-system user. `dropped` says that root has to become it."""

    name: str
    uid: int
    gid: int
    dropped: bool

    @property
    def identity(self) -> str:
        """What the pool calls this user: `NAME@lab`."""
        return f"{self.name}@{DOMAIN}"

    def popen(self) -> dict[str, Any]:
        """Arguments for subprocess that make a child run as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.dropped else {}

    def folder(self, path: Path, mode: int = 0o755) -> Path:
        """Make a folder that belongs to this user."""
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        self._give(path)
        return path

    def write(self, path: Path, text: str, mode: int = 0o644) -> Path:
        """Write a file that belongs to this user; it never shows with a wider mode than asked for."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        path.chmod(mode)
        self._give(path)
        return path

    def _give(self, path: Path) -> None:
        if self.dropped:
            shutil.chown(path, self.uid, self.gid)


def lab_user() -> LabUser:
    """The user for daemons and jobs: ourselves, or `nobody` when we are root."""
    me = pwd.getpwuid(os.geteuid())
    entry = pwd.getpwnam("nobody") if me.pw_uid == 0 else me
    return LabUser(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid, dropped=me.pw_uid == 0)


@contextmanager
def lab_directory() -> Iterator[Path]:
    """A folder for a lab's state that the lab's user can reach; removed with all in it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="apf-lab-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
