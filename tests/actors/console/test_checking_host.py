"""`apf check --live`, of this host: files, tokens and the command that mints them, as a factory would use them."""

from __future__ import annotations

import base64
import json
import sys
import time
from pathlib import Path

import pytest

from actors.config.load import parse
from actors.config.schema import Config
from actors.console.checking_host import of_this_host

MINIMAL = (Path(__file__).parents[3] / "configs" / "minimal.toml").read_text()
COMMAND = '["/usr/local/bin/mint-worker-token"]'


def token(seconds: float = 86_400.0) -> str:
    claims = {"scope": "condor:/ADVERTISE_STARTD", "exp": time.time() + seconds}
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"head.{middle}.signature"


def config(folder: Path, pool: str = "", factory: str = "", printed: str | None = None) -> Config:
    command = json.dumps([sys.executable, "-c", f"print({printed or token()!r})"])
    text = MINIMAL.replace(COMMAND, command).replace("[clouds.private]", f"{pool}\n[clouds.private]")
    factory = factory or f"directory = {json.dumps(str(folder / 'state'))}"
    return parse(text.replace("[pools.local]", f"{factory}\n[pools.local]"))


def wrong(settings: Config) -> list[str]:
    return [f"{found.what}: {found.text}" for found in of_this_host(settings) if found.ok is False]


def test_where_all_is_as_it_must_be_nothing_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "tokens.d").mkdir(mode=0o700)
    (tmp_path / "tokens.d" / "apf").write_text("x")
    (tmp_path / "tokens.d" / "apf").chmod(0o600)
    assert wrong(config(tmp_path, f'token_directory = "{tmp_path}/tokens.d"')) == []


@pytest.mark.parametrize(
    ("printed", "told"),
    [(None, "characters that are no token"), (-5, "s ago"), (30, "ends in")],
)
def test_a_command_that_prints_no_good_token_is_wrong(tmp_path: Path, printed: float | None, told: str) -> None:
    (found,) = wrong(config(tmp_path, printed="none" if printed is None else token(printed)))
    assert told in found


def test_a_command_that_is_not_there_is_wrong() -> None:
    found = wrong(parse(MINIMAL.replace(COMMAND, '["/nowhere/mint"]')))
    assert any("worker_token_command '/nowhere/mint' cannot be run" in one for one in found)


def test_a_token_directory_that_is_not_there_or_empty_or_open_is_wrong(tmp_path: Path) -> None:
    where = tmp_path / "tokens.d"
    settings = config(tmp_path, f'token_directory = "{where}"')
    assert any("cannot be read: No such file" in one for one in wrong(settings))
    where.mkdir(mode=0o700)
    assert any("has no token in it" in one for one in wrong(settings))
    (where / "apf").write_text("x")
    (where / "apf").chmod(0o600)
    where.chmod(0o755)
    assert wrong(settings) == [
        f"token directory: the directory {where} has mode 0755, others can use it; chmod go= {where}"
    ]


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o620])
def test_a_secret_that_others_can_read_or_change_is_wrong(tmp_path: Path, mode: int) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(mode)
    settings = config(tmp_path, factory=f'redis_password = "file:{secret}"\ndirectory = "{tmp_path}"')
    assert wrong(settings) == [f"secrets: the file {secret} has mode {mode:04o}, others can use it; chmod go= {secret}"]
    secret.chmod(0o640)
    assert wrong(settings) == []


def test_a_template_that_cannot_be_read_or_filled_is_wrong(tmp_path: Path) -> None:
    own = tmp_path / "user-data"
    settings = config(tmp_path)
    cloud = settings.clouds["private"].model_copy(update={"user_data": str(own)})
    settings = settings.model_copy(update={"clouds": {"private": cloud}})
    assert any("cannot be read: No such file" in one for one in wrong(settings))
    own.write_text("#!/bin/sh\necho ${apf.tokn}\n")
    assert any("did you mean token?" in one for one in wrong(settings))


def test_a_directory_in_which_nothing_can_be_written_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = wrong(config(tmp_path, factory=f'directory = "{tmp_path}/file/state"'))
    assert any("nothing can be written in" in one for one in found)
