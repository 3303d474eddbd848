"""The `apf` command: what it takes, and its exit statuses. No logic; each command calls one function elsewhere.

Exit status: 0 it is as it should be, 1 it is not, or it could not be done, 2 the configuration or the command line is
wrong, 3 nobody answered.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from actors.config.load import load
from actors.config.mistakes import BadConfig
from actors.config.schema import Config as Settings
from actors.config.secrets import NoSecret
from actors.console.first_commands import commands as first_commands
from actors.console.refusals import NoLetter, NotSafe
from actors.console.terminal import Screen
from actors.console.wish_commands import Door, commands
from actors.store.codec import BadRow
from actors.store.site import NotRunning, shadow_of
from actors.web.commands import commands as web_commands
from broker.errors import AlreadyRuns, BadUrl, BrokerError

BROKEN, WRONG = 1, 2
SCREEN_S = 1.0

app = typer.Typer(
    name="apf",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
out = Screen()
err = Screen(stderr=True)


class Letters(StrEnum):
    """What can be done with dead letters."""

    LIST = "list"
    SHOW = "show"
    REPLAY = "replay"
    DROP = "drop"


Shadow = Annotated[bool, typer.Option("--shadow", help="Of the factory's shadow: `apf run --shadow`.")]
File = Annotated[Path, typer.Argument(metavar="CONFIG", help="The factory's TOML file.", show_default=False)]


class Patients(StrEnum):
    """What `apf doctor` looks at."""

    ROWS = "rows"
    REPORT = "report"


def _version(asked: bool) -> None:
    if asked:
        from actors.console.bug_report import version

        out.print(f"apf {version()}")
        raise typer.Exit


@app.callback()
def of_all(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Starts workers for HTCondor pools on a cascade of clouds, and ends them when they are not needed any more."""


@app.command()
def run(
    config: File,
    host: Annotated[str, typer.Option(help="This host's name; default: the machine's.")] = "",
    posts: Annotated[str, typer.Option(help="Only posts that match, e.g. 'cloud/*' or 'pool/*,queue/*'.")] = "*",
    shadow: Annotated[bool, typer.Option("--shadow", help="Look and decide; start, drain and end nothing.")] = False,
) -> None:
    """Run one host of the factory, until SIGTERM or Ctrl-C. VMs stay as they are then."""
    settings = _load(config, shadow)
    from actors.host import logs, run

    logs.configure()
    try:
        run.run(settings, host, posts)
    except AlreadyRuns as runs:
        _end(BROKEN, f"{runs}: another `apf run` of this factory. Stop it, or use redis:// to run several hosts.")
    except (NoSecret, BadUrl) as wrong:
        _end(WRONG, str(wrong))
    except BrokerError as wrong:
        _end(BROKEN, str(wrong))


@app.command()
def check(
    config: File,
    live: Annotated[bool, typer.Option("--live", help="Also ask Redis, every pool and every cloud.")] = False,
) -> None:
    """Look for mistakes in the configuration; with --live, in the world too. Changes nothing."""
    settings = _load(config)
    from actors.console import check

    can_start = check.tell(settings, config, out)
    found = check.check_live(settings) if live else ()
    if live:
        out.print(check.screen(found))
    raise typer.Exit(BROKEN if not can_start or any(finding.ok is False for _, finding in found) else 0)


@app.command()
def status(
    config: File,
    as_json: Annotated[bool, typer.Option("--json", help="For programs; the shape is stable.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on, until Ctrl-C.")] = False,
    vms: Annotated[bool, typer.Option("--vms", help="List every VM.")] = False,
    queue: Annotated[str, typer.Option(help="Only this queue, and the clouds that it wants.")] = "",
    cloud: Annotated[str, typer.Option(help="Only this cloud, and the queues that want it.")] = "",
    shadow: Shadow = False,
) -> None:
    """What is wrong, what the factory is doing and why, what costs money. Needs Redis only, not a host."""
    settings = _load(config, shadow)
    from actors.console import status_watch
    from actors.console.status import Reader
    from actors.console.status_part import NoSuchName, part
    from actors.runtime.freeze_file import FreezeFile

    try:
        reader = Reader(settings)
        if watch:
            status_watch.watch(lambda: part(reader.read(), queue, cloud), out, vms, as_json, SCREEN_S, time.sleep)
        else:
            status_watch.once(lambda: part(reader.read(), queue, cloud), out, vms, as_json)
    except NoSuchName as wrong:
        _end(WRONG, str(wrong))
    except KeyboardInterrupt:
        return
    except (NotRunning, BrokerError, NoSecret) as away:
        _end(BROKEN, "; ".join(filter(None, (str(away), FreezeFile.of(settings).told()))))


