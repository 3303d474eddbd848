"""A run of the suite is green only for what held: lateness may be tried again, a broken promise and a skip may not."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.factory_process import ROOT
from tests.late import Broken, NotWithin, late_or_broken

TRIED = """
from pathlib import Path
import pytest
from tests.late import Broken, NotWithin

tried = Path(__file__).with_suffix(".tried")

def first_time() -> bool:
    before = tried.exists()
    tried.touch()
    return not before

def test_it():
    if first_time():
        {fails}
"""


def run_of(directory: Path, body: str, *options: str) -> tuple[int, str]:
    """Exit code and output of a run of one file, as `make test` would run it."""
    (directory / "test_one.py").write_text(body)
    argv = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
    argv += ["-p", "tests.verdict_of_the_run", "-p", "no:cacheprovider", *options, str(directory / "test_one.py")]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_test_that_was_late_is_run_again_and_the_summary_says_what_it_waited_for(tmp_path: Path) -> None:
    code, said = run_of(tmp_path, TRIED.format(fails='raise NotWithin(20, "all jobs are done")'), "--reruns", "2")
    assert code == 0, said
    assert "run again, since it was late" in said
    assert "not within 20 s: all jobs are done" in said


@pytest.mark.parametrize(
    "fails",
    [
        'raise Broken("i-1 was ended at 3.0, while job 1.0 ran there")',
        "assert 1 == 2",
        'pytest.fail("i-1 was ended at 3.0, while job 1.0 ran there, not within 20 s")',
        "raise KeyError(1)",
        'raise TimeoutError("not within 20 s: a pure test has nothing to wait for")',
    ],
)
def test_a_broken_promise_is_never_run_again(tmp_path: Path, fails: str) -> None:
    code, said = run_of(tmp_path, TRIED.format(fails=fails), "--reruns", "2")
    assert code == 1, said
    assert "1 failed" in said
    assert "RERUN" not in said


def test_a_broken_promise_found_after_a_deadline_is_never_run_again(tmp_path: Path) -> None:
    fails = """
        try:
            raise NotWithin(20, "all jobs are done")
        except NotWithin:
            raise Broken("i-1 was ended while its job ran")
"""
    code, said = run_of(tmp_path, TRIED.format(fails=fails.strip()), "--reruns", "2")
    assert code == 1, said
    assert "RERUN" not in said


def test_a_wait_in_vain_says_the_promises_that_are_broken_already() -> None:
    late = NotWithin(20, "all jobs are done", "the story")
    assert late_or_broken(late, []) is late
    broken = late_or_broken(late, ["i-1 was ended while its job ran"])
    assert isinstance(broken, Broken)
    assert str(broken) == f"i-1 was ended while its job ran\n{late}"


SKIPPED = 'import pytest\n\ndef test_it(): pytest.skip("no Sentinel here")\n'


@pytest.mark.parametrize("workers", [[], ["-n", "1"]])
def test_a_skipped_test_fails_a_run_that_must_be_whole_and_is_named(tmp_path: Path, workers: list[str]) -> None:
    assert run_of(tmp_path, SKIPPED)[0] == 0
    code, said = run_of(tmp_path, SKIPPED, "--skips-fail", *workers)
    assert code == 1, said
    assert "SKIPPED, which is a failure here" in said
    assert "no Sentinel here" in said


def test_a_file_that_is_skipped_as_a_whole_fails_it_too(tmp_path: Path) -> None:
    code, said = run_of(tmp_path, 'import pytest\npytest.skip("no lab", allow_module_level=True)\n', "--skips-fail")
    assert code == 1, said
    assert "no lab" in said


def test_a_skip_that_is_allowed_by_name_does_not(tmp_path: Path) -> None:
    _, said = run_of(tmp_path, SKIPPED, "--skips-fail")
    name = next(line for line in said.splitlines() if "which is a failure here" in line).split(": ")[1]
    assert run_of(tmp_path, SKIPPED, "--skips-fail", "-o", f"allowed_skips={name}: it needs a Sentinel")[0] == 0
    assert run_of(tmp_path, SKIPPED, "--skips-fail", "-o", f"allowed_skips={name}_other: no")[0] == 1


def test_continuous_integration_lets_no_skip_pass() -> None:
    assert "--skips-fail" in (ROOT / ".ci/run").read_text()
