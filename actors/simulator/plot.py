"""How simulated runs went: jobs over time, and VMs by cloud, the cheapest at the bottom. SVG and PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actors.config.outside_text import visible
from actors.simulator.meter import RunOutcome
from actors.simulator.report import duration

COLOURS = ("#0072B2", "#56B4E9", "#E69F00", "#D55E00", "#CC79A7", "#009E73", "#999999", "#F0E442")  # for every eye
WAITING, RUNNING = "#D55E00", "#0072B2"


def plot(outcomes: Sequence[RunOutcome], path: Path) -> tuple[Path, Path]:
    """Two panels for each outcome, side by side, with the same scales. Returns the SVG's and the PNG's path."""
    with rc_context({"text.parse_math": False}):  # a "$" in a name is a "$"
        return _drawn(outcomes, path)


def _drawn(outcomes: Sequence[RunOutcome], path: Path) -> tuple[Path, Path]:
    figure = Figure(figsize=(max(7.5, 6.2 * len(outcomes)), 6.0), layout="constrained")
    panels = figure.subplots(2, len(outcomes), sharex=True, sharey="row", squeeze=False)
    for column, outcome in enumerate(outcomes):
        _jobs(panels[0][column], outcome)
        _vms(panels[1][column], outcome)
    for row in panels:
        row[0].set_ylim(0, 1.2 * max(axes.dataLim.ymax for axes in row) or 1.0)  # room for the legend
    panels[0][0].set_ylabel("jobs")
    panels[1][0].set_ylabel("VMs")
    written = path.with_suffix(".svg"), path.with_suffix(".png")
    for file in written:
        figure.savefig(file, dpi=130)
    return written


def _hours(outcome: RunOutcome) -> list[float]:
    return [sample.at_s / 3600.0 for sample in outcome.samples]


def _jobs(axes: Axes, outcome: RunOutcome) -> None:
    hours = _hours(outcome)
    axes.fill_between(hours, [sample.running for sample in outcome.samples], color=RUNNING, alpha=0.35, linewidth=0)
    axes.plot(hours, [sample.running for sample in outcome.samples], color=RUNNING, linewidth=1.0, label="running")
    axes.plot(hours, [sample.waiting for sample in outcome.samples], color=WAITING, linewidth=1.2, label="waiting")
    waits = f"waits {duration(outcome.mean_wait_s)} on average, 95 % under {duration(outcome.p95_wait_s)}"
    axes.set_title(f"{visible(outcome.name)}\n{waits}", loc="left", fontsize=10)
    _tidy(axes)


def _vms(axes: Axes, outcome: RunOutcome) -> None:
    hours = _hours(outcome)
    clouds = list(outcome.vm_hours)
    stacks = [[sample.vms.get(cloud, 0) for sample in outcome.samples] for cloud in clouds]
    labels = [f"{cloud}  {outcome.vm_hours[cloud]:,.0f} h" for cloud in clouds]
    colours = [COLOURS[number % len(COLOURS)] for number in range(len(clouds))]
    axes.stackplot(hours, stacks, labels=labels, colors=colours, linewidth=0)
    cost = f"{outcome.all_vm_hours:,.0f} VM-hours, {outcome.utilisation:.0%} used, US$ {outcome.usd:,.2f}"
    axes.set_title(cost, loc="left", fontsize=10)
    axes.set_xlabel("hours")
    _tidy(axes)


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0)
    legend = axes.legend(frameon=False, fontsize=8, loc="upper left", ncols=4, columnspacing=1.0, handlelength=1.0)
    legend.set_in_layout(False)
