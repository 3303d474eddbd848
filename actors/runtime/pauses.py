"""How long to wait after what failed: a table of pauses, of which the last one is repeated."""

from __future__ import annotations

from collections.abc import Sequence


def pause_s(table: Sequence[float], failures: int) -> float:
    """Seconds after so many failures in a row before this one; `table` is not empty."""
    return table[min(failures, len(table) - 1)]
