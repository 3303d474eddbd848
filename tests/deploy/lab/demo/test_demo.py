"""`apf demo` shows the main job, and is the first to say when a promise was broken."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from rich.console import Console

from deploy.lab import processes
from deploy.lab.demo import run
from deploy.lab.demo.picture import Picture
from deploy.lab.demo.promises import PROMISES
from deploy.lab.demo.simulated import SimulatedStage
from tests.condor_pool import until

ROOT = Path(__file__).parents[4]
SHORT = (1, 2, 1, 3, 2, 1, 2, 1, 3, 8)
LIMIT_S = 200.0


class PowerCut(SimulatedStage):
    """A VM of the cloud is switched off in the middle of its first job."""

    def submit(self, seconds: Sequence[float]) -> None:
        super().submit(seconds)
        if not hasattr(self, "_ended"):
            self._ended = threading.Event()
            threading.Thread(target=self._cut, daemon=True).start()

    def _cut(self) -> None:
        while not self._ended.wait(0.1):
            running = [job.instance_id for job in self.jobs() if job.status == run.RUNNING]
            if running:
                self._server.operations.do("power_off", {"id": running[0]})
                return

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        super().__exit__(*error)


def console() -> Console:
    return Console(file=io.StringIO(), width=110, force_terminal=False)


def text_of(made: Console) -> str:
    assert isinstance(made.file, io.StringIO)
    return made.file.getvalue()


def test_the_simulated_demo_keeps_every_promise(tmp_path: Path) -> None:
    picture, shown = Picture(), console()
    with SimulatedStage() as stage:
        broken = run.Demo(shown, tmp_path, stage, seconds=SHORT, seen=picture.see).play()
    text = text_of(shown)
    assert broken == ()
    assert f"{len(SHORT)} of {len(SHORT)} done, 0 started twice" in text
    assert text.count("kept  ") == len(PROMISES)
    assert re.search(r"private +2 VMs started, 2 ended", text)
    assert re.search(r"Filled +2 private, then 2 academic, then 2 spot, then \d on-demand", text)
    assert re.search(r"Told to drain .*on-demand.*private", text)
    assert "wants 2 of private, not 0" in text
    assert "What the factory decided, and why" in re.sub(r"<[^>]*>|&#160;", " ", picture.svg()).replace("  ", " ")


@pytest.fixture
def power_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    def stage(_: Console, exits: ExitStack, __: bool) -> SimulatedStage:
        return exits.enter_context(PowerCut())

    monkeypatch.setattr(run, "stage", stage)
    monkeypatch.setattr(run, "SECONDS", SHORT)


@pytest.mark.usefixtures("power_cut")
def test_a_demo_whose_promise_is_broken_says_which_and_exits_with_1() -> None:
    shown = console()
    assert run.run(shown, simulated=True) == 1
    text = text_of(shown)
    assert "broken  1. no job is killed" in text
    assert "broken  2. no VM is leaked or bought twice" in text
    assert "kept    3." in text
    kept = re.search(r"are kept in\s+(\S+)", text)
    assert kept
    assert (Path(kept[1]) / "host.log").exists()


@pytest.mark.lab
@pytest.mark.usefixtures("condor")
def test_the_demo_runs_the_main_job_on_a_real_pool() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "actors.cli", "demo"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    text = done.stdout
    assert done.returncode == 0, text[-3000:] + done.stderr[-2000:]
    assert "24 of 24 done, 0 started twice" in text
    assert re.search(r"Evictions +0", text)
    assert re.search(r"private +2 VMs started, 2 ended, 2 at once", text)
    assert re.search(r"on-demand +2 VMs started, 2 ended, 2 at once", text)
    assert re.search(r"Filled +2 private, then 2 academic, then 2 spot, then 2 on-demand", text)
    assert re.search(r"Left +0 VMs", text)
    assert re.search(r"Told to drain .*on-demand.*private", text, re.DOTALL)  # some again: jobs came back
    assert "Real HTCondor cannot be had" not in text
    assert "\\n" not in text  # a line feed is none that is shown
    frame = {len(line) for line in text.splitlines() if line.startswith(("│", "╭", "╰"))}
    assert len(frame) == 1  # it has a width without a terminal too


def test_nothing_of_the_demo_is_left_when_it_is_killed(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        shown = subprocess.Popen(
            [sys.executable, "-m", "actors.cli", "demo", "--simulated"], cwd=ROOT, stdout=out, stderr=out
        )
    until(lambda: b"2 waiting" in (tmp_path / "out").read_bytes(), "the demo has begun")
    below = processes.descendants(shown.pid)
    assert len(below) >= 3  # a keeper, a host, a Redis
    shown.kill()
    shown.wait()
    until(lambda: not any(processes.is_running(pid) for pid in below), "all its processes have ended")
