"""The simulated pool and clouds do what real ones were measured to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from actors.fleet.shape import Shape
from actors.fleet.vm import State
from actors.policies.rules import AheadRules, QueueRules, cloud_rules
from actors.simulator.generate import generate
from actors.simulator.jobs import Job
from actors.simulator.meter import RunOutcome
from actors.simulator.run import simulate
from actors.simulator.scaler import Ours
from actors.simulator.world import CloudModel, PoolModel, SimulatedSite

CLOUD = cloud_rules(name="c", shape=Shape(cpus=1, memory_mib=2_000, disk_mib=10_000), max_vms=20)
MODEL = CloudModel(rules=CLOUD, boot_s=100.0, spread=0.0)
DAY_S = 86_400.0


def job(at_s: float = 0.0, runtime_s: float = 600.0) -> Job:
    return Job(at_s=at_s, runtime_s=runtime_s, request=Shape(cpus=1, memory_mib=1_000, disk_mib=1_000))


class Keeps:
    """So many VMs as long as jobs are left, and counts how often it is asked."""

    name, interval_s = "keeps", 15.0

    def __init__(self, vms: int) -> None:
        self.vms, self.asked = vms, 0

    def scale(self, world: SimulatedSite) -> Mapping[str, int]:
        self.asked += 1
        return {"c": self.vms if world.left else 0}

    def restless(self, world: SimulatedSite) -> bool:
        return False


def run(*jobs: Job, vms: int = 1, model: CloudModel = MODEL, pool: PoolModel | None = None) -> RunOutcome:
    return simulate(jobs, [model], Keeps(vms), pool=pool or PoolModel())


def test_a_vm_that_joins_between_two_negotiations_waits_for_the_next() -> None:
    assert run(job()).mean_wait_s == 120.0  # cycles at 0, 60, 120 s; it joined at 100 s


def test_who_asks_for_a_negotiation_gets_it_but_not_before_the_least_time() -> None:
    late = run(job(), job(101.0)).mean_wait_s  # the submission of the second one asks
    assert late == pytest.approx((101.0 + 600.0) / 2)
    least = run(job(), job(95.0), job(101.0), vms=3)  # cycles at 0, 60, 95 and, not before 20 s later, 115 s
    assert least.mean_wait_s == pytest.approx((115.0 + 20.0 + 14.0) / 3)


def test_an_old_claim_takes_no_further_job_until_the_next_negotiation() -> None:
    claimed = run(job(), job(), pool=PoolModel(cycle_s=60.0, claim_s=1_200.0))
    aged = run(job(), job(), pool=PoolModel(cycle_s=70.0, claim_s=500.0))
    assert claimed.p95_wait_s == 120.0 + 600.0
    assert aged.p95_wait_s == 770.0  # cycles at 0, 70, 140, ...: from 140 s to 740 s, and the next


def test_a_run_ends_when_its_jobs_end_however_long_they_are() -> None:
    outcome = run(job(runtime_s=4 * DAY_S))
    assert (outcome.jobs_done, outcome.jobs_left) == (1, 0)


def test_the_wait_after_a_reclaim_counts() -> None:
    outcome = run(
        job(runtime_s=3_600.0), model=CloudModel(rules=CLOUD, boot_s=100.0, spread=0.0, reclaims_per_hour=2.0)
    )
    assert outcome.reclaimed_jobs > 0
    assert outcome.mean_wait_s >= 120.0 + outcome.reclaimed_jobs * 100.0


def test_nothing_is_decided_while_nothing_changes() -> None:
    keeper = Keeps(1)
    outcome = simulate([job(runtime_s=DAY_S), job(10 * DAY_S)], [MODEL], keeper)
    assert outcome.jobs_done == 2
    assert keeper.asked <= 20
    mine = simulate([job(runtime_s=DAY_S)], [MODEL], Ours(QueueRules(name="queue", cascade=(("c",),))))
    assert mine.vms_started == {"c": 1}
    assert mine.all_vm_hours < 24.1


def test_what_was_begun_of_a_billed_period_is_paid() -> None:
    assert run(job(), model=CloudModel(rules=CLOUD, boot_s=100.0, spread=0.0, billed_s=3_600.0)).all_vm_hours == 1.0


def test_no_vm_is_given_up_before_its_least_life() -> None:
    outcome = run(job(), model=CloudModel(rules=CLOUD, boot_s=100.0, spread=0.0, min_life_s=2_000.0))
    assert 2_000.0 <= outcome.all_vm_hours * 3_600.0 <= 2_020.0


class GivesUp(Keeps):
    """All VMs after 300 s, and sees how many drain."""

    most = 0

    def scale(self, world: SimulatedSite) -> Mapping[str, int]:
        self.most = max(self.most, sum(one.state is State.DRAINING for one in world.machines["c"].values()))
        return {"c": self.vms if world.env.now < 300.0 else 0}

    def restless(self, world: SimulatedSite) -> bool:
        return True


@pytest.mark.parametrize(("at_once", "share", "most"), [(None, None, 4), (1, None, 1), (None, 0.5, 2)])
def test_drains_keep_to_the_clouds_budget(at_once: int | None, share: float | None, most: int) -> None:
    scaler = GivesUp(4)
    model = CloudModel(rules=CLOUD, boot_s=100.0, spread=0.0, at_once=at_once, share=share)
    assert simulate([job(runtime_s=900.0) for _ in range(4)], [model], scaler).jobs_done == 4
    assert scaler.most == most


def test_where_waiting_is_worth_something_jobs_wait_less_for_little_more() -> None:
    """A guard, not the published figure: one small day."""
    cloud = cloud_rules(name="c", shape=Shape(cpus=8, memory_mib=16_000, disk_mib=80_000), max_vms=100)
    jobs, plain = generate("steady", 11, jobs=1_000), QueueRules(name="queue", cascade=(("c",),))
    ahead = replace(plain, ahead=AheadRules(worth=1.25))
    never, some = (simulate(jobs, [CloudModel(rules=cloud)], Ours(one, wakes=True)) for one in (plain, ahead))
    assert some.jobs_done == never.jobs_done == len(jobs)
    assert some.mean_wait_s <= 0.9 * never.mean_wait_s
    assert some.all_vm_hours <= 1.1 * never.all_vm_hours
