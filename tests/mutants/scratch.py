"""A copy of the tree in which one mutation at a time is made, and its tests are run."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

import pytest

from tests.mutants.listed import Mutant

LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".lab", ".hypothesis", ".campaign", "__pycache__", ".*_cache")
NICE = 10


class Fate(Enum):
    """What the tests said of a mutant, or of the code as it is."""

    KILLED = "killed"
    LATE = "killed by the time limit"
    SURVIVED = "survived"
    NOT_RUN = "its tests did not run"


class Scratch:
    """`tree` is copied to `directory`. Not for several threads at once."""

    def __init__(self, tree: Path, directory: Path) -> None:
        self._root = directory
        shutil.copytree(tree, directory, ignore=LEFT_OUT)
        compile_ = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "."]
        subprocess.run(compile_, cwd=directory, check=True)  # by dates alone, a change within the second goes unseen

    def tried(self, mutant: Mutant) -> tuple[Fate, str]:
        """What became of it, and the last lines of its tests. Raises Stale; the file is as it was afterwards."""
        path = self._root / mutant.file
        before = path.read_text()
        path.write_text(mutant.applied(before))
        try:
            return self.run(mutant.tests, mutant.limit_s)
        finally:
            path.write_text(before)

    def run(self, tests: Sequence[str], limit_s: float) -> tuple[Fate, str]:
        argv = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *tests]
        child = subprocess.Popen(
            argv,
            cwd=self._root,
            env={**os.environ, "PYTHONPATH": str(self._root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: os.nice(NICE),
        )
        try:
            said, _ = child.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            return Fate.LATE, f"not within {limit_s:g} s"
        return _fate(child.returncode), "\n".join(said.splitlines()[-12:])


def _fate(code: int) -> Fate:
    if code == pytest.ExitCode.OK:
        return Fate.SURVIVED
    return Fate.KILLED if code == pytest.ExitCode.TESTS_FAILED else Fate.NOT_RUN
