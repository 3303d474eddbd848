"""This project's defaults beside its peers and two yardsticks: `python -m tests.simulator.compare [SEED ...]`.

Traces of three kinds (`actors.simulator.generate`), each with several seeds. The figures are of seeds 101 to 103. Our
parameters are the configuration's defaults (`release_after_s` 60, a reading every 15 s): they were written down before
there was a simulator, and were not fitted to any trace. Who changes a policy looks at other seeds than those.
One cloud with room for 500 VMs of 8 cores, 150 s to boot (median), a negotiation every 20 s.
"""

from __future__ import annotations

# ruff: noqa: T201
import sys
from collections.abc import Callable, Iterable

from actors.fleet.shape import Shape
from actors.policies.rules import QueueRules, cloud_rules
from actors.simulator.generate import generate
from actors.simulator.meter import RunOutcome
from actors.simulator.oracle import Oracle
from actors.simulator.report import floor_vm_hours
from actors.simulator.run import simulate
from actors.simulator.scaler import Ours, Scaler
from actors.simulator.world import CloudModel
from tests.simulator.peers.apf import ApfChain, ApfKeepRunning
from tests.simulator.peers.cobald import Cobald
from tests.simulator.peers.glideinwms import Glideinwms
from tests.simulator.peers.karpenter import Karpenter
from tests.simulator.peers.kubernetes import Kubernetes
from tests.simulator.peers.ray import Ray
from tests.simulator.peers.slurm import Slurm

CORES = 8
CLOUD = cloud_rules(name="c", shape=Shape(cpus=CORES, memory_mib=16_000, disk_mib=80_000), max_vms=500)
QUEUE = QueueRules(name="queue", cascade=(("c",),))
SCALERS: tuple[Callable[[], Scaler], ...] = (
    lambda: Ours(QUEUE, name="this project"),
    Oracle,
    lambda: Karpenter(QUEUE),
    lambda: Kubernetes(QUEUE),
    lambda: Kubernetes(QUEUE, 300.0),
    lambda: Kubernetes(QUEUE, 60.0),
    lambda: Ray(QUEUE),
    lambda: Slurm(QUEUE, 300.0),
    lambda: Slurm(QUEUE, 600.0),
    lambda: Glideinwms(CORES),
    lambda: ApfChain(CORES),
    lambda: ApfKeepRunning(CORES),
    lambda: Cobald("linear", 0.9),
    lambda: Cobald("linear", 0.5),
    lambda: Cobald("relative", 0.9),
    lambda: Cobald("relative", 0.5),
)


def main(seeds: Iterable[int]) -> None:
    print("| trace | who | jobs left | mean wait | p95 | VM-hours | wait / oracle | VM-hours / oracle | / floor |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for kind in ("bursty", "steady", "mixed"):
        traces = [generate(kind, seed) for seed in seeds]
        floor = sum(floor_vm_hours(jobs, CORES) for jobs in traces)
        runs = [[simulate(jobs, [CloudModel(rules=CLOUD)], make()) for jobs in traces] for make in SCALERS]
        oracle = runs[1]
        for outcomes in runs:
            print(_row(kind, outcomes, oracle, floor), flush=True)


def _row(kind: str, outcomes: list[RunOutcome], oracle: list[RunOutcome], floor: float) -> str:
    hours, wait_s = _hours(outcomes), _wait_s(outcomes)
    p95_s = max(outcome.p95_wait_s for outcome in outcomes)
    left = sum(outcome.jobs_left for outcome in outcomes)
    ratios = f"{wait_s / _wait_s(oracle):.2f} | {hours / _hours(oracle):.2f} | {hours / floor:.2f}"
    return f"| {kind} | {outcomes[0].name} | {left} | {wait_s:.0f} s | {p95_s:.0f} s | {hours:.0f} | {ratios} |"


def _hours(outcomes: list[RunOutcome]) -> float:
    return sum(outcome.all_vm_hours for outcome in outcomes)


def _wait_s(outcomes: list[RunOutcome]) -> float:
    jobs = sum(outcome.jobs_done for outcome in outcomes)
    return sum(outcome.mean_wait_s * outcome.jobs_done for outcome in outcomes) / jobs


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]] or [101, 102, 103])
