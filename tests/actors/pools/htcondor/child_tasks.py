"""Tasks for test_children: what a library may do to us."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from actors.pools.htcondor.child_main import Failure

_settings: list[str] = []


def begin(word: str) -> None:
    _settings.append(word)


def rest() -> None:
    pass


def echo(*values: Any) -> Iterator[Any]:
    yield from values


def settings() -> Iterator[str]:
    yield from _settings


def pid() -> Iterator[int]:
    yield os.getpid()


def hang() -> Iterator[None]:
    """Waits in C with the interpreter's lock held, as htcondor2 does."""
    ctypes.PyDLL(None).sleep(600)
    yield None


def mark_and_hang(path: str) -> Iterator[None]:
    """Writes its process id to `path` just before it hangs."""
    Path(path).write_text(str(os.getpid()))
    yield from hang()


def answer_then_hang() -> Iterator[int]:
    yield 1
    ctypes.PyDLL(None).sleep(600)


def end() -> Iterator[None]:
    os._exit(3)
    yield None


def refuse() -> Iterator[None]:
    raise Failure("refused", "not today")
    yield None


TASKS: dict[str, Callable[..., Iterator[Any]]] = {
    task.__name__: task for task in (echo, settings, pid, hang, mark_and_hang, answer_then_hang, end, refuse)
}
