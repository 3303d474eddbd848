"""A keeper: runs one command and sees to it that nothing of it outlives the process that asked for it.

Why: a test run or a demo may be killed with `kill -9`; the daemons that it started must not stay
behind. A pipe is not enough (forked children hold it open), nor is the kernel's parent-death signal
(it follows the *thread* that started the child, and spares grandchildren).

The rule it keeps: the keeper is the reaper of all that its command starts (PR_SET_CHILD_SUBREAPER).
When its owner is gone, when it is told to end (SIGTERM), or when the command itself has ended, it
kills what is left below it, then exits with the command's status.

Run as a plain script, with the standard library only, so that it starts in 20 ms:
    keeper.py OWNER_PID UID GID COMMAND...        UID and GID are -1 for "as I am"
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])

from deploy.lab import processes

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True)


def command(owner: int, uid: int, gid: int, argv: list[str]) -> list[str]:
    """The command line that runs `argv` under a keeper."""
    return [sys.executable, "-S", "-E", __file__, str(owner), str(uid), str(gid), *argv]


def _start(uid: int, gid: int, argv: list[str]) -> subprocess.Popen[bytes]:
    """The command, told to die with its keeper. (One thread here, so preexec_fn is safe.)"""
    drop = {} if uid < 0 else {"user": uid, "group": gid, "extra_groups": []}
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        argv, preexec_fn=lambda: _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), **drop
    )


def _wait(child: subprocess.Popen[bytes], owner_gone: int) -> None:
    """Return when the owner is gone, when told to end, or when the command has ended."""
    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    poller = select.poll()
    poller.register(owner_gone, select.POLLIN)
    poller.register(wake_read, select.POLLIN)
    while not told and child.poll() is None:
        ready = [fd for fd, _ in poller.poll(1000)]
        if owner_gone in ready:
            return
        if wake_read in ready:
            os.read(wake_read, 4096)
            _reap(child)


def _reap(child: subprocess.Popen[bytes]) -> None:
    """Collect orphans that ended; the command itself is left to `child.poll()`."""
    for pid in processes.descendants(os.getpid()):
        if pid != child.pid and processes.parent_of(pid) == os.getpid():
            os.waitpid(pid, os.WNOHANG)


def _clear() -> None:
    """Kill and collect until nothing is left below."""
    while processes.descendants(os.getpid()):
        processes.kill_tree(os.getpid(), spare_root=True)
        try:
            while os.waitpid(-1, 0)[0]:
                pass
        except ChildProcessError:
            continue


def main() -> int:
    owner, uid, gid = (int(word) for word in sys.argv[1:4])
    owner_gone = os.pidfd_open(owner)
    if os.getppid() != owner:
        return 1
    _LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)
    child = _start(uid, gid, sys.argv[4:])
    _wait(child, owner_gone)
    status = child.poll()
    _clear()
    return 0 if status is None else min(abs(status), 255)


if __name__ == "__main__":
    sys.exit(main())
