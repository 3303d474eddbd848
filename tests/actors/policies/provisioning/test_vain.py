"""VMs that join and get none of the jobs that they were bought for: the buying stops, is said, and is tried again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.fleet.observations import Answer, JobClass, JobsSeen
from actors.fleet.want import CloudView, FleetView
from actors.policies.provisioning.capacity import standings
from actors.policies.provisioning.decide import Decision, decide
from actors.policies.provisioning.matchmaking import load
from actors.policies.provisioning.vain import MOST, Doubt, heed
from actors.policies.rules import CloudRules, QueueRules
from tests.actors.policies.site import NOW, cloud, demand, has, jobs, numbers

AFTER_S, TICK_S, BOOT_S = 100.0, 10.0, 30.0
Matches = Callable[[JobClass, str], bool]


@dataclass
class Vm:
    cloud: str
    joins: float
    idle_since: float
    job: JobClass | None = None


@dataclass
class Pool:
    """Queue and clouds over time. `matches`: which classes the negotiator gives to VMs of a cloud; one job a VM."""

    clouds: tuple[CloudRules, ...]
    matches: Matches
    idle: dict[JobClass, int]
    now: float = NOW
    vms: list[Vm] = field(default_factory=list)
    bought: list[tuple[float, str]] = field(default_factory=list)
    decision: Decision | None = None
    negotiates: bool = True

    def tick(self) -> Decision:
        self.now += TICK_S
        if self.negotiates:
            self._negotiate()
        made = self.decision = self._decide()
        for name, n in numbers(made).items():
            have = [vm for vm in self.vms if vm.cloud == name]
            for _ in range(n - len(have)):
                self.bought.append((self.now, name))
                joins = self.now + BOOT_S
                self.vms.append(Vm(cloud=name, joins=joins, idle_since=joins))
            idle = [vm for vm in have if not vm.job]
            for vm in idle[: max(0, len(have) - n)]:
                self.vms.remove(vm)
        return made

    def run(self, ticks: int) -> Decision:
        for _ in range(ticks):
            self.tick()
        assert self.decision
        return self.decision

    def _negotiate(self) -> None:
        for vm in (vm for vm in self.vms if vm.joins <= self.now and not vm.job):
            for job in [job for job, n in self.idle.items() if n and self.matches(job, vm.cloud)][:1]:
                vm.job = job
                self.idle[job] -= 1

    def seen(self) -> JobsSeen:
        running = [vm.job for vm in self.vms if vm.job]
        return demand(*(replace(job, idle=n, running=running.count(job)) for job, n in self.idle.items()), at=self.now)

    def view(self, rules: CloudRules) -> FleetView:
        here = [vm for vm in self.vms if vm.cloud == rules.name]
        joined = [vm for vm in here if vm.joins <= self.now]
        idle = tuple(sorted(vm.idle_since for vm in joined if not vm.job))
        busy = len(joined) - len(idle)
        booting = len(here) - len(joined)
        return has(rules, idle=len(idle), busy=busy, booting=booting, at=self.now, unclaimed_since=idle, claims=busy)

    def _decide(self) -> Decision:

        before = self.decision
        rules = {one.name: one for one in self.clouds}
        queue = QueueRules(
            name="atlas", cascade=tuple((one.name,) for one in self.clouds), release_after_s=0.0, vain_after_s=AFTER_S
        )
        fleet = {one.name: self.view(one) for one in self.clouds}
        views = {
            name: CloudView(cloud=name, at=self.now, room=max(0, rules[name].max_vms - view.supply))
            for name, view in fleet.items()
        }
        return decide(
            queue,
            self.seen(),
            fleet,
            rules,
            views,
            before.wants if before else {},
            self.now,
            "d",
            doubts=before.doubts if before else (),
            watched=before.watched if before else {},
        )

    def buys(self, name: str = "c0") -> int:
        return sum(one == name for _, one in self.bought)


def nothing(_job: JobClass, _cloud: str) -> bool:
    return False


def everything(_job: JobClass, _cloud: str) -> bool:
    return True


GOOD, BAD = jobs(), jobs(requirements="TARGET.Odd isnt 1")


def only_good(job: JobClass, _cloud: str) -> bool:
    return job.requirements == GOOD.requirements


def test_the_buying_stops_is_said_and_what_stands_idle_is_released() -> None:
    pool = Pool((cloud("c0"),), nothing, {BAD: 3})
    pool.run(5)
    assert (pool.buys(), len(pool.vms)) == (3, 3)
    made = pool.run(12)
    assert (pool.buys(), len(pool.vms), made.waiting) == (3, 0, 0)
    (unmet,) = made.unmet
    assert unmet.jobs == 3
    assert unmet.why.startswith("bought 3 of c0 for these 3 jobs; they joined and got none of them: the pool does not")
    assert "TARGET.Odd isnt 1" in unmet.why
    assert unmet.why in made.why


def test_one_vm_is_tried_again_each_time_after_twice_as_long() -> None:
    pool = Pool((cloud("c0"),), nothing, {BAD: 3})
    pool.run(3_000)
    times = sorted({at for at, _ in pool.bought})
    gaps = [after - before for before, after in pairwise(times)]
    assert [sum(at == one for at, _ in pool.bought) for one in times] == [3] + [1] * (len(times) - 1)
    assert all(after > before for before, after in pairwise(gaps[:6]))
    assert max(gaps) <= MOST * AFTER_S + BOOT_S + AFTER_S + 3 * TICK_S


def test_jobs_go_to_their_next_cloud_meanwhile() -> None:
    pool = Pool((cloud("c0"), cloud("c1", usd_per_hour=1.0)), lambda _, name: name == "c1", {BAD: 3})
    made = pool.run(30)
    assert (pool.buys("c0"), pool.buys("c1")) == (3, 3)
    assert sum(vm.job is not None for vm in pool.vms) == 3
    assert made.unmet == ()


def test_other_classes_go_on_being_bought_for() -> None:
    pool = Pool((cloud("c0", max_vms=20),), only_good, {GOOD: 0, BAD: 3})
    pool.run(30)
    pool.idle[GOOD] = 5
    pool.run(8)
    assert sum(vm.job is not None for vm in pool.vms) == 5


def test_as_the_pool_matches_them_after_all_the_next_try_ends_the_doubt() -> None:
    pool = Pool((cloud("c0"),), nothing, {BAD: 3})
    pool.run(17)
    pool.matches = everything
    made = pool.run(60)
    assert (pool.idle[BAD], made.doubts) == (0, ())


def test_a_changed_class_is_bought_for_at_once() -> None:
    pool = Pool((cloud("c0"),), nothing, {BAD: 3})
    pool.run(17)
    pool.idle = {replace(BAD, requirements="true"): 3}
    pool.tick()
    assert pool.buys() == 6


def test_jobs_that_ask_otherwise_and_are_answered_alike_are_tried_with_one_vm_at_once() -> None:
    answer = Answer(cloud="c0", suits=True, best=True, cpus=1, memory_mib=1_000, disk_mib=1_000, gpus=0)
    pool = Pool((cloud("c0"),), nothing, {replace(BAD, answers=(answer,)): 3})
    pool.run(17)
    pool.idle = {replace(BAD, answers=(answer,), requirements="TARGET.Odd isnt 2"): 3}
    pool.tick()
    assert pool.buys() == 4
    pool.run(30)
    assert pool.buys() == 4, "once"


def test_other_workers_are_tried_at_once() -> None:
    pool = Pool((cloud("c0"),), nothing, {BAD: 3})
    pool.run(17)
    pool.clouds = (replace(cloud("c0"), made_as="another image"),)
    pool.tick()
    assert pool.buys() == 6


def test_twice_as_many_jobs_are_a_reason_to_try_one() -> None:
    pool = Pool((cloud("c0"),), nothing, {BAD: 3})
    pool.run(17)
    pool.idle[BAD] = 7
    pool.tick()
    assert pool.buys() == 4


def test_one_worker_that_nobody_can_use_is_no_evidence_where_the_class_runs_on_others() -> None:
    pool = Pool((cloud("c0", max_vms=4),), everything, {GOOD: 3})
    pool.run(6)
    pool.vms.append(Vm(cloud="c0", joins=pool.now, idle_since=pool.now))
    pool.negotiates = False
    pool.idle[GOOD] = 2
    assert pool.run(40).doubts == ()


@settings(max_examples=40, deadline=None)
@given(
    waiting=st.lists(st.integers(0, 6), min_size=1, max_size=12),
    cpus=st.sampled_from([1, 2]),
)
def test_a_pool_that_matches_is_never_doubted(waiting: list[int], cpus: int) -> None:
    pool = Pool((cloud("c0", cpus=cpus), cloud("c1", usd_per_hour=1.0)), everything, {GOOD: 0})
    for arriving in waiting:
        pool.idle[GOOD] += arriving
        assert pool.tick().doubts == ()
    assert pool.run(20).doubts == ()


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 8), hours=st.integers(1, 20))
def test_what_is_bought_in_vain_grows_with_the_logarithm_of_time_until_the_longest_pause(n: int, hours: int) -> None:
    pool = Pool((cloud("c0", max_vms=8),), nothing, {BAD: n})
    pool.run(hours * 36)
    assert pool.buys() <= n + 7 + hours * 3_600 / (MOST * AFTER_S)


counts = st.integers(0, 3)


@given(
    left=st.tuples(counts, counts),
    idle=counts,
    doubted=st.booleans(),
    later_s=st.sampled_from([0.0, 50.0, 500.0]),
    complete=st.booleans(),
)
def test_a_doubt_only_takes_places_away_and_only_its_own(
    left: tuple[int, int], idle: int, doubted: bool, later_s: float, complete: bool
) -> None:
    rules = cloud("c0")
    queue = QueueRules(name="atlas", cascade=(("c0",),), vain_after_s=AFTER_S)
    seen = demand(replace(GOOD, idle=left[0]), replace(BAD, idle=left[1]), missing="" if complete else "away")
    fleet = has(rules, idle=idle, unclaimed_since=(NOW - 2 * AFTER_S,) * idle)

    standing = standings(queue, {"c0": rules}, {"c0": fleet}, {"c0": CloudView(cloud="c0", at=NOW, room=9)}, {}, NOW)
    fitting = load(queue, seen, [rules])
    first = heed(seen, fitting, standing, (), {}, NOW - 1.5 * AFTER_S, AFTER_S)
    before: tuple[Doubt, ...] = ()
    if doubted:
        before = heed(seen, fitting, standing, (), first.watched, NOW, AFTER_S).doubts
    after = heed(seen, fitting, standing, before, first.watched, NOW + later_s, AFTER_S)
    assert all(after.load.suits[name] & ~bits == 0 for name, bits in fitting.suits.items())
    assert all(now in (was, 0) for was, now in zip(fitting.left, after.load.left, strict=True))
    gone = sum(was for was, now in zip(fitting.left, after.load.left, strict=True) if now != was)
    assert gone == sum(unmet.jobs for unmet in after.load.unmet) - sum(unmet.jobs for unmet in fitting.unmet)
    if not idle and not before:
        assert after.load == fitting
    if not complete and not before:
        assert after.doubts == ()
