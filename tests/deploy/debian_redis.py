"""Debian's own redis-server and redis-sentinel: from PATH, else unpacked from this release's packages.

Nothing is installed: `dpkg -x` needs no root, and what runs beside the tests keeps its own Redis. Kept between runs.
"""

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy.lab.pool import condor

PROGRAMS = ("redis-server", "redis-sentinel")
WANTED = re.compile(r"redis-(server|tools|sentinel)|lib(atomic1|hiredis.*|jemalloc2|lua5.1-0|lzf1|ssl3.*|systemd0)")


@dataclass(frozen=True, kw_only=True)
class Programs:
    """Paths, and what a child's environment must say so that they find their libraries."""

    server: str
    sentinel: str
    environment: dict[str, str] = field(default_factory=dict)


def programs() -> Programs:
    """Skips the test for an ordinary user who cannot get them; root must be able to."""
    server, sentinel = (shutil.which(name) for name in PROGRAMS)
    if server and sentinel:
        return Programs(server=server, sentinel=sentinel)
    try:
        return _unpacked()
    except condor.NotDebian as reason:
        pytest.skip(f"no redis-server and redis-sentinel on PATH, and {reason}")
    except condor.CannotHave as reason:
        if os.geteuid() == 0:
            raise
        pytest.skip(f"no redis-server and redis-sentinel on PATH, this user may not install them, and {reason}")


def _unpacked() -> Programs:
    prefix = condor.cache_directory() / f"redis-{condor.debian_codename()}"
    if not prefix.exists():
        prefix.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=prefix.parent, prefix="redis-") as scratch:
            _fetch(Path(scratch))
            shutil.copytree(Path(scratch) / "root", prefix.with_suffix(f".{os.getpid()}"), symlinks=True)
        _take_place(prefix.with_suffix(f".{os.getpid()}"), prefix)
    libraries = ":".join(str(folder) for folder in sorted(prefix.glob("usr/lib/*-linux-gnu")))
    found = [str(prefix / "usr/bin" / name) for name in PROGRAMS]
    return Programs(server=found[0], sentinel=found[1], environment={"LD_LIBRARY_PATH": libraries})


def _fetch(scratch: Path) -> None:
    for package in condor.download(condor.debian_codename(), scratch, PROGRAMS, WANTED):
        subprocess.run(["dpkg", "-x", str(package), str(scratch / "root")], check=True, timeout=60)


def _take_place(made: Path, prefix: Path) -> None:
    """Whole or not at all; another session may have been quicker."""
    made.chmod(0o755)
    try:
        made.rename(prefix)
    except OSError:
        shutil.rmtree(made)
