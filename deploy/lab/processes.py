"""Process trees, read from /proc: finding and ending everything that a process started.

Why: HTCondor's daemons leave their parent's process group, so a group kill does not reach them.

The rule it keeps: a tree is frozen from the top down before it is killed, so that nothing in it can
start a new process meanwhile.
"""

import os
import signal
from collections import defaultdict
from pathlib import Path


def parent_of(pid: int) -> int | None:
    """The parent of a process, or None if there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(text.rpartition(")")[2].split()[1])


def name_of(pid: int) -> str:
    """The first 15 characters of a process's name, as the kernel keeps it; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def is_running(pid: int) -> bool:
    """Whether the process is there and is not a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


def descendants(root: int) -> list[int]:
    """All processes below `root`, parents before their children; without `root` itself."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := parent_of(int(entry.name))) is not None:
            children[parent].append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        below = children[waiting.pop(0)]
        found += below
        waiting += below
    return found


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal; a process that is gone already is no error."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def freeze_tree(root: int, *, spare_root: bool = False) -> list[int]:
    """Stop everything below `root` (and `root`, unless spared) until no new one shows; their ids."""
    stopped: list[int] = []
    spared = {root} if spare_root else set()
    while fresh := [pid for pid in [root, *descendants(root)] if pid not in spared.union(stopped)]:
        for pid in fresh:
            send(pid, signal.SIGSTOP)
        stopped += fresh
    return stopped


def kill_tree(root: int, *, spare_root: bool = False) -> None:
    """End everything below `root` (and `root`, unless spared) at once: as when the power is cut."""
    for pid in freeze_tree(root, spare_root=spare_root):
        send(pid, signal.SIGKILL)
