"""What others wrote is shown and never obeyed: no markup, no escape sequences, no forged lines; in any command."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from typer.testing import CliRunner

from actors import cli
from actors.cli import app
from actors.config.outside_text import visible, visible_document
from actors.console.terminal import Screen
from actors.fleet.drain_and_hold import VmHold
from actors.fleet.observations import ScheddSeen
from actors.fleet.vm import Intent, Launch, State
from actors.fleet.want import CloudView, Want
from actors.fleet.wish import Wish
from actors.host import logs
from actors.store.readings import HEAD, DemandHead, ListingHead, StartdsHead
from actors.store.wants import QueueStanding, WishOutcome, accept, conclude
from broker.connection.address import Site
from broker.mail.dead_letters import DeadLetters
from broker.posts.hosts import HostInfo
from tests.actors.console.factory_file import FactoryFile
from tests.actors.console.factory_rows import Rows
from tests.actors.host.test_logs import _as_before  # noqa: F401

EVIL = "x[/bold][red]:smile:\x1b[2J\x1b]0;t\x07\x9b31m\r\n\nWRONG forged\u202eevil\u2028\u200b\t"
SPLIT = "split\nWRONG forged"
COMMANDS = (
    ("status", "--vms"),
    ("status", "--vms", "--json"),
    ("owners",),
    ("owners", "--json"),
    ("wishes", "--all"),
    ("doctor", "rows"),
    ("doctor", "rows", "--set-aside"),
    ("dead", "list"),
    ("dead", "show", "all"),
    ("dead", "replay", "all"),
    ("dead", "replay", EVIL),
    ("why", "atlas"),
    ("why", EVIL),
    ("why", "x-1"),
    ("why", "x-1", "--json"),
    ("plan",),
    ("plan", "--json"),
    ("check", "--live"),
    ("apply", "--yes"),
    ("apply", "--show"),
    ("hold", "--reason", EVIL, "--vm", EVIL, "--wait", "0"),
    ("kill", "--reason", EVIL, "--vm", EVIL, "--wait", "0"),
    ("hold", "--reason", EVIL, "--vm", "x", "--life", EVIL),
)


@pytest.fixture
def hostile(file: FactoryFile, rows: Rows, site: Site) -> FactoryFile:
    """Every text in every row that comes from outside is hostile."""
    info = HostInfo(host="x[/bold]", incarnation="a1", version=EVIL, started_at=1.0, posts=(EVIL,), declines=(EVIL,))
    rows.hosts.beat(info, within_s=15.0)
    rows.hold("pool/local", "cloud/private", "cloud/spot", "queue/atlas")
    schedd = ScheddSeen(name=EVIL, error=EVIL)
    rows.write("demand", "pool/local", HEAD, DemandHead(at=rows.now(), schedds=(schedd,)))
    rows.write("startds", "pool/local", HEAD, StartdsHead(at=rows.now(), failed=EVIL))
    rows.write("listing", "cloud/private", HEAD, ListingHead(at=rows.now(), failed=SPLIT))
    told: Any = dict.fromkeys(("closed", "frozen", "listing_short", "breaker", "full", "unmarked"), EVIL)
    rows.write("fleet", "cloud/private", HEAD, CloudView(cloud="private", at=rows.now(), room=1, **told))
    rows.write("standing", "queue/atlas", HEAD, QueueStanding(known=True, idle=1, why=(EVIL, SPLIT), unmet=(EVIL,)))
    want = Want(queue="atlas", cloud="private", n=1, reasons=(EVIL, SPLIT), decision=EVIL)
    rows.write("want", "queue/atlas", "private", want)
    cause: dict[str, Any]
    for cause in ({"drain_refused": EVIL}, {"drain_waits": SPLIT}, {"hold": VmHold(why=EVIL)}, {}):
        rows.vm("private", State.READY, machine=EVIL, reason=EVIL, instance_id=EVIL, **cause)
    sent: Any = {"count": 1, "token": EVIL, "request": EVIL, "state": Launch.SENT, "written": 1.0, "unknown": EVIL}
    intent = Intent(id=EVIL, cloud="private", queue="atlas", **sent)
    rows.write("intent", "cloud/private", EVIL, intent)
    wish: Any = {"verb": EVIL, "selector": EVIL, "names": (EVIL,), "reason": SPLIT, "by": EVIL}
    accept(rows.table, Wish(id=EVIL, at=rows.now(), ends=rows.now() + 99, **wish))
    conclude(
        rows.table, WishOutcome(id="no", verdict="refused", why=EVIL, at=rows.now(), said=EVIL, by=EVIL, reason=EVIL)
    )
    DeadLetters(site.client(), site).add(EVIL, EVIL, EVIL.encode(), EVIL)
    return file


@pytest.mark.parametrize("terminal", [False, True], ids=["piped", "on a terminal"])
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(map(visible, words))[:40])
def test_no_command_sends_what_others_wrote(hostile: FactoryFile, words: tuple[str, ...], terminal: bool) -> None:
    for screen in ("out", "err"):
        patched = patch.object(cli, screen, Screen(width=250, force_terminal=terminal, stderr=screen == "err"))
        patched.start()
    try:
        at = 2 if words[0] == "doctor" else 1  # what it is to look at comes first
        result = CliRunner().invoke(app, [*words[:at], str(hostile.path), *words[at:]], input="n\n")
    finally:
        patch.stopall()
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    harmless(result.output)


def harmless(output: str) -> None:
    """Only rich's own colours are sent, and no line begins as another one forged it."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    assert [one for line in plain.split("\n") for one in line if not one.isprintable()] == []
    assert not any(line.startswith("WRONG forged") for line in plain.split("\n")), plain


