"""`fill.sh`: passwords are made once, and are never an argument of a command, where other users would see them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

FILES = Path(__file__).parents[2] / "deploy" / "redis"
PROGRAMS = ("cat", "cut", "dirname", "mkdir", "mktemp", "od", "rm", "sed", "sha256sum", "tr")


def filled(folder: Path, at: Path) -> str:
    """The command lines of all programs that it ran."""
    (programs := at / "bin").mkdir(exist_ok=True)
    said = at / "said"
    for name in PROGRAMS:
        real = shutil.which(name)
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {said}\nexec {real} "$@"\n')
        (programs / name).chmod(0o755)
    argv = ["/bin/sh", str(FILES / "fill.sh"), "prod", "redis1", "redis1", str(folder)]
    subprocess.run(argv, env={"PATH": str(programs)}, check=True, timeout=30)
    return said.read_text()


def test_no_password_is_an_argument_and_nothing_is_left_behind(tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    said = filled(folder, tmp_path)
    passwords = {file.name: file.read_text() for file in (folder / "passwords").iterdir()}
    assert sorted(passwords) == ["dashboard", "host", "operator", "replica", "sentinel"]
    assert "sed " in said
    for password in passwords.values():
        assert len(password) == 48
        assert password not in said
    assert sorted(file.name for file in folder.iterdir()) == ["passwords", "redis.conf", "sentinel.conf", "users.acl"]
    assert f"masterauth {passwords['replica']}" in (folder / "redis.conf").read_text()


def test_a_second_time_it_keeps_the_passwords(tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    filled(folder, tmp_path)
    first = (folder / "redis.conf").read_text()
    filled(folder, tmp_path)
    assert (folder / "redis.conf").read_text() == first
