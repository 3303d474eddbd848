"""Secrets print as `***` wherever they are shown, and no child process inherits them."""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.clouds.port import Order
from actors.clouds.worker.token import TokenFailed, mint
from actors.clouds.worker.user_data import Worker
from actors.config.environment import inherited
from actors.config.secrets import Hidden, secret
from actors.fleet.vm import Intent
from actors.pools.htcondor.child_lanes import Lane
from broker.connection.embedded import EmbeddedServer

SECRET = "s3cret-in-plain"


@given(st.text(min_size=1))
def test_a_secret_prints_as_stars_and_is_still_itself(text: str) -> None:
    hidden = Hidden(text)
    shown = (str(hidden), repr(hidden), f"{hidden}", f"{hidden!r:>5}".strip(), f"{hidden:s}", "%s" % hidden)  # noqa: UP031
    assert set(shown) == {"***"}
    assert hidden == text
    assert type(hidden.reveal()) is str
    assert hidden.reveal() == text


def test_what_a_reference_points_to_is_hidden_in_whatever_shows_it(caplog: pytest.LogCaptureFixture) -> None:
    found = secret("env:A", {"A": SECRET})
    logging.getLogger("a").warning("%s %r %s", found, [found], {"password": found})
    assert SECRET not in caplog.text
    assert SECRET not in f"{ValueError(found)!r} {ValueError(found)}"


def test_what_holds_a_workers_token_does_not_show_it() -> None:
    order = Order(intent="x", queue="q", count=1, token="t", user_data=SECRET, decision="d")
    intent = Intent(id="x", cloud="a", queue="q", count=1, token="t", request=SECRET, written=1.0)
    worker = Worker(factory="f", cloud="a", queue="q", collector="c", token=SECRET, start="true")
    assert SECRET not in f"{order!r} {intent!r} {worker!r}"


def test_a_token_command_inherits_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("REDIS_PASSWORD", "AWS_SECRET_ACCESS_KEY", "OS_PASSWORD", "APF_ANYTHING"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("_CONDOR_TRUST_DOMAIN", "lab")
    seen = tmp_path / "seen"
    program = f"import json, os; open({str(seen)!r}, 'w').write(json.dumps(dict(os.environ)))"
    with pytest.raises(TokenFailed):
        mint([sys.executable, "-c", program], 20, time.time())
    environment = json.loads(seen.read_text())
    assert SECRET not in environment.values()
    assert environment["_CONDOR_TRUST_DOMAIN"] == "lab"
    assert environment["PATH"]


def environment_of(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_bytes().decode()


def test_children_that_speak_to_htcondor_inherit_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_PASSWORD", SECRET)
    monkeypatch.setenv("_CONDOR_SEC_PASSWORD", SECRET)
    lane = Lane("tests.actors.pools.htcondor.child_tasks", ("hello",), most=2, limit_s=30.0)
    try:
        lane.call("echo", 1)
        (pid,) = lane.pids()
        found = environment_of(pid)
    finally:
        lane.close()
    assert SECRET not in found
    assert "CONDOR_CONFIG=/dev/null" in found.split("\0")


def test_the_embedded_redis_inherits_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REDIS_PASSWORD", SECRET)
    with EmbeddedServer(tmp_path) as server:
        assert server.pid is not None
        assert SECRET not in environment_of(server.pid)
        assert server.address.password not in Path(f"/proc/{server.pid}/cmdline").read_bytes().decode()


def test_what_a_program_needs_is_inherited() -> None:
    given = {"PATH": "/bin", "HOME": "/h", "LC_ALL": "C", "CONDOR_CONFIG": "/c", "AWS_PROFILE": "x", "TOKEN": "y"}
    assert inherited(condor=False, environment=given) == {"PATH": "/bin", "HOME": "/h", "LC_ALL": "C"}
    assert inherited(condor=True, environment=given)["CONDOR_CONFIG"] == "/c"
