"""A figure: what was measured, the raw call beside it in the same run, and the limit that it has to keep.

Machines differ and are shared, so a limit is on a ratio or on what comes beyond the raw call wherever there is one.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.table import Table

COLUMNS = ("What", "Raw call", "Here", "Ratio", "Goal", "Kept")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`judge` says what must be at most `limit`: the figure itself, its ratio to `raw`, or what it is beyond `raw`.

    Without a limit it is only told. `raw` and `ours` are in `unit`.
    """

    what: str
    ours: float
    unit: str
    raw: float | None = None
    judge: Literal["itself", "ratio", "beyond"] = "itself"
    limit: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.ours / self.raw if self.raw else None

    @property
    def kept(self) -> bool:
        if self.limit is None:
            return True
        if self.judge == "itself":
            return self.ours <= self.limit
        assert self.raw is not None, "judged beside a raw call that is not there"
        return (self.ours / self.raw if self.judge == "ratio" else self.ours - self.raw) <= self.limit

    def cells(self) -> tuple[str, ...]:
        """What stands in the table, by COLUMNS."""
        return (
            self.what,
            "" if self.raw is None else _amount(self.raw, self.unit),
            _amount(self.ours, self.unit),
            "" if self.ratio is None else f"{self.ratio:.2f}",
            self._goal(),
            self._told_kept(),
        )

    def _told_kept(self) -> str:
        if self.limit is None:
            return ""
        if self.kept:
            return "yes"
        return "NO" if self.raw is None else f"NO; raw took {_amount(self.raw, self.unit)} in this run"

    def _goal(self) -> str:
        if self.limit is None:
            return ""
        if self.judge == "ratio":
            return f"at most {self.limit:g} x raw"
        return f"at most {_amount(self.limit, self.unit)}" + (" beyond raw" if self.judge == "beyond" else "")


def percentile(samples: Sequence[float], percent: int) -> float:
    """The `percent`-th percentile (1 to 99) of at least two samples."""
    return statistics.quantiles(samples, n=100, method="inclusive")[percent - 1]


def table(figures: Sequence[Figure]) -> Table:
    shown = Table(*COLUMNS, title=f"make bench, {os.cpu_count()} cores")
    for one in figures:
        shown.add_row(*one.cells(), style="" if one.kept else "bold red")
    return shown


def markdown(figures: Sequence[Figure]) -> str:
    """The same table for deploy/docs/speed.md."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(one.cells() for one in figures)]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def show(figures: Sequence[Figure]) -> None:
    """Print the table, then the Markdown; plain and as wide as needed where there is no terminal."""
    width = None if sys.stdout.isatty() else 150
    Console(width=width).print(table(figures))
    sys.stdout.write("\n" + markdown(figures))


def _amount(value: float, unit: str) -> str:
    digits = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {unit}".strip()
