"""`make demo-ha` in a simulated world: a host killed, a host frozen, every promise kept."""

import subprocess
import sys

from tests.factory_process import ROOT


def test_the_demo_on_three_hosts_keeps_every_promise_and_shows_posts_moving() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "deploy.lab.demo.ha", "--simulated"],
        cwd=ROOT, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for told in ("IS KILLED", "IS FROZEN", "is started again", "wakes up", "24 of 24 done", "4.5 s are allowed"):
        assert told in " ".join(ran.stdout.split())
    assert ran.stdout.count("kept  ") == 5
