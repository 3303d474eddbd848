"""The comparison as a picture: mean wait against VM-hours for each trace, our settings as one line, peers as points."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

OURS, PEER, ORACLE = "#0072B2", "#D55E00", "#009E73"
FAR = 2.2  # times the least of what we have: what lies farther out is left out, and counted


class Placed(Protocol):
    @property
    def trace(self) -> str: ...
    @property
    def who(self) -> str: ...
    @property
    def mine(self) -> bool: ...
    @property
    def wait_s(self) -> float: ...
    @property
    def vm_hours(self) -> float: ...


def draw(points: Sequence[Placed], path: Path) -> None:
    """Writes an SVG with a panel for each trace."""
    traces = list(dict.fromkeys(one.trace for one in points))
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "frontier", "font.size": 8}):
        figure = Figure(figsize=(5.2 * len(traces), 4.4), layout="constrained")
        for axes, trace in zip(figure.subplots(1, len(traces), squeeze=False)[0], traces, strict=True):
            _panel(axes, trace, [one for one in points if one.trace == trace])
        figure.savefig(path, format="svg", metadata={"Date": None})


def _panel(axes: Axes, trace: str, points: Sequence[Placed]) -> None:
    mine = [one for one in points if one.mine]
    most_s, most_h = (FAR * max(map(of, mine)) for of in (lambda one: one.wait_s, lambda one: one.vm_hours))
    near = [one for one in points if one.wait_s <= most_s and one.vm_hours <= most_h]
    axes.plot([one.wait_s for one in mine], [one.vm_hours for one in mine], "-o", color=OURS, linewidth=1.4, zorder=3)
    for one in near:
        colour = OURS if one.mine else ORACLE if one.who == "oracle" else PEER
        axes.plot([one.wait_s], [one.vm_hours], "o", color=colour, markersize=4)
        axes.annotate(
            one.who.rpartition(", ")[2], (one.wait_s, one.vm_hours), xytext=(4, 3), textcoords="offset points",
            color=colour, fontsize=6.5,
        )  # fmt: skip
    out = len(points) - len(near)
    axes.set_title(f"{trace}" + (f" ({out} lie far outside)" if out else ""), loc="left")
    axes.set_xlabel("mean wait, s")
    axes.set_ylabel("VM-hours")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
