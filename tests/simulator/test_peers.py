"""The peers do what their settings say: so that nobody is beaten by a caricature."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from actors.fleet.shape import Shape
from actors.policies.rules import QueueRules, cloud_rules
from actors.simulator.jobs import Job
from actors.simulator.meter import RunOutcome
from actors.simulator.run import simulate
from actors.simulator.scaler import Scaler
from actors.simulator.world import CloudModel, PoolModel
from tests.simulator.peers.apf import ApfChain, ApfKeepRunning
from tests.simulator.peers.glideinwms import Glideinwms
from tests.simulator.peers.karpenter import Karpenter
from tests.simulator.peers.kubernetes import Kubernetes
from tests.simulator.peers.ray import Ray
from tests.simulator.peers.slurm import Slurm

CLOUD = cloud_rules(name="c", shape=Shape(cpus=1, memory_mib=2_000, disk_mib=10_000), max_vms=200)
QUEUE = QueueRules(name="queue", cascade=(("c",),))
BOOT_S, RUN_S = 100.0, 1_000.0


def job(at_s: float = 0.0, runtime_s: float = RUN_S) -> Job:
    return Job(at_s=at_s, runtime_s=runtime_s, request=Shape(cpus=1, memory_mib=1_000, disk_mib=1_000))


def run(scaler: Scaler, *jobs: Job) -> RunOutcome:
    return simulate(jobs, [CloudModel(rules=CLOUD, boot_s=BOOT_S, spread=0.0)], scaler, pool=PoolModel(cycle_s=1.0))


@pytest.mark.parametrize(
    ("make", "idle_s"),
    [
        (lambda: Karpenter(QUEUE), 15.0),
        (lambda: Kubernetes(QUEUE), 600.0),
        (lambda: Kubernetes(QUEUE, 60.0), 60.0),
        (lambda: Slurm(QUEUE, 300.0), 300.0),
        (lambda: Ray(QUEUE), 300.0),
        (lambda: Glideinwms(1), 400.0),
        (lambda: ApfChain(1), 600.0),
        (lambda: ApfKeepRunning(1), 0.0),
    ],
)
def test_an_empty_vm_goes_after_the_time_that_is_said(make: Callable[[], Scaler], idle_s: float) -> None:
    scaler = make()
    outcome = run(scaler, job())
    lived_s = outcome.all_vm_hours * 3_600.0
    assert outcome.vms_started == {"c": 1}
    assert idle_s <= lived_s - BOOT_S - RUN_S <= idle_s + 2 * scaler.interval_s + 2.0


def test_karpenter_gives_up_a_tenth_at_a_time() -> None:
    karpenter = Karpenter(QUEUE)
    outcome = run(karpenter, *[job() for _ in range(40)])
    vms = [sample.vms["c"] for sample in outcome.samples]
    fell = [before - after for before, after in pairwise(vms) if after < before]
    assert max(vms) == 40
    assert max(fell) <= 4 * 60 / karpenter.interval_s
    assert len(fell) > 1


def test_ray_launches_no_more_at_a_time_than_there_are_but_always_five() -> None:
    outcome = run(Ray(QUEUE), *[job(runtime_s=5_000.0) for _ in range(40)])
    vms = [sample.vms["c"] for sample in outcome.samples]
    assert vms[1] == 5
    assert max(vms) == 40
    assert vms[3] <= 10


def test_glideinwms_asks_for_a_third_of_what_waits() -> None:
    outcome = run(Glideinwms(1), *[job(runtime_s=5_000.0) for _ in range(30)])
    assert outcome.samples[1].vms["c"] == 10


def test_a_glidein_that_never_had_a_job_stays_longer_than_one_that_had() -> None:
    outcome = run(Glideinwms(1), job(0.0, 90.0), job(1.0, 90.0), job(2.0, 90.0), job(3.0, 90.0))
    assert outcome.jobs_done == 4
    assert outcome.all_vm_hours * 3_600.0 >= outcome.vms_started["c"] * (BOOT_S + 400.0)


def test_apfs_second_chain_retires_what_is_more_than_the_jobs_at_once() -> None:
    outcome = run(ApfKeepRunning(1), *[job(runtime_s=300.0) for _ in range(5)], job(runtime_s=3_000.0))
    vms = [sample.vms["c"] for sample in outcome.samples]
    assert vms[10] == 1
    assert max(vms) == 6
