"""What a trace says of one job."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from actors.fleet.shape import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job that is submitted at `at_s` (from the start of the trace) and runs for `runtime_s` once it starts."""

    at_s: float
    runtime_s: float
    request: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The jobs by submission, and how many were left out, by why."""

    jobs: tuple[Job, ...]
    left_out: Mapping[str, int]


class BadTrace(Exception):
    """The trace cannot be used: the message says which line or job, what was seen, and what is needed."""


class LeftOut(str):
    """Why a job of the trace is not simulated, as the end of a sentence: "3 jobs ..."."""

    __slots__ = ()


Row = tuple[float, float, Shape]  # submission and run time in seconds, what it asks for
LONGEST_S = 1e10  # three hundred years: Unix time is under it
MOST = 2**40  # of anything that a job asks for


def seconds(value: float, where: str, name: str) -> float:
    """`value` where it is a time. Raises BadTrace."""
    if not 0 <= value <= LONGEST_S:
        raise BadTrace(f"{where}: {name}: seen {value:g}; allowed: seconds from 0 to {LONGEST_S:g}")
    return value


def amount(value: float, where: str, name: str) -> int:
    """A whole number, rounded up, as nobody gives half a core. Raises BadTrace."""
    if not 0 <= value <= MOST:
        raise BadTrace(f"{where}: {name}: seen {value:g}; allowed: a number from 0 to {MOST:g}")
    return math.ceil(value)
