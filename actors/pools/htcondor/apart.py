"""Users' expressions are evaluated apart: in a fork of the child, with which little is lost. Runs in a child.

A single expression can end the process that evaluates it (a segmentation fault, memory without end), or keep it for
hours. So the ads are judged in a fork, in pieces, and a mark in shared memory says which ad is under way. When the
fork ends, or one ad takes longer than ONE_S, only that ad is lost: another fork goes on from the last piece.

A job that was lost once is not tried again for AGAIN_S, so that it costs its second only now and then. After MOST_S of
one reading were spent on such jobs the pieces that more of them are in are given up whole: a reading ends in time.
"""

from __future__ import annotations

import ctypes
import gc
import marshal
import mmap
import os
import resource
import select
import signal
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from classad2 import ClassAd

from actors.pools.htcondor.child_lanes import LENGTH

PIECE = 250  # ads
ONE_S = 1.0
MOST_S = 5.0
AGAIN_S = 600.0
MOST_MEMORY = 1 << 30  # bytes beside what the child has
_MARK = struct.Struct("<QQ")
_PR_SET_PDEATHSIG = 1

Judge = Callable[[ClassAd], Any]  # what is told of an ad: plain values
Lost = tuple[ClassAd, str]  # an ad, and what happened

_lost_before: dict[tuple[str, str], tuple[float, str]] = {}


def judged(name: str, ads: Sequence[ClassAd], judge: Judge) -> tuple[list[Any], list[Lost]]:
    """What `judge` says of each ad, in order, without those that are lost; `name`: of the schedd that has them."""
    told: list[Any] = []
    lost = _known(name, ads)
    at, spent_s = 0, 0.0
    while at < len(ads):
        since = time.monotonic()
        with _Fork(ads, at, judge, frozenset(lost)) as fork:
            for piece in fork.pieces():
                told += piece
                at, since = at + PIECE, time.monotonic()
            if at >= len(ads):
                break
            where, why = fork.end()
        spent_s += time.monotonic() - since
        lost[where] = why
        _lost_before[name, _id(ads[where])] = (time.monotonic(), why)
        if spent_s > MOST_S:
            rest = (i for i in range(at, min(at + PIECE, len(ads))) if i not in lost)
            lost.update(dict.fromkeys(rest, "it was read with others that could not be evaluated"))
    return told, [(ads[i], why) for i, why in sorted(lost.items())]


def _known(name: str, ads: Sequence[ClassAd]) -> dict[int, str]:
    oldest = time.monotonic() - AGAIN_S
    for key in [key for key, (since, _) in _lost_before.items() if since < oldest]:
        del _lost_before[key]
    if not _lost_before:
        return {}
    found = ((i, _lost_before.get((name, _id(ad)))) for i, ad in enumerate(ads))
    return {i: known[1] for i, known in found if known}


def _id(ad: ClassAd) -> str:
    """Of one of the jobs that the ad is about."""
    return str(ad.get("JobIds") or f"{ad.get('ClusterId')}.{ad.get('ProcId')}")


class _Fork:
    """One fork that judges from one ad on. Use it as a context: it is gone afterwards."""

    def __init__(self, ads: Sequence[ClassAd], start: int, judge: Judge, skipped: frozenset[int]) -> None:
        self._mark = mmap.mmap(-1, _MARK.size)
        self._mark[:] = _MARK.pack(start, 0)
        self._hung = False
        self._answers, answers = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            try:
                os.close(self._answers)
                _alone()
                self._judge(ads, start, judge, skipped, answers)
            finally:
                os._exit(0 if _MARK.unpack(self._mark[:])[0] >= len(ads) else 1)
        os.close(answers)

    def __enter__(self) -> _Fork:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        os.close(self._answers)
        self._mark.close()

    def pieces(self) -> Iterator[list[Any]]:
        """What it said of PIECE ads each, until it ends or hangs."""
        while head := self._read(LENGTH.size):
            body = self._read(LENGTH.unpack(head)[0])
            if body is None:
                return
            yield marshal.loads(body)

    def end(self) -> tuple[int, str]:
        """Of a fork that did not do all: at which ad, and how it ended."""
        where, _ = _MARK.unpack(self._mark[:])
        if self._hung:
            return where, f"evaluating it took longer than {ONE_S:g} s"
        _, status = os.waitpid(self._pid, 0)
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "an error"
        return where, f"evaluating it ended the process that did it ({how})"

    def _judge(self, ads: Sequence[ClassAd], start: int, judge: Judge, skipped: frozenset[int], answers: int) -> None:
        for piece in range(start, len(ads), PIECE):
            told = []
            for i in range(piece, min(piece + PIECE, len(ads))):
                self._mark[:] = _MARK.pack(i, 0)
                if i not in skipped:
                    told.append(judge(ads[i]))
            body = marshal.dumps(told)
            left = memoryview(LENGTH.pack(len(body)) + body)
            while left:
                left = left[os.write(answers, left) :]
        self._mark[:] = _MARK.pack(len(ads), 0)

    def _read(self, length: int) -> bytes | None:
        """None when it ended or hangs."""
        pieces = bytearray()
        while len(pieces) < length:
            if not self._comes():
                return None
            piece = os.read(self._answers, length - len(pieces))
            if not piece:
                return None
            pieces += piece
        return bytes(pieces)

    def _comes(self) -> bool:
        """Wait for an answer, as long as the mark moves."""
        before, since = self._mark[:], time.monotonic()
        while not select.select([self._answers], [], [], ONE_S / 10)[0]:
            if self._mark[:] != before:
                before, since = self._mark[:], time.monotonic()
            elif time.monotonic() - since > ONE_S:
                self._hung = True
                return False
        return True


def _alone() -> None:
    """A fork ends with the child, leaves no core file, and has an end to its memory."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    gc.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with open("/proc/self/statm") as sizes:
        most = int(sizes.read().split()[0]) * resource.getpagesize() + MOST_MEMORY
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
