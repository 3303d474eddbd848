"""`apf manual`: the manual page apf(1), in troff's man macros, made from the commands themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

EXITS = (
    ("0", "it is as it should be"),
    ("1", "it is not, or it could not be done"),
    ("2", "the configuration or the command line is wrong"),
    ("3", "nobody answered"),
)
ENVIRONMENT = (
    ("NO_COLOR", "set to anything: no colours"),
    ("COLUMNS", "how wide tables are, where there is no terminal"),
)


def page(group: Any, version: str) -> str:
    """The page of a click group `group` and of all of its commands."""
    lines = [
        f'.TH APF 1 "" "apf {version}" "AutoPyFactory Cloud"',
        ".SH NAME",
        "apf \\- starts workers for HTCondor pools on a cascade of clouds, and ends them",
        ".SH SYNOPSIS",
        ".B apf",
        ".I COMMAND CONFIG",
        "[options]",
        ".SH DESCRIPTION",
        _text(group.help),
        ".SH COMMANDS",
    ]
    for name, command in group.commands.items():
        lines += _command(name, command)
    lines += [".SH EXIT STATUS", *_table(EXITS), ".SH ENVIRONMENT", *_table(ENVIRONMENT)]
    return "\n".join(lines) + "\n"


def _command(name: str, command: Any) -> Iterator[str]:
    arguments = [str(one.metavar or one.name).upper() for one in command.params if one.param_type_name == "argument"]
    yield f'.SS "{_escaped(" ".join(["apf", name, *arguments]))}"'
    yield _text(command.help)
    for option in command.params:
        if option.param_type_name == "option" and not option.hidden:
            yield ".TP"
            yield f".B {_escaped(', '.join((*option.opts, *option.secondary_opts)))}"
            yield _text(option.help)


def _table(rows: tuple[tuple[str, str], ...]) -> Iterator[str]:
    for head, words in rows:
        yield from (".TP", f".B {_escaped(head)}", _text(words))


def _text(words: str | None) -> str:
    return _escaped(" ".join((words or "").split()))


def _escaped(text: str) -> str:
    """As troff shows it: no escapes of its own, no request at a line's beginning, hyphens that can be copied."""
    return re.sub(r"^(?=[.'])", "\\\\&", text.replace("\\", "\\e").replace("-", "\\-"))
