"""The operator's token command: real processes, and what may be given to a worker."""

from __future__ import annotations

import base64
import json
import math
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.clouds.worker.token import TokenFailed, checked, mint
from tests.late import in_time, within

NOW = 1_000_000.0
GOOD = "condor:/READ condor:/ADVERTISE_STARTD condor:/ADVERTISE_MASTER"


def part(claims: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()


def token(**claims: object) -> str:
    return f"{part({'alg': 'HS256', 'kid': 'POOL'})}.{part({'iss': 'pool', 'scope': GOOD, **claims})}.c2lnbmF0dXJl"


def printing(text: str) -> list[str]:
    return [sys.executable, "-S", "-c", f"print({text!r})"]


def test_a_good_token_is_taken_without_its_line_end() -> None:
    assert mint(printing(token()), 20, NOW) == token()


@pytest.mark.parametrize("text", ["", "Password:", "a.b", "a.b.c d", f"{token()}\n{token()}", "a.!.c", "x.bm8.y"])
def test_what_is_no_token_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(TokenFailed) as caught:
        mint(printing(text), 20, NOW)
    assert not text or text not in str(caught.value)


@given(st.text(max_size=200))
def test_any_text_is_a_token_or_refused(text: str) -> None:
    with pytest.raises(TokenFailed):
        checked(text, NOW)


def test_a_token_that_may_do_more_than_advertise_is_refused() -> None:
    with pytest.raises(TokenFailed, match="DAEMON"):
        checked(token(scope=f"{GOOD} condor:/DAEMON"), NOW)


def test_a_token_without_limits_is_refused() -> None:
    with pytest.raises(TokenFailed, match="not limited"):
        checked(token(scope=""), NOW)


def test_a_token_that_cannot_advertise_is_refused() -> None:
    with pytest.raises(TokenFailed, match="may not do ADVERTISE_STARTD"):
        checked(token(scope="condor:/READ"), NOW)


def test_a_token_that_has_ended_is_refused() -> None:
    with pytest.raises(TokenFailed, match="ended 5 s ago"):
        checked(token(exp=NOW - 5), NOW)
    with pytest.raises(TokenFailed, match="ends in 5 s; allowed: 300 s or more"):
        checked(token(exp=NOW + 5), NOW)
    assert checked(token(exp=NOW + 300), NOW)
    assert checked(token(exp=None), NOW)


@pytest.mark.parametrize("end", ["soon", True, [], math.nan])
def test_a_token_whose_end_is_no_time_is_refused(end: object) -> None:
    with pytest.raises(TokenFailed, match=r"Unix seconds as a number|ends in nan"):
        checked(token(exp=end), NOW)


def test_no_message_holds_the_token() -> None:
    bad = token(scope="condor:/DAEMON")
    with pytest.raises(TokenFailed) as caught:
        checked(bad, NOW)
    assert bad.split(".")[1] not in str(caught.value)


def test_a_command_that_fails_is_told_with_what_it_complained_of() -> None:
    command = [sys.executable, "-S", "-c", "import sys; print('secret'); sys.exit('no such key')"]
    with pytest.raises(TokenFailed, match="status 1: no such key") as caught:
        mint(command, 20, NOW)
    assert "secret" not in str(caught.value)


def test_a_command_that_is_not_there_is_told() -> None:
    with pytest.raises(TokenFailed, match="cannot be run"):
        mint(["/nonexistent/mint"], 20, NOW)


def test_no_command_is_told() -> None:
    with pytest.raises(TokenFailed, match="not set"):
        mint([], 20, NOW)


def test_a_command_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    command = ["/bin/sh", "-c", f"sleep 300 & echo $! >{note}; wait"]
    before = time.monotonic()
    with pytest.raises(TokenFailed, match="did not end within 1 s"):
        mint(command, 1, NOW)
    in_time(10, before, "it is over")
    within(5, "its child ends", lambda: not running(int(note.read_text())))


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
