"""Whoever adds a cloud needs the package and pytest, not the checkout."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from deploy.conformance import clouds


def test_the_suite_imports_nothing_of_the_tests() -> None:
    tree = ast.parse(Path(clouds.__file__).read_text())
    found = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    assert found
    assert not [name for name in found if name.partition(".")[0] == "tests"]


def test_a_package_runs_it_from_an_empty_folder(tmp_path: Path) -> None:
    """With a cloud of its own that does nothing: the suite says so, test by test."""
    (tmp_path / "test_mine.py").write_text(MINE)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "nothing_is_no_call or closing",
        ".",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert "2 passed" in done.stdout, done.stdout


MINE = """
import pytest
from deploy.conformance.clouds import CloudConformance

class Mine:
    def end(self, ids): return tuple(ids)
    def close(self): pass

class TestMine(CloudConformance):
    @pytest.fixture
    def cloud(self): return Mine()
    @pytest.fixture
    def other(self): return Mine()
    @pytest.fixture
    def power_off(self): return lambda id_: None
"""
