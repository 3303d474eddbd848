"""Child processes that can be killed: the only place where calls into HTCondor's library run.

Why: htcondor2 takes no time limits and holds the interpreter's lock while it waits (one frozen startd stalls every
thread of its process for 20 s, a collector for 60 s). So it runs in children, and a child that does not answer in time
is killed and replaced. The host's threads go on: waiting here is a poll on a pipe.

Why not a process pool from a library: a pool forks the threaded host or, when it spawns, imports the host's main module
again in each child; it needs watching threads of its own; and its children outlive a host that is killed. Here a child
is a fresh interpreter that imports one module (15 MB, 0.1 s, once), and the calling thread itself does the talking.

The rules:
- A lane has at most `most` children. Lanes share nothing, so what hangs in one delays nothing in another.
- A key (a daemon) that hung is *slow* until it answers again. At most `most - 1` children of a lane wait for slow keys,
  and who would have to queue for that is turned away at once (NoTurn). So fifty dead startds cost one child.
- No child outlives the host: each holds the reading end of a pipe that nobody writes to. When the host dies, however,
  the kernel sends the child SIGIO, whose default action ends it, also while the interpreter's lock is held.
"""

from __future__ import annotations

import marshal
import os
import select
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from actors.config.environment import inherited

LENGTH = struct.Struct("<Q")
_ROOT = Path(__file__).resolve().parents[3]
_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031
_TASKS_PER_CHILD = 2_000  # then a fresh one: whatever a library leaks stays bounded
_SLOW_FORGOTTEN_S = 900.0
_REAP_LIMIT_S = 5.0


class ChildFailed(Exception):
    """A task did not end as it should."""


class ChildHung(ChildFailed):
    """No answer within the limit. The child was killed; the task may have been done or not."""


class ChildDied(ChildFailed):
    """The child ended in the middle of the task."""


class NoTurn(ChildFailed):
    """No child came free in time, or too many slow daemons are being waited for already. Nothing was sent."""


