"""A simulation's figures as a table, one row for each configuration, and what no configuration can be better than."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from actors.simulator.jobs import Job
from actors.simulator.meter import Outcome

CLOUD_COLUMNS = 4


def table(outcomes: Sequence[Outcome]) -> Table:
    """Waits, VM-hours in all and by cloud, cost and utilisation."""
    shown = Table(title="Simulated", title_justify="left")
    shown.add_column("configuration")
    for name in ("jobs done", "mean wait", "median", "p95", "VM-hours", "by cloud", "started", "US$", "used"):
        shown.add_column(name, justify="right")
    for outcome in outcomes:
        shown.add_row(*_row(outcome))
    return shown


def _row(outcome: Outcome) -> list[str]:
    left = f" ({outcome.jobs_left} left)" if outcome.jobs_left else ""
    by_cloud = ", ".join(f"{cloud} {hours:,.1f}" for cloud, hours in outcome.vm_hours.items())
    return [
        outcome.name,
        f"{outcome.jobs_done:,}{left}",
        duration(outcome.mean_wait_s),
        duration(outcome.median_wait_s),
        duration(outcome.p95_wait_s),
        f"{outcome.all_vm_hours:,.1f}",
        by_cloud if len(outcome.vm_hours) > 1 else "",
        f"{sum(outcome.vms_started.values()):,}",
        f"{outcome.usd:,.2f}",
        f"{outcome.utilisation:.0%}",
    ]


def duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def floor_vm_hours(jobs: Sequence[Job], cores: int) -> float:
    """The least VM-hours that the work can take on VMs of so many cores, all of them always full."""
    return sum(job.runtime_s * max(1, job.request.cpus) for job in jobs) / cores / 3600.0
