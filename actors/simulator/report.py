"""A simulation's figures as a table, configurations side by side, and what no configuration can be better than."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rich.table import Table

from actors.simulator.jobs import Job
from actors.simulator.meter import RunOutcome


def table(outcomes: Sequence[RunOutcome], compare: bool = False) -> Table:
    """A column for each configuration. With `compare` the figures stand as multiples of the first one's too."""
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
    shown.add_column("")
    for outcome in outcomes:
        shown.add_column(outcome.name, justify="right", overflow="fold")
    shown.add_row("jobs done", *(f"{outcome.jobs_done:,}" for outcome in outcomes))
    shown.add_row("jobs left", *(f"{outcome.jobs_left:,}" for outcome in outcomes))
    for name, figure, write in FIGURES:
        values = [figure(outcome) for outcome in outcomes]
        times = [_times(value, values[0]) if compare else "" for value in values]
        shown.add_row(name, *(write(value) + more for value, more in zip(values, times, strict=True)))
        for cloud in _clouds(outcomes) if name == "VM-hours" else ():
            shown.add_row(f"  {cloud}", *(_hours(outcome, cloud) for outcome in outcomes))
    shown.add_row("VMs started", *(f"{sum(outcome.vms_started.values()):,}" for outcome in outcomes))
    shown.add_row("jobs reclaimed", *(f"{outcome.reclaimed_jobs:,}" for outcome in outcomes))
    return shown


def _times(value: float, first: float) -> str:
    return "  x    -" if not first or math.isnan(value / first) else f"  x {value / first:.2f}"


def _clouds(outcomes: Sequence[RunOutcome]) -> list[str]:
    """Of all of them; none where there is one only."""
    clouds = list(dict.fromkeys(cloud for outcome in outcomes for cloud in outcome.vm_hours))
    return clouds if len(clouds) > 1 else []


def _hours(outcome: RunOutcome, cloud: str) -> str:
    return f"{outcome.vm_hours[cloud]:,.1f}" if cloud in outcome.vm_hours else ""


def duration(seconds: float) -> str:
    if math.isnan(seconds):
        return "-"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


FIGURES: tuple[tuple[str, Callable[[RunOutcome], float], Callable[[float], str]], ...] = (
    ("mean wait", lambda outcome: outcome.mean_wait_s, duration),
    ("median wait", lambda outcome: outcome.median_wait_s, duration),
    ("95 % wait under", lambda outcome: outcome.p95_wait_s, duration),
    ("VM-hours", lambda outcome: outcome.all_vm_hours, lambda hours: f"{hours:,.1f}"),
    ("cores used", lambda outcome: outcome.utilisation, lambda share: f"{share:.0%}"),
    ("US$", lambda outcome: outcome.usd, lambda usd: f"{usd:,.2f}"),
)


def floor_vm_hours(jobs: Sequence[Job], cores: int) -> float:
    """The least VM-hours that the work can take on VMs of so many cores, all of them always full."""
    return sum(job.runtime_s * max(1, job.request.cpus) for job in jobs) / cores / 3600.0
