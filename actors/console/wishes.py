"""`apf wishes`: what operators asked for, what became of it, and how much of the fleet it still concerns.

A wish concerns those living VMs for which it is the one that decides: a newer one of the opposite verb takes its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.table import Table
from rich.text import Text

from actors.config.schema import Config
from actors.console.opened import served, store
from actors.console.status_model import StatusPart
from actors.fleet.vm import Vm
from actors.fleet.wish import Wish, for_vm
from actors.store.vms import read_vms
from actors.store.wants import WishOutcome, read_outcomes, read_wishes

RECENT_S = 86_400.0  # refused and ended ones are shown for so long


class WishLine(StatusPart):
    """`ends_in_s` 0: without effect, it is over or was refused. `vms`: living ones that it decides for."""

    id: str
    at: float
    verb: str
    what: str
    by: str
    reason: str
    verdict: str
    why: str
    vms: int
    ends_in_s: float


def read(config: Config, everything: bool = False) -> tuple[WishLine, ...]:
    """The newest first; `everything`: also those that are over for long. Raises NotRunning, NoSecret, Unreachable."""
    with store(config) as rows:
        outcomes = dict(read_outcomes(rows.table))
        wishes = read_wishes(rows.table, now=0.0)
        clouds = dict.fromkeys((*config.clouds, *served(config, rows.document.read()).clouds))
        vms = [vm for vm in read_vms(rows.table, clouds) if vm.alive]
    accepted = {wish.id for wish in wishes}
    lines = [*_accepted(wishes, outcomes, vms, rows.now), *_refused(outcomes, accepted)]
    since = 0.0 if everything else rows.now - RECENT_S
    recent = [line for line in lines if line.ends_in_s or line.at >= since]
    return tuple(sorted(recent, key=lambda line: -line.at))


def _accepted(
    wishes: tuple[Wish, ...], outcomes: dict[str, WishOutcome], vms: Iterable[Vm], now: float
) -> Iterator[WishLine]:
    living = [wish for wish in wishes if wish.ends > now]
    decided = {wish.id: 0 for wish in wishes}
    for vm in vms:
        for verb in {wish.verb for wish in living}:
            if (wish := for_vm(living, verb, vm)) is not None:
                decided[wish.id] += 1
    for wish in wishes:
        yield WishLine(
            id=wish.id,
            at=wish.at,
            verb=wish.verb,
            what=f"{wish.selector} {' '.join(wish.names)}".strip(),
            by=wish.by,
            reason=wish.reason,
            verdict=outcomes[wish.id].verdict if wish.id in outcomes else "accepted",
            why="",
            vms=decided[wish.id],
            ends_in_s=max(0.0, wish.ends - now),
        )


def _refused(outcomes: dict[str, WishOutcome], accepted: Iterable[str]) -> Iterator[WishLine]:
    for outcome in outcomes.values():
        if outcome.id not in accepted:
            yield WishLine(
                id=outcome.id,
                at=outcome.at,
                verb=outcome.verb,
                what=outcome.what,
                by=outcome.by,
                reason=outcome.reason,
                verdict=outcome.verdict,
                why=outcome.why,
                vms=0,
                ends_in_s=0.0,
            )


def screen(lines: tuple[WishLine, ...]) -> Table | Text:
    if not lines:
        return Text("no wishes")
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("id", "wish", "by", "reason", "verdict", "VMs", "ends in"):
        table.add_column(column, overflow="fold", justify="right" if column == "VMs" else "left")
    for line in lines:
        style = "red" if line.verdict == "refused" else "" if line.ends_in_s else "dim"
        verdict = f"{line.verdict}: {line.why}" if line.why else line.verdict
        ends = _left(line.ends_in_s) if line.ends_in_s else "over"
        told = f"{line.verb} {line.what}".strip()
        cells = (line.id, told, line.by, line.reason, verdict, str(line.vms), ends)
        table.add_row(*(Text(cell) for cell in cells), style=style)
    return table


def _left(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
