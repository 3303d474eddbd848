"""What holds for every decision, whatever the clouds, the jobs and what is known of them."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.fleet.observations import Failed, JobClass, JobsSeen, ScheddSeen
from actors.fleet.want import CloudView, FleetView, Want
from actors.policies.provisioning.decide import Decision, decide
from actors.policies.rules import CloudRules, QueueRules
from tests.actors.policies.site import NOW, Site, cloud, demand, has, jobs, numbers, want

few = st.integers(0, 6)


@st.composite
def sites(draw: st.DrawFn, alike: bool = False) -> Site:
    """One to four clouds in tiers, with VMs in every state; some not known, closed or frozen unless `alike`."""
    tiers = draw(st.lists(st.integers(1, 2), min_size=1, max_size=3))
    count = iter(range(9))
    cpus = st.just(4) if alike else st.sampled_from([1, 2, 4, 8])
    made = tuple(
        tuple(
            cloud(
                f"c{next(count)}",
                draw(few),
                cpus=draw(cpus),
                gpus=0 if alike else draw(st.integers(0, 1)),
                usd_per_hour=float(tier),
                weight=draw(st.sampled_from([1.0, 3.0])),
                slots="partitionable" if alike else draw(st.sampled_from(["partitionable", "static"])),
            )
            for _ in range(size)
        )
        for tier, size in enumerate(tiers)
    )
    site = Site(made, max_vms=draw(st.none() | few), release_after_s=draw(st.sampled_from([0.0, 60.0])))
    for name, rules in site.clouds.items():
        fleet = draw(fleets(rules))
        site.fleet[name] = fleet if alike else draw(st.none() | st.just(fleet) | st.just(fleet))
        view = CloudView(cloud=name, at=NOW - 1, room=draw(few))
        if not alike:
            closed, frozen = draw(st.sampled_from([("", ""), ("", ""), ("full", ""), ("", "away")]))
            view = replace(view, closed=closed, frozen=frozen)
        site.views[name] = view
        changed = 0.0 if alike else draw(st.sampled_from([0.0, NOW - 5, NOW]))
        site.wants[name] = want(name, draw(few), changed=changed, surplus=draw(st.sampled_from([(), ((NOW - 90, 1),)])))
    return site


@st.composite
def fleets(draw: st.DrawFn, rules: CloudRules) -> FleetView:
    view = has(rules, idle=draw(few), busy=draw(few), launching=draw(few), booting=draw(few))
    return replace(view, held=draw(st.integers(0, view.supply)), at=NOW - draw(st.integers(0, 9)))


@st.composite
def demands(draw: st.DrawFn, most_classes: int = 3) -> JobsSeen:
    classes = [
        jobs(draw(few), running=draw(few), cpus=draw(st.integers(1, 9)), gpus=draw(st.sampled_from([0, 0, 1, 2])))
        for _ in range(draw(st.integers(0, most_classes)))
    ]
    return demand(*classes, at=NOW - draw(st.integers(0, 9)), missing=draw(st.sampled_from(["", "", "away"])))


@given(sites(), demands())
@settings(max_examples=100, deadline=None)
def test_no_want_passes_a_limit_unless_it_was_kept_as_it_was(site: Site, seen: JobsSeen) -> None:
    wants = site.decide(seen).wants
    for name, rules in site.clouds.items():
        assert 0 <= wants[name].n <= max(rules.max_vms, site.wants[name].n)
        fleet, view = site.fleet[name], site.views[name]
        if fleet and view and not view.frozen and seen.complete:
            assert wants[name].n <= rules.max_vms
            assert wants[name].n <= max(fleet.supply + view.room, site.wants[name].n)
    if site.max_vms is not None and seen.complete:
        kept = sum(_floor(site, name) for name in site.clouds if _kept(site, name))
        assert sum(wants[name].n for name in site.clouds) <= max(site.max_vms, kept)


def _floor(site: Site, name: str) -> int:
    fleet = site.fleet[name]
    return max(site.wants[name].n, fleet.supply if fleet else 0)


def _kept(site: Site, name: str) -> bool:
    view = site.views[name]
    return site.fleet[name] is None or view is None or bool(view.frozen)


@given(sites(), demands() | st.none() | st.just(Failed(source="pool", at=NOW, reason="away")))
@settings(max_examples=100, deadline=None)
def test_every_want_has_a_reason_and_every_changed_one_the_decisions_id(site: Site, seen: JobsSeen | None) -> None:
    decision = site.decide(seen)
    assert decision.why
    for name, row in decision.wants.items():
        assert row.reasons
        if row.n != site.wants[name].n:
            assert name in decision.changed
            assert (row.decision, row.changed) == ("decision-1", NOW)


@given(sites(), demands())
@settings(max_examples=100, deadline=None)
def test_a_failed_or_partial_reading_never_lowers_what_is_within_limits(site: Site, seen: JobsSeen) -> None:
    """But for a frozen cloud, whose want falls to what is there: what ended meanwhile is not bought for nobody."""
    partial = replace(seen, schedds=(*seen.schedds, ScheddSeen(name="c", error="no answer")))
    for part in (partial, None, Failed(source="pool", at=NOW, reason="away")):
        wants = site.decide(part).wants
        within = site.max_vms is None or sum(row.n for row in site.wants.values()) <= site.max_vms
        for name, rules in site.clouds.items():
            if within and site.wants[name].n <= rules.max_vms:
                assert wants[name].n >= min(site.wants[name].n, there(site, name))


def there(site: Site, cloud: str) -> float:
    """What a frozen cloud has; of another nothing is asked."""
    view, fleet = site.views.get(cloud), site.fleet.get(cloud)
    return fleet.supply if view and view.frozen and fleet else math.inf


@given(sites(), demands())
@settings(max_examples=100, deadline=None)
def test_what_is_not_known_keeps_its_want_and_what_is_frozen_does_not_fall(site: Site, seen: JobsSeen) -> None:
    wants = site.decide(seen).wants
    for name in site.clouds:
        if _kept(site, name):
            fleet, before = site.fleet[name], site.wants[name].n
            if fleet and site.views[name]:
                assert wants[name].n >= min(before, fleet.supply)
            else:
                assert wants[name].n == before


@given(sites(), demands())
@settings(max_examples=100, deadline=None)
def test_nothing_is_released_on_a_cheap_tier_while_a_dearer_one_could_go_instead(site: Site, seen: JobsSeen) -> None:
    """Could go: known, not frozen, not held, suits no class that the cheap one does not, and not wanted by any job."""
    site.release_after_s = 0.0
    site.wants = {name: want(name, view.supply if view else 0) for name, view in site.fleet.items()}
    site.views = {name: replace(view, room=0) for name, view in site.views.items() if view}
    site.max_vms = None
    site.tiers = tuple(tuple(replace(rules, max_vms=99) for rules in tier) for tier in site.tiers)
    seen = demand(*(replace(job, idle=0) for job in seen.classes), at=NOW)
    wants = site.decide(seen).wants
    order = [(name, tier) for tier, clouds in enumerate(site.tiers) for name in (c.name for c in clouds)]
    for cheap, low in order:
        for dear, high in order:
            if low < high and wants[cheap].n < site.wants[cheap].n and not _kept(site, dear):
                fleet = site.fleet[dear]
                assert fleet is not None
                replaceable = _suits(site, dear, seen) <= _suits(site, cheap, seen)
                assert wants[dear].n <= fleet.held + fleet.suspect or not replaceable


def _suits(site: Site, name: str, seen: JobsSeen) -> set[JobClass]:
    size = site.clouds[name].size
    asks = {job: (max(1, r.cpus), r.memory_mib, r.disk_mib, r.gpus) for job in seen.classes if (r := job.request)}
    return {job for job, ask in asks.items() if job.running and all(a <= s for a, s in zip(ask, size, strict=True))}


@given(sites(alike=True), few, few, st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_more_jobs_never_want_fewer_vms(site: Site, idle: int, running: int, cpus: int) -> None:
    less = site.decide(demand(jobs(idle, running=running, cpus=cpus)))
    more = site.decide(demand(jobs(idle + 1, running=running, cpus=cpus)))
    assert sum(numbers(more).values()) >= sum(numbers(less).values())


@given(sites(), demands(most_classes=1), few)
@settings(max_examples=100, deadline=None)
def test_more_jobs_never_leave_fewer_without_a_place_nor_more_than_were_added(
    site: Site, seen: JobsSeen, more: int
) -> None:
    grown = replace(seen, classes=tuple(replace(job, idle=job.idle + more) for job in seen.classes))
    waiting = site.decide(seen).waiting
    assert waiting <= site.decide(grown).waiting <= waiting + more


@given(sites(), demands())
@settings(max_examples=100, deadline=None)
def test_the_same_inputs_give_the_same_decision(site: Site, seen: JobsSeen) -> None:
    assert site.decide(seen) == site.decide(seen)


class World:
    """Clouds that do at once what is wanted, and jobs that never end: what a steady demand settles to."""

    def __init__(self, tiers: tuple[tuple[CloudRules, ...], ...], waiting: int) -> None:
        self.site = Site(tiers, release_after_s=30.0)
        self.waiting, self.total = waiting, waiting
        self.vms = {name: [0, 0] for name in self.site.clouds}  # idle, busy
        self.wants: dict[str, Want] = {}

    def round(self, now: float) -> Decision:
        fleet: dict[str, FleetView | None] = {}
        views: dict[str, CloudView | None] = {}
        for name, (idle, busy) in self.vms.items():
            rules = self.site.clouds[name]
            fleet[name] = has(rules, idle=idle, busy=busy, at=now)
            views[name] = CloudView(cloud=name, at=now, room=max(0, rules.max_vms - idle - busy))
        seen = demand(jobs(self.waiting, running=self.total - self.waiting), at=now)
        queue: QueueRules = self.site.queue
        decision = decide(queue, seen, fleet, self.site.clouds, views, self.wants, now, f"d{now}")
        self.wants = dict(decision.wants)
        return decision

    def act(self) -> None:
        for name, row in self.wants.items():
            busy = self.vms[name][1]
            self.vms[name] = [max(0, row.n - busy), min(busy, row.n)]
        for vm in self.vms.values():
            started = min(vm[0], self.waiting)
            vm[0], vm[1], self.waiting = vm[0] - started, vm[1] + started, self.waiting - started


@given(st.lists(st.integers(0, 6), min_size=1, max_size=4), st.integers(0, 20))
@settings(max_examples=100, deadline=None)
def test_a_steady_demand_settles_and_stays(limits: list[int], waiting: int) -> None:
    tiers = tuple((cloud(f"c{i}", limit, usd_per_hour=float(i)),) for i, limit in enumerate(limits))
    world = World(tiers, waiting)
    rows = []
    for step in range(8):
        rows.append(numbers(world.round(NOW + 20.0 * step)))
        world.act()
    assert rows[0] == rows[-1]
    assert all(row == rows[0] for row in rows)
    assert sum(rows[-1].values()) == min(waiting, sum(limits))
