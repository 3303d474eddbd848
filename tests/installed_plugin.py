"""Examples as their users have them: installed, as far as an interpreter can see, for one test."""

from __future__ import annotations

import shutil
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actors.config.plugins import known_kinds, known_steps

EXAMPLES = Path(__file__).parent.parent / "deploy/examples"
STEPS = "autopyfactory_cloud.steps"


@contextmanager
def a_site(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder where packages are installed; nothing of it is known afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(folder))
    forget()
    yield folder
    forget()
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def forget() -> None:
    known_steps.cache_clear()
    known_kinds.cache_clear()


def install(site: Path, entry_points: dict[str, str], group: str = STEPS) -> None:
    """What an installer leaves of a package: its metadata with the entry points."""
    metadata = site / f"example_{group.rpartition('.')[2]}-1.0.dist-info"
    metadata.mkdir()
    name = metadata.name.partition("-")[0]
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in entry_points.items()]
    (metadata / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]) + "\n")
    forget()


def install_example(site: Path, name: str) -> None:
    project = tomllib.loads((EXAMPLES / name / "pyproject.toml").read_text())
    for module in project["tool"]["setuptools"]["py-modules"]:
        shutil.copy(EXAMPLES / name / f"{module}.py", site)
    for group, points in project["project"]["entry-points"].items():
        install(site, points, group)
