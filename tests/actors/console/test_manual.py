"""The manual page tells every command and option, and is what troff takes."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from actors.cli import app
from actors.console.manual import EXITS, page
from tests.readme import known_commands


@pytest.fixture(scope="module")
def told() -> str:
    result = CliRunner().invoke(app, ["manual"])
    assert result.exit_code == 0
    return result.output.replace("\\-", "-")


def test_every_command_and_every_option_is_in_it(told: str) -> None:
    for name, command in known_commands().items():
        assert f'.SS "apf {name}' in told
        assert [one for param in command.params for one in param.opts if one.startswith("--") and one not in told] == []


def test_the_exit_statuses_are_those_that_the_commands_heading_says(told: str) -> None:
    from actors import cli

    for status, words in EXITS:
        assert f"{status} {words}" in " ".join((cli.__doc__ or "").split())
        assert words in told


@pytest.mark.parametrize("odd", [".SH forged", "'br", "a\\fBbold"])
def test_words_are_text_and_no_request_of_troff(odd: str) -> None:
    class Group:
        help = odd
        commands: dict[str, object] = {}  # noqa: RUF012

    lines = page(Group, "1").splitlines()
    assert lines[lines.index(".SH DESCRIPTION") + 1][:2] in ("\\&", "a\\")


def test_every_line_is_text_or_a_request_of_the_man_macros(told: str) -> None:
    requests = {line.split()[0] for line in told.splitlines() if line[:1] in (".", "'")}
    assert requests == {".TH", ".SH", ".SS", ".TP", ".B", ".I"}