@app.command()
def owners(
    config: File,
    as_json: Annotated[bool, typer.Option("--json", help="For programs; the shape is stable.")] = False,
) -> None:
    """Who holds which post since when; which hosts there are, and which configuration they serve."""
    settings = _load(config)
    from actors.console import owners

    with _told():
        seen = owners.read(settings)
    out.document(seen.model_dump_json(indent=2)) if as_json else out.print(owners.screen(seen))


@app.command()
def apply(
    config: File,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask back.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Only print the active configuration, as TOML.")] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="Instead of the file: what was active before.")] = False,
) -> None:
    """Show what this configuration would change, and make it the active one of all hosts."""
    settings = _load(config)
    if show and rollback:
        _end(WRONG, "say --show or --rollback, not both: --rollback shows what it would change, and asks")
    from actors.console import apply
    from actors.console.opened import author, store

    with _told(), store(settings) as rows:
        if show:
            out.document(apply.active(rows))
            return
        make = apply.propose_before if rollback else apply.propose
        proposal = make(settings, rows)
        if not proposal.changes:
            out.print(f"nothing to do: generation {proposal.number} says the same")
            return
        out.print(apply.shown(proposal))
        if not yes:
            typer.confirm(f"Make it generation {proposal.number + 1}, for all hosts?", abort=True)
        number = apply.make_active(rows, proposal, author())
    out.print(f"generation {number} is active; hosts take it up without a restart: see `apf owners {config}`")
    if rollback:
        out.print(f"{config} still says something else: `apf apply --show {config}` prints what is active now")


@app.command()
def wishes(
    config: File,
    everything: Annotated[bool, typer.Option("--all", help="Also those refused or over for more than a day.")] = False,
) -> None:
    """What operators asked for, what became of it, and how many VMs it still concerns."""
    settings = _load(config)
    from actors.console import wishes

    with _told():
        out.print(wishes.screen(wishes.read(settings, everything)))


@app.command()
def dead(
    config: File,
    what: Annotated[Letters, typer.Argument(metavar="WHAT", help="list, show, replay or drop.", show_default=False)],
    letter: Annotated[str, typer.Argument(metavar="[ID]", help='A letter\'s id, or "all".', show_default=False)] = "",
) -> None:
    """Mail that nobody could read: list it, show one, replay it into its mailbox, drop it."""
    settings = _load(config)
    if bool(letter) == (what is Letters.LIST):
        _end(WRONG, 'say `list` alone, or `show`, `replay` or `drop` with a letter\'s id or "all"')
    from actors.console import dead_letters
    from actors.console.opened import store

    with _told(), store(settings) as rows:
        shown, done = dead_letters.do(rows, what.value, letter)
    out.print(shown)
    raise typer.Exit(0 if done else BROKEN)


@app.command()
def doctor(
    what: Annotated[Patients, typer.Argument(metavar="WHAT", help="rows, or report.", show_default=False)],
    config: File,
    aside: Annotated[
        bool, typer.Option("--set-aside", help="Move what cannot be read out of the way; it can be had again.")
    ] = False,
) -> None:
    """`rows`: what of the factory's in Redis cannot be read; with --set-aside, moved out of the way. `report`: what a
    bug report needs, as JSON, secrets struck out."""
    settings = _load(config)
    from actors.console import doctor
    from actors.console.opened import store

    if what is Patients.REPORT:
        return _report(settings)
    with _told(), store(settings) as rows:
        found = doctor.damaged(settings, rows)
        moved = doctor.set_aside(settings, rows, found) if aside else []
        names = rows.infirmary.aside()
    out.print(doctor.screen(found, moved, names, str(config)))
    raise typer.Exit(BROKEN if len(found) > len(moved) else 0)


def _report(settings: Settings) -> None:
    from actors.console.bug_report import report

    out.document(json.dumps(report(settings), indent=1))


