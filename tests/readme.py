"""The parts of the manual (README and deploy/docs) that are made from the code. `python -m tests.readme` writes them; a
test compares them.

Each stands between `<!-- NAME -->` and `<!-- /NAME -->`, once in the whole manual.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import MISSING
from pathlib import Path
from typing import Any, get_args

import typer

from actors import cli
from actors.config import reference
from actors.console import metric_names
from actors.fleet.lifecycle import TABLE
from actors.policies.steps import STATUS, STEPS, asks
from actors.runtime.messages import OperatorWish

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "deploy/README.md", *sorted((ROOT / "deploy/docs").glob("*.md")))


def lifecycle() -> str:
    lines = [f"    {edge.source} --> {edge.target}: {edge.event}" for edge in TABLE]
    whens = [f"| {edge.source} | {edge.event} | {edge.target} | {edge.when} |" for edge in TABLE]
    return "\n".join(
        [
            "```mermaid",
            "stateDiagram-v2",
            "    [*] --> launching: intent written",
            "    [*] --> booting: adopted",
            *lines,
            "    failed --> [*]",
            "    ended --> [*]",
            "```",
            "",
            "| from | event | to | when |",
            "| --- | --- | --- | --- |",
            *whens,
        ]
    )


def commands() -> str:
    rows = [f"| `apf {name}{_arguments(one)}` | {_first_line(one.help)} |" for name, one in known_commands().items()]
    return "\n".join(["| command | what it does |", "| --- | --- |", *rows])


def known_commands() -> dict[str, Any]:
    """Typer's own click commands, by name."""
    group: Any = typer.main.get_command(cli.app)
    return dict(group.commands)


def _arguments(command: Any) -> str:
    return "".join(
        " " + (one.metavar or one.name).upper().replace("|", "\\|")
        for one in command.params
        if one.param_type_name == "argument"
    )


def _first_line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def metrics() -> str:
    rows = [f"| `{metric.name}` | {metric.kind} | {metric.text} |" for metric in metric_names.metrics()]
    return "\n".join(["| metric | kind | what it says |", "| --- | --- | --- |", *sorted(rows)])


def steps() -> str:
    rows = []
    for name, kind in STEPS.items():
        fields = [f for f in dataclasses.fields(kind) if f.init]
        keys = ", ".join(f"`{f.name}`" if f.default is MISSING else f"`{f.name} = {_plain(f.default)}`" for f in fields)
        refused = " Only where the queue's pool tells a site's status (`panda`)." if STATUS in asks(kind) else ""
        rows.append(f"| `{name}` | {keys} | {_first_line(kind.__doc__)}{refused} |")
    return "\n".join(["| step | keys | what it does |", "| --- | --- | --- |", *rows])


def _plain(value: object) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def wish() -> str:
    """Field by field, from the message's own model."""
    rows = []
    for name, field in OperatorWish.model_fields.items():
        must = field.is_required()
        default = "" if must else f"`{field.default!r}`"
        rows.append(f"| `{name}` | {_kind(field.annotation)} | {'must be said' if must else default} |")
    return "\n".join(["| field of a wish | what it may be | default |", "| --- | --- | --- |", *rows])


def _kind(annotation: Any) -> str:
    said = get_args(annotation)
    if not said:
        return str(annotation.__name__)
    return ", ".join("none" if one is type(None) else getattr(one, "__name__", f"`{one}`") for one in said)


BLOCKS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "lifecycle": lifecycle,
    "metrics": metrics,
    "steps": steps,
    "wish": wish,
    "config": reference.markdown,
}


def manual() -> str:
    """The whole text."""
    return "\n".join(page.read_text() for page in PAGES)


def stale() -> Iterator[str]:
    """Blocks that say something else than the code. ValueError: one has no place, or several."""
    for name, make in BLOCKS.items():
        page = _page_of(name)
        if _with(page.read_text(), name, make()) != page.read_text():
            yield name


def write(name: str, content: str) -> None:
    """One block anew, where it stands. ValueError: it has no place, or several."""
    page = _page_of(name)
    page.write_text(_with(page.read_text(), name, content))


def _page_of(name: str) -> Path:
    pages = [page for page in PAGES for _ in _block(name).findall(page.read_text())]
    if len(pages) != 1:
        raise ValueError(f"<!-- {name} --> ... <!-- /{name} --> stands {len(pages)} times in the manual, not once")
    return pages[0]


def _block(name: str) -> re.Pattern[str]:
    return re.compile(f"<!-- {name} -->.*?<!-- /{name} -->", re.DOTALL)


def _with(text: str, name: str, content: str) -> str:
    return _block(name).sub(lambda _: f"<!-- {name} -->\n{content}\n<!-- /{name} -->", text)


if __name__ == "__main__":
    for name, make in BLOCKS.items():
        write(name, make())
    sys.exit(0)