def test_every_command_is_walked() -> None:
    walked = {words[0] for words in COMMANDS}
    wishes = {"drain", "undrain", "release", "freeze", "thaw"}  # as hold and kill
    elsewhere = {"run", "import", "simulate", "demo", "web", "token"}  # no rows, a log, or a page with tests of its own
    elsewhere |= {"init", "files", "schema", "manual"}  # they show nothing that comes from outside
    assert {command.name or command.callback.__name__ for command in app.registered_commands if command.callback} == (
        walked | wishes | elsewhere
    )


def test_what_is_imported_is_shown_and_not_sent(tmp_path: Path) -> None:
    conf = tmp_path / "queues.conf"
    conf.write_text("[atlas\x1b[2J]\nwmsqueue = a\x1b]0;b\x07\nbatchsubmitplugin = Condor\x9bLocal\nodd = \u202e\n")
    harmless(CliRunner().invoke(app, ["import", str(conf)]).output)


def test_mistakes_of_a_file_are_shown_and_not_sent(tmp_path: Path) -> None:
    path = tmp_path / "apf.toml"
    path.write_text('[factory]\nname = "\\u001b[2J"\n"\\u001b]0;\\n\\nWRONG forged" = 1\nredis = "x\\nWRONG forged"\n')
    harmless(CliRunner().invoke(app, ["check", str(path)]).output)


def test_markup_is_shown_as_it_was_written() -> None:
    shown = io.StringIO()
    screen = Screen(file=shown, width=80)
    table = Table("[bold]a")
    table.add_row("see [/ticket] :smile:")
    screen.print("x[/bold]", table, Text("[red]y[/]"))
    for text in ("x[/bold]", "[bold]a", "see [/ticket] :smile:", "[red]y[/]"):
        assert text in shown.getvalue()


def test_where_there_is_no_terminal_lines_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    shown = io.StringIO()
    Screen(file=shown).print("word " * 100 + "end")
    assert shown.getvalue().count("\n") == 1
    monkeypatch.setenv("COLUMNS", "40")
    Screen(file=shown).print("word " * 100 + "end")
    assert shown.getvalue().count("\n") > 10


@given(st.text())
def test_whatever_stands_in_a_row_only_printable_text_leaves(text: str) -> None:
    shown = io.StringIO()
    table = Table(text, title=Text(text), caption=Text(text))
    table.add_row(text)
    table.add_row(Text.assemble("a", (text, "bold"), text))
    Screen(file=shown, width=60).print(text, table, Panel(Text(text), title=Text(text)))
    Screen(file=shown, width=60).failed(text)
    assert all(line.isprintable() for line in shown.getvalue().split("\n"))


@given(st.text())
def test_a_document_means_the_same_to_a_program(text: str) -> None:
    document = visible_document(json.dumps({"a": text}, ensure_ascii=False, indent=2))
    assert json.loads(document) == {"a": text}
    assert all(line.isprintable() for line in document.split("\n"))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def log_with_structlog() -> None:
    log = structlog.get_logger(EVIL)
    log.warning(EVIL, **{EVIL: EVIL, "many": (EVIL,), "why": ValueError(EVIL)})


def fail(_token: str) -> None:
    raise ValueError(EVIL)


def log_a_traceback() -> None:
    try:
        fail("worker-token-" + "in-plain")
    except ValueError:
        structlog.get_logger("a").exception("died")
        logging.getLogger("kombu").exception("lost %s", EVIL)


def test_what_ends_a_command_is_shown_and_not_sent() -> None:
    shown = io.StringIO()
    try:
        fail("worker-token-" + "in-plain")
    except ValueError as error:
        Screen(file=shown).died(type(error), error, error.__traceback__)
    harmless(shown.getvalue())
    assert "ValueError: x[/bold]" in shown.getvalue()
    assert "worker-token-in-plain" not in shown.getvalue()


def log_with_the_libraries() -> None:
    logging.getLogger(EVIL).warning("%s", EVIL, extra={"more": EVIL})


@pytest.mark.parametrize("stream", [Terminal, io.StringIO], ids=["on a terminal", "as JSON"])
@pytest.mark.parametrize("write", [log_with_structlog, log_a_traceback, log_with_the_libraries])
def test_the_log_forges_nothing_and_shows_no_locals(write: Callable[[], None], stream: type[io.StringIO]) -> None:
    made = stream()
    logs.configure(made)
    write()
    harmless(made.getvalue())
    assert "worker-token-in-plain" not in made.getvalue()
