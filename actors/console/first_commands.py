"""The commands of a first hour: `apf init` writes a configuration, `apf import` makes one of AutoPyFactory's, editors
complete it by `apf schema`, `apf files` writes out what comes beside the code.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from actors.config.mistakes import BadConfig
from actors.console.first_config import KINDS, QUESTIONS, BadAnswer, Question, first_config, questions
from actors.console.terminal import Screen
from actors.console.wish_commands import Door

BROKEN, WRONG = 1, 2
KEYS = {question.key for question in QUESTIONS}


def commands(app: typer.Typer, door: Door) -> None:
    _init(app, door)
    _files(app, door)
    _schema(app, door)
    _import(app, door)
    _manual(app, door)


def _init(app: typer.Typer, door: Door) -> None:
    @app.command()
    def init(
        file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.", show_default=False)],
        factory: Annotated[str | None, typer.Option(help="The factory's name.")] = None,
        collector: Annotated[str | None, typer.Option(help="The pool's collector, HOST or HOST:PORT.")] = None,
        queue: Annotated[str | None, typer.Option(help="A name for the jobs that get VMs.")] = None,
        kind: Annotated[str | None, typer.Option(help=f"The cloud: {' or '.join(KINDS)}.")] = None,
        region: Annotated[str | None, typer.Option(help="EC2's region.")] = None,
        account: Annotated[str | None, typer.Option(help="OpenStack: its name in clouds.yaml.")] = None,
        image: Annotated[str | None, typer.Option(help="The workers' image, with cloud-init.")] = None,
        type: Annotated[str | None, typer.Option(help="The instance type, or flavour.")] = None,
        cpus: Annotated[str | None, typer.Option(help="How many cpus that has.")] = None,
        memory_mib: Annotated[str | None, typer.Option(help="How much memory jobs find there.")] = None,
        max_vms: Annotated[str | None, typer.Option(help="The most VMs at a time.")] = None,
        force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    ) -> None:
        """Write a first configuration, its keys explained; what no option says is asked on a terminal."""
        if file.exists() and not force:
            door.end(WRONG, f"{file} is there already; --force writes over it")
        said = {name: value for name, value in locals().items() if name in KEYS}
        try:
            text = first_config(_answers(said, door))
            file.write_text(text, encoding="utf-8")
        except (BadAnswer, BadConfig, OSError) as wrong:
            door.end(WRONG, str(wrong))
        door.out.print(f"{file} is written; next: apf check {file}, and apf check {file} --live")


def _answers(said: Mapping[str, str | None], door: Door) -> dict[str, str]:
    (kind,) = (one for one in questions("") if one.key == "kind")
    answers = {"kind": said["kind"] or _ask(kind, door)}
    for question in questions(answers["kind"]):
        answers.setdefault(question.key, said[question.key] or _ask(question, door))
    return answers


def _ask(question: Question, door: Door) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(question.asks, default=question.default or None))
    if not question.default:
        door.end(WRONG, f"say --{question.key.replace('_', '-')}: {question.asks}")
    return question.default


def _files(app: typer.Typer, door: Door) -> None:
    @app.command()
    def files(
        folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; made if need be.", show_default=False)],
        force: Annotated[bool, typer.Option("--force", help="Write over files with another content.")] = False,
    ) -> None:
        """Write out what comes beside the code: examples, systemd unit, Redis' files, alerts, dashboards, policies."""
        from actors.console import shipped

        try:
            written = shipped.write(folder, force=force)
        except OSError as wrong:
            door.end(BROKEN, str(wrong))
        for path in written:
            door.out.print(str(path))
        if not written:
            door.out.print(f"nothing to do: all of them are in {folder}")


def _schema(app: typer.Typer, door: Door) -> None:
    @app.command()
    def schema() -> None:
        """Print a JSON schema of the configuration, for editors that complete TOML by one."""
        from actors.config.json_schema import json_schema

        door.out.document(json.dumps(json_schema(), indent=1))


def _import(app: typer.Typer, door: Door) -> None:
    @app.command("import")
    def import_(
        queues_conf: Annotated[Path, typer.Argument(metavar="QUEUES_CONF", help="Its file.", show_default=False)],
        collector: Annotated[str, typer.Option(help="HOST or HOST:PORT of the pool's collector.")] = "localhost",
        factory: Annotated[str, typer.Option(help="The new factory's name.")] = "apf",
    ) -> None:
        """Print an AutoPyFactory configuration as this project's; what has no counterpart is said on stderr."""
        from actors.console import import_screen
        from actors.console.import_apf import BadQueuesConf

        try:
            found = import_screen.read(queues_conf, factory, collector)
        except BadQueuesConf as wrong:
            door.end(WRONG, str(wrong))
        door.out.document(found.toml)
        notes = Screen(stderr=True)
        for note in found.notes:
            notes.failed(f"note: {note}")


def _manual(app: typer.Typer, door: Door) -> None:
    @app.command()
    def manual(context: typer.Context) -> None:
        """Print the manual page, for `apf manual | man -l -`, or for /usr/local/share/man/man1/apf.1."""
        from actors.console.bug_report import version
        from actors.console.manual import page

        door.out.document(page(context.find_root().command, version()))
