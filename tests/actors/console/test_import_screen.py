"""`apf import`: TOML on stdout, to be redirected into a file; notes on stderr."""

from __future__ import annotations

from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from actors.cli import app
from actors.config.load import parse
from tests.actors.console.test_import_apf import CASCADE


def imported(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["import", *(str(one) for one in arguments)])


def test_what_it_prints_is_a_configuration_and_the_notes_go_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "queues.conf"
    file.write_text(CASCADE)
    result = imported(file, "--collector", "cm.example.org:9618", "--factory", "prod")
    assert result.exit_code == 0
    config = parse(result.stdout)
    assert (config.factory.name, config.pools["local"].kind) == ("prod", "htcondor")
    assert 'collector = "cm.example.org:9618"' in result.stdout
    assert "note: not enabled, left out: OLD" in result.stderr
    assert len(result.stderr.splitlines()) == 2


def test_what_cannot_be_read_or_is_no_queues_conf_exits_with_2(tmp_path: Path) -> None:
    assert imported(tmp_path / "none.conf").exit_code == 2
    file = tmp_path / "queues.conf"
    file.write_bytes(b"\xff\xfe")
    assert "cannot be read" in imported(file).stderr
    file.write_text("nothing here")
    result = imported(file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "not a queues.conf" in " ".join(result.stderr.split())
