"""What a trace says of one job."""

from __future__ import annotations

from dataclasses import dataclass

from actors.fleet.shape import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job that is submitted at `at_s` (from the start of the trace) and runs for `runtime_s` once it starts."""

    at_s: float
    runtime_s: float
    request: Shape