class TaskFailed(ChildFailed):
    """The task itself failed. `kind` is the task's word for the remedy."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Lane:
    """At most `most` children that run the tasks of one module, each task within `limit_s`. Safe from many threads."""

    def __init__(self, module: str, settings: tuple[Any, ...], *, most: int, limit_s: float) -> None:
        self._module, self._settings = module, settings
        self._most, self._limit_s = max(2, most), limit_s
        self._slow_most = self._most - 1
        self._turns = threading.Condition()
        self._idle: list[_Child] = []
        self._working: set[_Child] = set()
        self._starting = 0
        self._slow: dict[str, float] = {}
        self._slow_waiting = 0
        self._closed = False

    def call(self, task: str, *args: Any, key: str = "", limit_s: float | None = None) -> Any:
        """The one answer of a task. Raises ChildFailed."""
        answers = list(self.stream(task, *args, key=key, limit_s=limit_s))
        return answers[0] if answers else None

    def stream(self, task: str, *args: Any, key: str = "", limit_s: float | None = None) -> Iterator[Any]:
        """The answers of a task as they come, all within the limit. Raises ChildFailed, also after some answers."""
        deadline = time.monotonic() + (limit_s or self._limit_s)
        with self._slowness(key), self._child(deadline) as child:
            yield from child.ask(task, args, deadline)

    def is_slow(self, key: str) -> bool:
        """Whether this key hung when it was last asked."""
        with self._turns:
            return key in self._slow

    def pids(self) -> list[int]:
        """The children that are there now."""
        with self._turns:
            return [child.pid for child in (*self._idle, *self._working)]

    def close(self) -> None:
        """Kill all children, also those at work (their callers see ChildDied). Safe to repeat."""
        with self._turns:
            self._closed = True
            idle, working = list(self._idle), list(self._working)
            self._idle.clear()
            self._turns.notify_all()
        for child in (*idle, *working):
            child.kill()
        for child in idle:
            child.release()

    @contextmanager
    def _slowness(self, key: str) -> Iterator[None]:
        slow = bool(key) and self.is_slow(key)
        if slow:
            self._queue_with_the_slow(key)
        try:
            yield
        except ChildHung:
            with self._turns:
                self._slow[key] = time.monotonic()
            raise
        except NoTurn:
            raise
        except ChildFailed:
            self._answered(key)
            raise
        else:
            self._answered(key)
        finally:
            if slow:
                with self._turns:
                    self._slow_waiting -= 1

    def _queue_with_the_slow(self, key: str) -> None:
        with self._turns:
            if self._slow_waiting >= self._slow_most:
                raise NoTurn(f"{key} hung before, and other daemons that hung are being asked; ask again later")
            self._slow_waiting += 1

    def _answered(self, key: str) -> None:
        oldest = time.monotonic() - _SLOW_FORGOTTEN_S
        with self._turns:
            self._slow.pop(key, None)
            for old in [name for name, since in self._slow.items() if since < oldest]:
                del self._slow[old]

    @contextmanager
    def _child(self, deadline: float) -> Iterator[_Child]:
        child = self._take(deadline)
        try:
            yield child
        finally:
            self._give_back(child)

    def _take(self, deadline: float) -> _Child:
        with self._turns:
            while not self._idle and len(self._working) + self._starting >= self._most:
                if self._closed or not self._turns.wait(deadline - time.monotonic()):
                    raise NoTurn("no child process came free in time")
            if self._closed:
                raise NoTurn("closed")
            if self._idle:
                child = self._idle.pop()
                self._working.add(child)
                return child
            self._starting += 1
        return self._start()

    def _start(self) -> _Child:
        child = None
        try:
            child = _Child(self._module, self._settings)
        finally:
            with self._turns:
                self._starting -= 1
                if child is not None:
                    self._working.add(child)
                self._turns.notify()
        return child

    def _give_back(self, child: _Child) -> None:
        usable = child.ready and child.tasks < _TASKS_PER_CHILD
        with self._turns:
            usable = usable and not self._closed
            self._working.discard(child)
            if usable:
                self._idle.append(child)
            self._turns.notify()
        if not usable:
            child.kill()
            child.release()


def _started(life_read: int, reply_write: int, module: str) -> subprocess.Popen[bytes]:
    program = "from actors.pools.htcondor.child_main import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", program, str(life_read), str(reply_write), module],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        bufsize=0,
        pass_fds=(life_read, reply_write),
        env=_environment(),
        start_new_session=True,
    )


class _Child:
    """One child process, used by one thread at a time. `ready`: it waits for a task."""

    def __init__(self, module: str, settings: tuple[Any, ...]) -> None:
        life_read, self._life = os.pipe()
        try:
            self._reply, reply_write = os.pipe()
        except OSError:
            os.close(life_read)
            os.close(self._life)
            raise
        with suppress(OSError):  # a smaller pipe works too
            _set_pipe_size(self._reply)
        try:
            self._process = _started(life_read, reply_write, module)
        except BaseException:  # no memory, no process, no descriptor left: what is ours already must not stay
            os.close(self._life)
            os.close(self._reply)
            raise
        finally:
            os.close(life_read)
            os.close(reply_write)
        assert self._process.stdin is not None
        self._request = self._process.stdin.fileno()
        os.set_blocking(self._request, False)
        self._settings: tuple[Any, ...] | None = settings
        self.ready, self.tasks, self.pid = True, 0, self._process.pid

    def ask(self, task: str, args: tuple[Any, ...], deadline: float) -> Iterator[Any]:
        """Send one task and yield its answers. An answer that does not end leaves the child not `ready`."""
        self.ready = False
        self.tasks += 1
        if self._settings is not None:
            self._send(self._settings, deadline)
            self._settings = None
        self._send((task, args), deadline)
        while True:
            kind, *rest = marshal.loads(self._receive(deadline))
            if kind == "part":
                yield rest[0]
                continue
            self.ready = True
            if kind == "failed":
                raise TaskFailed(rest[0], rest[1])
            return

    def kill(self) -> None:
        """End it at once. Safe to repeat and from any thread."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_REAP_LIMIT_S)

    def release(self) -> None:
        """Close our ends of its pipes: once, after `kill`, by the last thread that uses it."""
        os.close(self._life)
        os.close(self._reply)
        assert self._process.stdin is not None
        self._process.stdin.close()

    def _send(self, message: tuple[Any, ...], deadline: float) -> None:
        body = marshal.dumps(message)
        left = memoryview(LENGTH.pack(len(body)) + body)
        while left:
            self._wait(self._request, select.POLLOUT, deadline)
            try:
                left = left[os.write(self._request, left) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise ChildDied(f"child {self.pid} is gone: {error}") from error

    def _receive(self, deadline: float) -> bytes:
        (length,) = LENGTH.unpack(self._read(LENGTH.size, deadline))
        return self._read(length, deadline)

    def _read(self, length: int, deadline: float) -> bytes:
        pieces = bytearray()
        while len(pieces) < length:
            self._wait(self._reply, select.POLLIN, deadline)
            piece = os.read(self._reply, min(length - len(pieces), _PIPE_BYTES))
            if not piece:
                raise ChildDied(f"child {self.pid} ended in the middle of a task")
            pieces += piece
        return bytes(pieces)

    def _wait(self, fd: int, event: int, deadline: float) -> None:
        poller = select.poll()
        poller.register(fd, event)
        if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise ChildHung("no answer within the time limit; the child process was killed")


def _environment() -> dict[str, str]:
    """Without our secrets, and without HTCondor settings: a child is configured by its settings alone."""
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    return {**inherited(condor=False), "CONDOR_CONFIG": "/dev/null", "PYTHONPATH": path}


def _set_pipe_size(fd: int) -> None:
    import fcntl

    fcntl.fcntl(fd, _F_SETPIPE_SZ, _PIPE_BYTES)
