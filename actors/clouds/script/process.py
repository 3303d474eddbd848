"""One call of a script: a process with a time limit, one JSON text in, one out.

Its output goes to files, so that a daemon that it leaves behind (a started worker) and that keeps them open holds up
nobody. What takes too long, or prints too much, is killed with all that it started in its process group.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import BinaryIO

from actors.clouds.port import Refused, Unknown

MOST = 16 * 1024 * 1024  # bytes that one call may print: a listing of 10,000 VMs has 5 MB
SAID = 4_000  # bytes of what it says on its standard error: the last ones
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """`code`: its exit status, below 0 the signal that ended it; `said`: the end of its standard error."""

    code: int
    output: bytes
    said: str


def run(command: tuple[str, ...], text: str, environment: Mapping[str, str], timeout_s: float) -> Ran:
    """Raises Refused where it cannot be started at all, Unknown where it was killed."""
    with ExitStack() as files:
        asked, output, said = (files.enter_context(tempfile.TemporaryFile()) for _ in range(3))
        asked.write(text.encode())
        asked.seek(0)
        child = _start(command, (asked, output, said), {**os.environ, **environment})
        _wait(child, output, said, timeout_s)
        size = said.seek(0, os.SEEK_END)
        said.seek(max(0, size - SAID))
        output.seek(0)
        return Ran(
            code=child.returncode, output=output.read(MOST), said=said.read(SAID).decode(errors="replace").strip()
        )


def _start(
    command: tuple[str, ...], files: tuple[BinaryIO, BinaryIO, BinaryIO], environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    asked, output, said = files
    try:
        return subprocess.Popen(
            command, stdin=asked, stdout=output, stderr=said, env=environment, start_new_session=True
        )
    except (OSError, ValueError) as error:
        raise Refused(f"nothing was started, {command[0]} cannot be run: {error}", type(error).__name__) from error


def _wait(child: subprocess.Popen[bytes], output: BinaryIO, said: BinaryIO, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        with suppress(subprocess.TimeoutExpired):
            child.wait(_LOOK_S)
        size = max(os.fstat(one.fileno()).st_size for one in (output, said))
        wrong = f"it printed more than {MOST} bytes" if size > MOST else ""
        if child.returncode is not None and not wrong:
            return
        if not wrong and time.monotonic() >= deadline:
            wrong = f"no answer within {timeout_s:g} s"
        if wrong:
            _kill(child)
            raise Unknown(f"{wrong}: it was killed", "killed")


def _kill(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
