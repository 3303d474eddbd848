"""Why a call into htcondor2 failed: its own words, and the remedy that they name.

Measured with 25.14 (client) on 25.14 and 23.9 daemons: the exception says little, the log line before it says all:
"attempt to connect to <...> failed", "required authentication with ... failed", "PERMISSION DENIED".
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import htcondor2
from classad2 import ClassAdException

from actors.pools.htcondor.child_main import Failure

LIBRARY_ERRORS = (htcondor2.HTCondorException, ClassAdException, OSError, RuntimeError)

T = TypeVar("T")
_DENIED = re.compile(r"AUTHENTICATE:|authentication with .* failed|PERMISSION[ _]DENIED|not authorized|SECMAN:2010")
_NOISE = re.compile(r"Can't find (address|CondorVersion|CondorPlatform) in classad")
_STAMP = re.compile(r"^\d\d/\d\d/\d\d \d\d:\d\d:\d\d (\([^)]*\) )?")


def listen() -> None:
    """From now on the library logs into a file in memory, in place of the standard error."""
    os.dup2(os.memfd_create("htcondor-log"), 2)
    htcondor2.enable_debug("D_ALWAYS")


def said() -> str:
    """What the library logged since it was last asked, in one line."""
    text = _log()
    os.ftruncate(2, 0)
    os.lseek(2, 0, os.SEEK_SET)
    lines = [_STAMP.sub("", line).strip() for line in text.splitlines()]
    return "; ".join(line for line in lines if line and not _NOISE.search(line))


def _log() -> str:
    return os.pread(2, os.lseek(2, 0, os.SEEK_END), 0).decode(errors="replace")


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn the library's exceptions into a Failure that says what was asked, what came back and which remedy."""
    said()
    try:
        yield
    except LIBRARY_ERRORS as error:
        raise failure(what, error) from error


def asked_twice(ask: Callable[[], T]) -> T:
    """Ask; and once more if the daemon was restarted: it rejects the session of its former life, once."""
    try:
        return ask()
    except LIBRARY_ERRORS:
        if "rejected our session id" not in _log():
            raise
    said()
    return ask()


def failure(what: str, error: BaseException) -> Failure:
    log = said()
    words = f"{error}; {log}" if log else str(error)
    return Failure("denied" if _DENIED.search(words) else "away", f"{what}: {words}")