@app.command()
def plan(
    config: File,
    as_json: Annotated[bool, typer.Option("--json", help="For programs; the shape is stable.")] = False,
) -> None:
    """What would be started and released now, where, and why. Asks pools and clouds; changes nothing, needs no host."""
    settings = _load(config)
    from actors.clouds.port import CloudError
    from actors.console import plan_screen
    from actors.pools.port import PoolError

    try:
        made = plan_screen.make(settings, time.time())
    except (NoSecret, PoolError, CloudError) as wrong:
        _end(BROKEN, str(wrong))
    out.document(made.model_dump_json(indent=2)) if as_json else out.print(plan_screen.screen(made))
    raise typer.Exit(BROKEN if made.not_read else 0)


@app.command()
def why(
    config: File,
    name: Annotated[str, typer.Argument(metavar="[QUEUE|VM]", help="A queue, or a VM.", show_default=False)] = "",
    vm: Annotated[
        str, typer.Option(help="A VM whose name is a queue's too: its id, instance id or machine name.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Of a VM, for programs; the shape is stable.")] = False,
    shadow: Shadow = False,
) -> None:
    """Why a queue wants the VMs that it wants; or a VM's life, even an ended one's: bought, drained, ended why."""
    settings = _load(config, shadow)
    if bool(name) == bool(vm):
        _end(WRONG, "say which: QUEUE, VM or --vm VM")
    if as_json and name in settings.queues:
        _end(WRONG, "--json tells of a VM; for a queue see `apf status --json`")
    from actors.console import why_vm
    from actors.console.opened import store

    with _told(), store(settings) as rows:
        try:
            if as_json:
                out.document(why_vm.read(settings, rows, vm or name).model_dump_json(indent=2))
            else:
                out.print(why_vm.told(settings, rows, name, vm))
        except why_vm.NotKnown as wrong:
            _end(BROKEN, str(wrong))


@app.command()
def simulate(
    configs: Annotated[list[Path], typer.Argument(metavar="CONFIG...", help="TOML files.", show_default=False)],
    jobs: Annotated[
        str, typer.Option(help="A .csv, .swf, .json or .jsonl file; or steady:SEED, bursty, mixed, daily.")
    ],
    queue: Annotated[str, typer.Option(help="Which queue of each; default: the first.")] = "",
    plot: Annotated[Path | None, typer.Option(help="FILE.svg or FILE.png: both are written.")] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Also each as a multiple of the first.")] = False,
    boot: Annotated[float, typer.Option(min=0, help="Seconds that a VM takes to boot, the median.")] = 150.0,
    reclaims: Annotated[float, typer.Option(min=0, help="How often an hour a spot VM is taken away.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of boot times and reclaims.")] = 1,
) -> None:
    """The same decisions over a trace of jobs in virtual time: waits, VM-hours, cost; configurations side by side."""
    from actors.console import simulate
    from actors.simulator import report

    settings = [(path, _load(path)) for path in configs]
    try:
        found = simulate.run(settings, jobs, plot, queue=queue, boot_s=boot, reclaims_per_hour=reclaims, seed=seed)
        written = simulate.draw(found.outcomes, plot) if plot else ()
    except simulate.CannotSimulate as wrong:
        _end(WRONG, str(wrong))
    out.print(report.table(found.outcomes, compare))
    for picture in written:
        out.print(f"drawn: {picture}")
    for note in found.notes:
        err.failed(note)
    raise typer.Exit(0 if found.worked else BROKEN)


_door = Door(load=lambda path: _load(path), end=lambda status, told: _end(status, told), out=out)
commands(app, _door)
web_commands(app, _door)
first_commands(app, _door)


@app.command()
def demo(
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Without HTCondor: pool and clouds in memory.")
    ] = False,
) -> None:
    """The main job on this machine: jobs wait, VMs start on four clouds, jobs run, VMs drain and end. A minute."""
    from deploy.lab.demo import run as shown

    raise typer.Exit(shown.run(Screen(width=out.width), simulated))  # a picture has a width, in a file too


@contextmanager
def _told() -> Iterator[None]:
    """What can be wrong with Redis or with what stands there, as one line and exit status 1."""
    try:
        yield
    except (NotRunning, BrokerError, NoSecret, BadRow, NotSafe, NoLetter) as wrong:
        _end(BROKEN, str(wrong))


def _load(path: Path, shadow: bool = False) -> Settings:
    try:
        return shadow_of(load(path)) if shadow else load(path)
    except BadConfig as wrong:
        _end(WRONG, str(wrong))


def _end(exit_status: int, message: str) -> NoReturn:
    err.failed(message)
    raise typer.Exit(exit_status)


def main() -> None:
    sys.excepthook = err.died
    app()


if __name__ == "__main__":
    main()
