"""The demo's picture: the jobs as one bar, every VM as one row under its cloud, the last decisions with their reasons.

A `Scene` is all that is to be seen at one moment; drawing it reads nothing else, so that any moment can be drawn again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from actors.console.status_model import VmStatus
from deploy.lab.demo.promises import PROMISES, Broken, Place
from deploy.lab.demo.summary import Summary, lines
from deploy.lab.demo.words import Said

BAR = 30
OTHERS = 20  # lines of the screen that are no decisions, while no launch has failed
DECISIONS = 12  # lines for decisions, at most
FRAME = 6  # columns that the panel's frame takes
INTRODUCTION = (
    "Jobs wait in a pool that has no workers. The factory starts VMs for them, the cheapest cloud first; "
    "when jobs become fewer it drains and ends VMs, the dearest cloud first."
)
_JOBS = (("done", "green", "█"), ("running", "yellow", "▓"), ("waiting", "bright_black", "░"))
_STATES = {
    "launching": ("cyan", "asked for"),
    "booting": ("cyan", "boots"),
    "ready": ("green", "waits for a job"),
    "draining": ("yellow", "takes no more jobs"),
    "drained": ("yellow", "is empty"),
    "ending": ("magenta", "is being ended"),
    "ended": ("bright_black", "gone"),
    "failed": ("red", "was not to be had"),
}
_DEAD = ("ended", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """`busy`: ids of the VMs that run a job, as the pool says. `jobs`: counts of waiting, running, done."""

    title: str
    after_s: float
    jobs: Counter[str]
    vms: Sequence[VmStatus]
    busy: frozenset[str]
    places: Sequence[Place]
    said: Sequence[Said]


def draw(scene: Scene, width: int = 100, height: int = 40) -> RenderableType:
    """For a screen of so many columns and lines."""
    room = max(2, min(DECISIONS, height - OTHERS - len(INTRODUCTION) // (width - FRAME)))
    parts: list[RenderableType] = [Text(INTRODUCTION, style="dim"), Text(""), _jobs(scene)]
    for place in scene.places:
        parts += [_cloud(scene, place), *_vms(scene, place)]
    parts += [Text("\nWhat the factory decided, and why", style="bold"), *_said(scene.said, width - FRAME, room)]
    title = f"[bold]apf demo[/]  {int(scene.after_s) // 60}:{int(scene.after_s) % 60:02d}  [dim]{scene.title}[/]"
    return Panel(Group(*parts), title=title, title_align="left", padding=(0, 2))


def short(instance_id: str) -> str:
    """The part of an id by which a person tells two apart."""
    return instance_id[:2] + instance_id[2:][-8:]


def _jobs(scene: Scene) -> Text:
    """A bar of BAR cells for all jobs, and the three counts."""
    total = sum(scene.jobs.values()) or 1
    text, cells, seen = Text("jobs      ", style="bold"), 0, 0
    for name, colour, block in _JOBS:
        seen += scene.jobs[name]
        upto = round(BAR * seen / total)
        text.append(block * (upto - cells), style=colour)
        cells = upto
    for name, colour, _ in _JOBS:
        text.append(f"  {scene.jobs[name]} ", style=f"bold {colour}").append(name, style=colour)
    return text


def _cloud(scene: Scene, place: Place) -> Text:
    alive = [vm for vm in scene.vms if vm.cloud == place.name and vm.state not in _DEAD]
    price = f"${place.usd_per_hour:g} an hour each" if place.usd_per_hour else "free"
    text = Text(f"{place.name:<10}", style="bold")
    text.append("■ " * len(alive), style="green").append("□ " * (place.max_vms - len(alive)), style="bright_black")
    return text.append(f" {len(alive)} of at most {place.max_vms} VMs, {price}", style="default")


def _vms(scene: Scene, place: Place) -> Iterable[RenderableType]:
    table = Table.grid(padding=(0, 2, 0, 0))
    for width in (10, 9, 0):
        table.add_column(min_width=width)
    own = sorted((vm for vm in scene.vms if vm.cloud == place.name), key=lambda vm: vm.state in _DEAD)
    for vm in own[: place.max_vms]:
        colour, does = _STATES[vm.state]
        if vm.id in scene.busy and vm.state not in _DEAD:
            does = "runs a job" if vm.state == "ready" else "ends its last job first, takes no more"
        style = "bright_black" if vm.state in _DEAD else "default"
        name = short(vm.instance_id) or vm.id
        table.add_row(Text(name, style=style), Text(vm.state, style=colour), Text(does, style=style))
    yield Padding(table, (0, 0, 0, 10)) if table.row_count else Text("")


def _said(decisions: Sequence[Said], width: int, room: int) -> Iterable[Text]:
    """As many of the last decisions as there are lines for, the newest last."""
    shown: list[Text] = []
    for one in reversed(decisions):
        text = Text.assemble((f"{one.at} ", "dim"), (one.what, one.colour), (f"  {one.why}", "dim"))
        room -= 1 + len(text) // (width - 4)  # a line that breaks at words holds a little less
        if room < 0 and shown:
            break
        shown.append(text)
    return reversed(shown)


def verdict(summary: Summary, broken: Sequence[Broken]) -> RenderableType:
    """The figures, then each promise kept or broken."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for title, text in lines(summary):
        table.add_row(Text(title, style="bold"), Text(text))
    told: list[RenderableType] = [table, Text("")]
    for number, promise in PROMISES.items():
        failed = [one.what for one in broken if one.promise == number]
        mark, style = ("broken", "bold red") if failed else ("kept  ", "green")
        told.append(Text.assemble((mark, style), f"  {number}. {promise}"))
        told += [Text(f"           {what}", style="red") for what in failed]
    note = Text("By the pool's own history and the clouds' own ledger, not by the factory's word.", style="dim")
    return Panel(Group(*told, Text(""), note), title="[bold]What it came to[/]", title_align="left", padding=(1, 2))
