"""A gate in front of the end of a job: a job that was submitted with it runs until the gate is opened.

Why: a job that sleeps for so many seconds races with whoever watches it, and on a busy machine the watcher loses. A
job behind a gate cannot end before all that is to be seen while it runs was seen.

It is a file under an exclusive flock; the job asks for a shared one (flock(1) of util-linux) and so waits without
turning. The kernel opens the gate if its maker dies.
"""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from deploy.lab.pool.user import LabUser


class Gate:
    """Closed from the start. Opening it lets all its jobs end, those too that start later. Safe to repeat."""

    def __init__(self, path: Path, user: LabUser) -> None:
        """`path`: a file to be made, in a folder that the jobs' user may enter."""
        self.path = user.write(path, "")
        self._held: IO[str] | None = path.open()
        fcntl.flock(self._held, fcntl.LOCK_EX)

    def open(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None
