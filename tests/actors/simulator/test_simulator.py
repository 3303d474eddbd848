"""The simulated site keeps its own laws, and the real policies do in it what they promise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.config.load import load
from actors.fleet.shape import Shape
from actors.policies.rules import CloudRules, QueueRules, cloud_rules
from actors.policies.steps import KeepNQueueLife
from actors.simulator.generate import KINDS, generate
from actors.simulator.jobs import Job
from actors.simulator.oracle import Oracle
from actors.simulator.plot import plot
from actors.simulator.report import floor_vm_hours, table
from actors.simulator.run import TAIL_S, simulate
from actors.simulator.scaler import Ours, Scaler
from actors.simulator.scenario import Assumptions, outcomes, scenario
from actors.simulator.world import CloudModel, SimulatedSite

CONFIGS = Path(__file__).parents[3] / "configs"


def rules(name: str, max_vms: int, *, cpus: int = 1, usd_per_hour: float = 0.0) -> CloudRules:
    shape = Shape(cpus=cpus, memory_mib=cpus * 2_000, disk_mib=cpus * 8_000)
    return cloud_rules(name=name, shape=shape, max_vms=max_vms, usd_per_hour=usd_per_hour)


def job(at_s: float, runtime_s: float = 600.0, cpus: int = 1) -> Job:
    return Job(at_s=at_s, runtime_s=runtime_s, request=Shape(cpus=cpus, memory_mib=cpus * 1_000, disk_mib=1_000))


def ours(*clouds: CloudRules, release_after_s: float = 60.0) -> Ours:
    cascade = tuple((cloud.name,) for cloud in clouds)
    return Ours(QueueRules(name="queue", cascade=cascade, release_after_s=release_after_s))


class Always:
    """Wants the same number for ever."""

    interval_s = 15.0

    def __init__(self, wants: Mapping[str, int]) -> None:
        self.name, self._wants = "always", wants

    def scale(self, world: SimulatedSite) -> Mapping[str, int]:
        return self._wants


def test_one_job_waits_for_one_boot_and_pays_for_one_vm() -> None:
    cloud = rules("only", 5, usd_per_hour=2.0)
    outcome = simulate([job(0.0, 3_600.0)], [CloudModel(rules=cloud, boot_s=100.0, spread=0.0)], ours(cloud))
    assert outcome.jobs_done == 1
    assert 100.0 <= outcome.mean_wait_s <= 120.0  # the boot, and a negotiation cycle
    assert 3_700.0 <= outcome.all_vm_hours * 3_600.0 <= 3_820.0  # boot, job, and what must last before it is released
    assert outcome.usd == pytest.approx(2.0 * outcome.all_vm_hours)


def test_a_negotiation_packs_and_a_freed_claim_takes_the_next_job_at_once() -> None:
    cloud = rules("only", 1, cpus=2)
    outcome = simulate([job(0.0) for _ in range(4)], [CloudModel(rules=cloud, spread=0.0)], ours(cloud))
    assert outcome.jobs_done == 4
    assert outcome.vms_started == {"only": 1}
    assert outcome.p95_wait_s - outcome.median_wait_s <= 600.0


def test_no_job_of_a_drained_vm_is_lost_and_reclaimed_ones_start_anew() -> None:
    cloud = rules("spot", 10)
    jobs = [job(30.0 * n, 1_200.0) for n in range(60)]
    model = CloudModel(rules=cloud, reclaims_per_hour=2.0)
    outcome = simulate(jobs, [model], ours(cloud))
    assert outcome.reclaimed_jobs > 0
    assert (outcome.jobs_done, outcome.jobs_left) == (60, 0)


def test_a_run_ends_even_when_nobody_can_run_a_job_or_vms_are_kept_for_ever() -> None:
    cloud = rules("only", 2)
    assert simulate([job(0.0, cpus=64)], [CloudModel(rules=cloud)], ours(cloud)).jobs_left == 1
    kept = simulate([job(0.0)], [CloudModel(rules=cloud)], Always({"only": 2}))
    assert kept.jobs_done == 1
    assert kept.ended_s <= 200.0 + 600.0 + TAIL_S + 60.0


def test_the_cascade_fills_the_cheapest_first_and_releases_the_dearest_first() -> None:
    clouds = [rules("free", 2), rules("cheap", 2, usd_per_hour=0.1), rules("dear", 9, usd_per_hour=1.0)]
    jobs = [job(0.0, 600.0 + 10 * n) for n in range(8)] + [job(5.0, 3_000.0) for _ in range(2)]
    outcome = simulate(jobs, [CloudModel(rules=cloud, spread=0.0) for cloud in clouds], ours(*clouds))
    assert outcome.vms_started == {"free": 2, "cheap": 2, "dear": 6}
    last = {name: max(s.at_s for s in outcome.samples if s.vms[name]) for name in ("free", "cheap", "dear")}
    assert last["free"] >= last["cheap"] >= 0.0


def test_keep_n_queue_life_starts_so_many_and_no_more() -> None:
    cloud = rules("only", 9)
    queue = QueueRules(name="queue", cascade=(("only",),), steps=(KeepNQueueLife(njobs=3),))
    outcome = simulate([job(60.0 * n, 300.0) for n in range(40)], [CloudModel(rules=cloud)], Ours(queue))
    assert outcome.vms_started == {"only": 3}


@given(st.lists(st.tuples(st.integers(0, 3_000), st.integers(10, 3_000), st.integers(1, 4)), max_size=30))
@settings(max_examples=25, deadline=None)
def test_every_job_runs_once_and_no_vm_is_fuller_than_it_is(rows: list[tuple[int, int, int]]) -> None:
    cloud = rules("only", 6, cpus=4)
    jobs = [job(float(at), float(runtime), cpus) for at, runtime, cpus in sorted(rows)]
    outcome = simulate(jobs, [CloudModel(rules=cloud)], ours(cloud))
    assert (outcome.jobs_done, outcome.jobs_left) == (len(jobs), 0)
    assert outcome.utilisation <= 1.0
    assert outcome.all_vm_hours >= floor_vm_hours(jobs, 4)
    assert max((sample.vms["only"] for sample in outcome.samples), default=0) <= 6


def test_the_same_seed_gives_the_same_run() -> None:
    cloud = rules("only", 50, cpus=8)
    jobs = generate("bursty", 5, jobs=400)
    runs = [simulate(jobs, [CloudModel(rules=cloud)], ours(cloud), seed=3) for _ in range(2)]
    assert runs[0] == runs[1]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_our_vm_hours_and_waits_stay_near_those_of_an_oracle(kind: str) -> None:
    """A guard, not the published figure: traces are small, so a wide margin."""
    cloud = rules("only", 300, cpus=8)
    jobs = generate(kind, 11, jobs=800)
    scalers: list[Scaler] = [ours(cloud), Oracle()]
    mine, best = (simulate(jobs, [CloudModel(rules=cloud)], scaler) for scaler in scalers)
    assert mine.jobs_done == best.jobs_done == len(jobs)
    assert mine.all_vm_hours <= 1.35 * best.all_vm_hours
    assert mine.mean_wait_s <= 1.35 * best.mean_wait_s + 10.0


def test_several_configurations_are_compared_in_a_table_and_a_picture(tmp_path: Path) -> None:
    config = load(CONFIGS / "cascade.toml")
    assume = Assumptions(reclaims_per_hour=0.1)
    scenarios = [scenario(config, name, "atlas", assume) for name in ("one", "two")]
    found = outcomes(scenarios, generate("bursty", 2, jobs=300), assume)
    assert found[0].vm_hours == found[1].vm_hours
    assert list(found[0].vm_hours) == ["private", "academic", "spot", "on-demand"]
    assert [column.header for column in table(found).columns] == ["", "one", "two"]
    assert list(table(found, compare=True).columns[2].cells)[2].endswith("x 1.00")
    svg, png = plot(found, tmp_path / "runs")
    assert svg.read_text().startswith("<?xml")
    assert png.read_bytes().startswith(b"\x89PNG")
