"""The commands of the operator's mailbox: `apf drain`, `kill`, `hold` and the others, each with the options it honours.

Before a wish is sent it is said what it will do and what it will not; on a terminal it is asked back, unless --yes says
that it need not be. `apf kill` asks back wherever it is run. The host's answer says the same, as it took the wish.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from actors.config.outside_text import visible
from actors.config.schema import Config as Settings
from actors.config.secrets import NoSecret
from actors.console.terminal import Screen
from actors.store.codec import BadRow
from actors.store.site import NotRunning
from broker.errors import BrokerError

BROKEN, WRONG, NOBODY = 1, 2, 3
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}

File = Annotated[Path, typer.Argument(metavar="CONFIG", help="The factory's TOML file.", show_default=False)]
Why = Annotated[str, typer.Option(help="Why; it stands in the logs and in the status.", show_default=False)]
OneVm = Annotated[str, typer.Option(help="One VM, by its id or its instance id.")]
Cloud = Annotated[str, typer.Option(help="A cloud.")]
Queue = Annotated[str, typer.Option(help="A queue.")]
All = Annotated[bool, typer.Option("--all", help="The whole factory.")]
Count = Annotated[int | None, typer.Option(help="So many VMs of the queue, the dearest first.")]
Replaced = Annotated[bool, typer.Option(help="Whether others may be bought instead, while the wish lives.")]
Life = Annotated[str, typer.Option(help="How long the wish lives: 30m, 24h, 7d.")]
Wait = Annotated[float, typer.Option(help="Seconds to wait for a host's answer.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask back.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What all commands share: how a file is loaded, where is printed, how a command ends."""

    load: Callable[[Path], Settings]
    end: Callable[[int, str], NoReturn]
    out: Screen


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What every wish takes."""

    verb: str
    reason: str
    life: str
    wait_s: float
    yes: bool


def commands(app: typer.Typer, door: Door) -> None:
    _taking_out(
        app, door, "drain", "Let VMs end the jobs they have and take no others, then end them. No job is killed."
    )
    _taking_back(app, door, "undrain", "Take a drain back, where its VM still runs a job.")
    _holding(app, door, "hold", "Keep VMs: nothing drains or ends them.")
    _taking_back(app, door, "release", "Take a hold back.")
    _taking_out(app, door, "kill", "End VMs at once, with the jobs on them.")
    _of_groups(app, door, "freeze", "Start, drain and end nothing there.")
    _of_groups(
        app,
        door,
        "thaw",
        "Take a freeze back; a cloud's breaker is closed too, and what its readings miss counts as gone,"
        " and what seemed to be another factory's as ours.",
    )


def _taking_out(app: typer.Typer, door: Door, verb: str, text: str) -> None:
    @app.command(verb, help=text)
    def wishing(
        config: File, reason: Why, vm: OneVm = "", cloud: Cloud = "", queue: Queue = "", everything: All = False,
        count: Count = None, replace: Replaced = True, life: Life = "24h", wait: Wait = 30.0, yes: Yes = False,
    ) -> None:  # fmt: skip
        common = Common(verb=verb, reason=reason, life=life, wait_s=wait, yes=yes)
        _wish(door, config, common, _meant(door, vm, cloud, queue, everything), count=count, replace=replace)


def _holding(app: typer.Typer, door: Door, verb: str, text: str) -> None:
    @app.command(verb, help=text)
    def wishing(
        config: File, reason: Why, vm: OneVm = "", cloud: Cloud = "", queue: Queue = "", everything: All = False,
        count: Count = None, life: Life = "24h", wait: Wait = 30.0, yes: Yes = False,
    ) -> None:  # fmt: skip
        common = Common(verb=verb, reason=reason, life=life, wait_s=wait, yes=yes)
        _wish(door, config, common, _meant(door, vm, cloud, queue, everything), count=count)


def _taking_back(app: typer.Typer, door: Door, verb: str, text: str) -> None:
    @app.command(verb, help=text)
    def wishing(
        config: File, reason: Why, vm: OneVm = "", cloud: Cloud = "", queue: Queue = "", everything: All = False,
        life: Life = "24h", wait: Wait = 30.0, yes: Yes = False,
    ) -> None:  # fmt: skip
        common = Common(verb=verb, reason=reason, life=life, wait_s=wait, yes=yes)
        _wish(door, config, common, _meant(door, vm, cloud, queue, everything))


def _of_groups(app: typer.Typer, door: Door, verb: str, text: str) -> None:
    @app.command(verb, help=text)
    def wishing(
        config: File, reason: Why, cloud: Cloud = "", queue: Queue = "", everything: All = False,
        life: Life = "24h", wait: Wait = 30.0, yes: Yes = False,
    ) -> None:  # fmt: skip
        common = Common(verb=verb, reason=reason, life=life, wait_s=wait, yes=yes)
        _wish(door, config, common, _meant(door, "", cloud, queue, everything))


def _meant(door: Door, vm: str, cloud: str, queue: str, everything: bool) -> tuple[str, str]:
    """(selector, name)"""
    given = [(what, name) for what, name in (("vm", vm), ("cloud", cloud), ("queue", queue)) if name]
    if len(given) + everything != 1:
        door.end(WRONG, "say which: one of --vm ID, --cloud NAME, --queue NAME, --all (no --vm for freeze and thaw)")
    return given[0] if given else ("all", "")


def _wish(door: Door, path: Path, common: Common, meant: tuple[str, str], **more: Any) -> NoReturn:
    from actors.console import send_wish

    settings, life_s = door.load(path), _seconds(door, common.life)
    try:
        wanted = send_wish.wish(common.verb, meant[0], meant[1], common.reason, life_s, **more)
    except send_wish.BadWish as wrong:
        door.end(WRONG, str(wrong))
    _ask_back(door, settings, common, meant, wanted)
    try:
        outcome = send_wish.ask(settings, wanted, common.wait_s)
    except (NotRunning, BrokerError, NoSecret) as away:
        door.end(BROKEN, str(away))
    if outcome is None:
        told = f"no host answered in {common.wait_s:g} s. Is one up? See `apf status {path}`, then ask again."
        door.end(NOBODY, told)
    door.out.print(f"wish {outcome.id} {outcome.verdict}" + (f": {outcome.why}" if outcome.why else ""))
    raise typer.Exit(0 if outcome.verdict == "accepted" else BROKEN)


def _ask_back(door: Door, settings: Settings, common: Common, meant: tuple[str, str], wanted: object) -> None:
    """What it will do. A factory that cannot be read now says so again when the wish is sent."""
    from actors.console import send_wish

    try:
        for line in () if common.yes else send_wish.before(settings, wanted):  # type: ignore[arg-type]
            door.out.print(line)
    except (NotRunning, BrokerError, NoSecret, BadRow) as away:
        door.out.print(f"what it will do cannot be seen now: {away}")
    if common.yes:
        return
    if common.verb == "kill":
        typer.confirm(f"The jobs on {meant[0]} {visible(meant[1])} are lost. End them at once?", abort=True)
    elif sys.stdin.isatty():
        typer.confirm("Shall it be so?", abort=True)


def _seconds(door: Door, text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if not found:
        door.end(WRONG, f"--life {text!r}: write a number and s, m, h or d, e.g. 30m, 24h, 7d")
    return float(found[1]) * UNITS[found[2]]
