"""A small campaign: every kind of fault once, on three hosts and 200 VMs. `make campaign` plays the large ones."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.factory_process import ROOT
from tests.late import NotWithin
from tests.world_campaign.faults import KINDS, Fault, Scene, plain, plan, read
from tests.world_campaign.guards_off import GUARDS, OFF
from tests.world_campaign.run import Settings, run
from tests.world_campaign.shrink import minimal
from tests.world_campaign.stage import Stage, until

SCENE = Scene(clouds=("a", "b"), spot=("b",), ttl_s=3.0)


def test_a_fleet_under_every_kind_of_fault_kills_no_job_leaks_no_vm_and_buys_none_twice(tmp_path: Path) -> None:
    played, verdict, guards = run(Settings(vms=200, seed=1, over_s=30, out=tmp_path))
    if played.late and not [line for line in verdict.wrong if line != played.wrong and not line.startswith("left: ")]:
        raise NotWithin(0, "\n".join(verdict.wrong))
    assert verdict.wrong == ()
    assert {fault.kind for fault in played.faults} == set(KINDS)
    assert verdict.most_alive >= 150
    assert guards["Redis restarted"]


def test_a_seed_is_a_list_of_faults_that_can_be_written_down_and_read() -> None:
    faults = plan(7, SCENE, 60, 100.0)
    assert faults == plan(7, SCENE, 60, 100.0) != plan(8, SCENE, 60, 100.0)
    assert read(plain(faults)) == faults


@pytest.mark.parametrize("rounds", [1, 2])
def test_each_kind_comes_as_often_as_any_other(rounds: int) -> None:
    kinds = [fault.kind for fault in plan(7, SCENE, rounds * len(KINDS), 100.0)]
    assert {kinds.count(kind) for kind in KINDS} == {rounds}


def test_a_failing_list_is_shrunk_to_what_makes_it_fail() -> None:
    faults = plan(7, SCENE, 40, 100.0)
    guilty = (faults[3], faults[29])
    asked = []

    def fails(part: Sequence[Fault]) -> bool:
        asked.append(part)
        return all(fault in part for fault in guilty)

    assert minimal(faults, fails, runs=100) == guilty
    assert len(asked) <= 100
    assert all(fault in minimal(faults, fails, runs=3) for fault in guilty)


def test_a_campaigns_hosts_run_with_the_guard_switched_off(tmp_path: Path) -> None:
    with Stage(tmp_path, 10, 1, "nobody's guard") as stage:
        host = stage.hosts["host-1"]
        host.start(wait=False)
        until(lambda: not host.runs, "a host that is to switch off what there is not ends", 60)
        assert 'KeyError: "nobody\'s guard"' in host.text()


def test_each_guard_can_still_be_switched_off() -> None:
    """In a process of its own: what is replaced stays so."""
    code = "from tests.world_campaign.guards_off import OFF\nfor off in OFF.values(): off()\nprint(len(OFF))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, str(len(OFF))), done.stderr
    assert {kind for guard in GUARDS.values() for kind in guard.kinds} <= set(KINDS)
