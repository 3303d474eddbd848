"""`apf doctor rows`: what cannot be read is listed with its key, and asked, set aside."""

import pytest
from typer.testing import CliRunner

from actors.cli import app
from actors.console.doctor import ONCE, ROWS
from broker.connection.address import Site
from tests.actors.console.factory_file import FactoryFile
from tests.samples.shapes import SHAPES


def test_it_reads_every_kind_of_row_that_there_is() -> None:
    assert {shape.kind for shape in SHAPES} <= {*ROWS, *ONCE}


@pytest.mark.parametrize("command", ["status", "owners", "wishes"])
def test_what_is_damaged_ends_no_command_in_a_traceback_and_status_names_it(
    site: Site, file: FactoryFile, command: str
) -> None:
    client = site.client()
    client.hset(site.key("rows", "vm", "cloud/private"), "v1", b"1 1\n\xff garbage")
    client.hset(site.key("once", "wish"), "w1", b"garbage")
    client.hset(site.key("leases"), "cloud/private", b"\xff")
    client.hset(site.key("document", "config"), mapping={"number": "nan", "body": "x"})
    client.set(site.key("rows", "want", "queue/atlas"), b"garbage")
    told = CliRunner().invoke(app, [command, str(file.path)])
    assert told.exception is None or isinstance(told.exception, SystemExit), told.exception
    if command == "status":
        shown = " ".join(told.output.split())
        for place in ("rows:vm:cloud/private v1", "once:wish w1", "leases cloud/private", "document:config"):
            assert place in shown, shown


def test_damaged_rows_are_listed_and_asked_set_aside(site: Site, file: FactoryFile) -> None:
    client = site.client()
    client.hset(site.key("rows", "vm", "cloud/private"), "v1", b"1 1\n\xff garbage")
    client.hset(site.key("once", "wish"), "w1", b"garbage")
    client.set(site.key("rows", "want", "queue/atlas"), b"garbage")
    listed = CliRunner().invoke(app, ["doctor", "rows", str(file.path)])
    assert listed.exit_code == 1
    for place in ("rows:vm:cloud/private v1", "once:wish w1", "rows:want:queue/atlas"):
        assert f"damaged  {place}" in listed.output
    moved = CliRunner().invoke(app, ["doctor", "rows", str(file.path), "--set-aside"])
    assert moved.exit_code == 0
    assert moved.output.count("set aside  ") == 3
    again = CliRunner().invoke(app, ["doctor", "rows", str(file.path)])
    assert again.exit_code == 0
    assert "every value can be read" in again.output
    assert b"1 1\n\xff garbage" in client.hgetall(site.key("aside")).values()
