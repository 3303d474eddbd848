"""The child's side of `child_lanes`: read a task, run it, write its answers, until the host is gone.

main() is called with LIFE_FD REPLY_FD MODULE as arguments. Requests come on stdin, answers go to REPLY_FD: a length of
8 bytes, then a marshalled tuple (the same interpreter on both sides; plain values only). The first request is the
settings for MODULE.begin(); each later one is (task, arguments) for one of MODULE.TASKS, a generator of answers.
MODULE.rest() does what can wait until the answers are out.

The rule it keeps: it ends when the host does. LIFE_FD is the reading end of a pipe; its hang-up brings SIGIO, and
SIGIO's default action ends the process even while a library holds the interpreter's lock.
"""

from __future__ import annotations

import fcntl
import importlib
import marshal
import os
import select
import signal
import sys
from typing import Any

from actors.pools.htcondor.child_lanes import LENGTH


class Failure(Exception):
    """A task failed, and knows why. `kind` is the remedy: "away", "wrong", "denied", "refused" or "full"."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def main() -> None:
    life, reply, module = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    _end_with_the_host(life)
    tasks = importlib.import_module(module)
    settings = _read()
    if settings is None:
        return
    tasks.begin(*settings)
    while (request := _read()) is not None:
        name, arguments = request
        try:
            for answer in tasks.TASKS[name](*arguments):
                _write(reply, ("part", answer))
            _write(reply, ("done",))
        except Failure as failure:
            _write(reply, ("failed", failure.kind, str(failure)))
        tasks.rest()


def _end_with_the_host(life: int) -> None:
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([life], [], [], 0)[0]:
        sys.exit()


def _read() -> Any:
    head = sys.stdin.buffer.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    return marshal.loads(sys.stdin.buffer.read(LENGTH.unpack(head)[0]))


def _write(fd: int, message: tuple[Any, ...]) -> None:
    body = marshal.dumps(message)
    left = memoryview(LENGTH.pack(len(body)) + body)
    while left:
        left = left[os.write(fd, left) :]
