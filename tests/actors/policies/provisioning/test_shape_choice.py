"""Clouds of several shapes: which one is bought, that limits hold over all of them, that it settles, what it costs."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.fleet.want import CloudView, FleetView, Want
from actors.policies.limits import NO_LIMIT
from actors.policies.provisioning.decide import Decision
from actors.policies.rules import CloudRules
from tests.actors.policies.site import NOW, Site, cloud, demand, has, jobs, numbers, want

few = st.integers(0, 6)


def shape(name: str, cpus: int, usd_per_hour: float = 0.0, **rules: object) -> CloudRules:
    rules.setdefault("max_vms", 100)
    return cloud(f"spot-{name}", cpus=cpus, usd_per_hour=usd_per_hour, family="spot", **rules)  # type: ignore[arg-type]


SMALL, LARGE = shape("small", 2, 0.03), shape("large", 16, 0.20)


def bought(site: Site, *classes: object) -> dict[str, int]:
    return {name: n for name, n in numbers(site.decide(demand(*classes))).items() if n}  # type: ignore[arg-type]


def test_many_small_jobs_get_large_vms_and_the_last_ones_a_small_one() -> None:
    assert bought(Site(((SMALL, LARGE),)), jobs(98)) == {"spot-large": 6, "spot-small": 1}
    assert bought(Site(((SMALL, LARGE),)), jobs(2)) == {"spot-small": 1}


def test_what_a_shape_costs_for_each_job_decides_not_what_it_costs_for_a_core() -> None:
    bare = replace(LARGE, size=(16, 8_000, 160_000, 0))  # the jobs' memory fills it with half of its cores taken
    assert bought(Site(((SMALL, bare),)), jobs(40)) == {"spot-small": 20}


def test_of_equals_the_larger_is_taken() -> None:
    assert bought(Site(((SMALL, shape("large", 16, 0.24)),)), jobs(32)) == {"spot-large": 2}


def test_without_prices_cores_count() -> None:
    site = Site(((shape("small", 2), shape("large", 16)),))
    assert bought(site, jobs(34)) == {"spot-large": 2, "spot-small": 1}


def test_one_vm_that_takes_all_that_is_left_is_held_against_several_that_look_cheaper() -> None:
    site = Site(((shape("six", 6, 6.0), shape("eight", 8, 7.9)),))
    assert bought(site, jobs(7)) == {"spot-eight": 1}
    assert bought(Site(((shape("six", 6, 6.0), shape("one", 1, 1.2), shape("eight", 8, 7.9)),)), jobs(7)) == {
        "spot-six": 1,
        "spot-one": 1,
    }


def test_jobs_that_only_one_shape_can_run_get_that_shape() -> None:
    gpu = shape("gpu", 4, 1.0, gpus=1)
    assert bought(Site(((SMALL, gpu),)), jobs(2, gpus=1), jobs(2)) == {"spot-gpu": 2}
    assert bought(Site(((SMALL, LARGE),)), jobs(1, cpus=4), jobs(1)) == {"spot-large": 1}


def test_static_slots_take_one_job_each() -> None:
    site = Site(((shape("small", 2, 0.03, slots="static"), shape("large", 16, 0.20, slots="static")),))
    assert bought(site, jobs(18)) == {"spot-large": 1, "spot-small": 1}


def test_between_a_cloud_of_several_shapes_and_another_of_its_tier_weights_count() -> None:
    other = cloud("other", 100, cpus=16, weight=2.0)
    wants = bought(Site(((SMALL, LARGE, other),)), jobs(16 * 30))
    assert wants == {"other": 20, "spot-large": 10}


def test_a_full_shape_is_replaced_by_the_next_best_and_a_full_family_by_the_next_tier() -> None:
    dear = cloud("dear", 100, cpus=8, usd_per_hour=1.0)
    one_large = shape("large", 16, 0.20, max_vms=1)
    assert bought(Site(((SMALL, one_large), (dear,))), jobs(20)) == {"spot-large": 1, "spot-small": 2}
    both = [replace(one, family_max_vms=2) for one in (SMALL, one_large)]
    assert bought(Site((tuple(both), (dear,))), jobs(28)) == {"spot-large": 1, "spot-small": 1, "dear": 2}


def test_where_the_limit_of_all_shapes_would_leave_jobs_waiting_larger_ones_are_taken() -> None:
    cheap = [replace(one, family_max_vms=10) for one in (SMALL, shape("large", 16, 0.50))]
    assert bought(Site((tuple(cheap),)), jobs(20)) == {"spot-small": 10}
    assert bought(Site((tuple(cheap),)), jobs(60)) == {"spot-large": 3, "spot-small": 6}
    assert bought(Site((tuple(cheap),)), jobs(1_000)) == {"spot-large": 10}


def test_vms_of_other_queues_count_and_what_the_limit_is_stands_in_the_reasons() -> None:
    site = Site((tuple(replace(one, family_max_vms=10) for one in (SMALL, LARGE)),))
    site.views = {name: CloudView(cloud=name, at=NOW - 1, room=9, family_used=8) for name in site.clouds}
    decision = site.decide(demand(jobs(64)))
    assert numbers(decision) == {"spot-small": 0, "spot-large": 2}
    assert any("cloud spot has at most 10 VMs" in why for why in decision.why)


def test_a_lowered_limit_of_all_shapes_gives_up_the_dearest() -> None:
    site = Site((tuple(replace(one, family_max_vms=3) for one in (SMALL, LARGE)),))
    site.fleet = {"spot-small": has(SMALL, busy=3), "spot-large": has(LARGE, busy=2)}
    assert numbers(site.decide(demand(jobs(0, running=20)))) == {"spot-small": 3, "spot-large": 0}


def test_what_is_beyond_this_queues_share_of_all_shapes_is_given_back_the_dearest_first() -> None:
    site = Site((tuple(replace(one, family_max_vms=10) for one in (SMALL, LARGE)),), release_after_s=0.0)
    site.fleet = {
        "spot-small": has(SMALL, busy=3, family_share=4),
        "spot-large": has(LARGE, busy=3, family_share=4),
    }
    assert numbers(site.decide(demand(jobs(9, running=20)))) == {"spot-small": 3, "spot-large": 1}


def test_what_a_queue_asks_of_all_shapes_depends_on_nobody_else() -> None:
    """Or queues that look at each other's would never settle."""
    clouds = tuple(replace(one, family_max_vms=10, shared=True) for one in (SMALL, LARGE))
    asked = []
    for used, share in ((0, -1), (10, -1), (10, 1)):
        site = Site((clouds,))
        site.fleet = {one.name: has(one, family_share=share) for one in clouds}
        site.views = {
            one.name: CloudView(cloud=one.name, at=NOW - 1, room=10 - used, family_used=used) for one in clouds
        }
        wants = site.decide(demand(jobs(98))).wants
        asked.append({name: row.asks for name, row in wants.items()})
    assert asked == [{"spot-small": 1, "spot-large": 6}] * 3


# --- what holds whatever the shapes are


@st.composite
def shapes(draw: st.DrawFn, most: int = 4) -> tuple[CloudRules, ...]:
    limit = draw(st.sampled_from([NO_LIMIT, 3, 8]))
    return tuple(
        shape(
            str(n),
            draw(st.integers(1, 16)),
            draw(st.integers(0, 40)) / 10,
            max_vms=draw(st.sampled_from([2, 100])),
            family_max_vms=limit,
            slots=draw(st.sampled_from(["partitionable", "static"])),
        )
        for n in range(draw(st.integers(1, most)))
    )


@st.composite
def sites(draw: st.DrawFn) -> Site:
    """A family, and perhaps another cloud beside it and one after it; VMs in every state."""
    beside = draw(st.sampled_from([(), (cloud("other", 3, cpus=4),)]))
    after = draw(st.sampled_from([(), ((cloud("dear", 5, cpus=2, usd_per_hour=9.0),),)]))
    site = Site(((*draw(shapes()), *beside), *after), max_vms=draw(st.none() | few))
    for name, rules in site.clouds.items():
        view = has(rules, idle=draw(few), busy=draw(few), booting=draw(few))
        site.fleet[name] = view
    return site


def mixed() -> st.SearchStrategy[list[object]]:
    one = st.builds(lambda n, cpus, running: jobs(n, cpus=cpus, running=running), st.integers(0, 30), few, few)
    return st.lists(one, max_size=3)  # type: ignore[return-value]


@given(sites(), mixed())
@settings(max_examples=100, deadline=None)
def test_no_limit_is_passed_and_no_want_is_without_a_reason(site: Site, classes: list[object]) -> None:
    decision = site.decide(demand(*classes))  # type: ignore[arg-type]
    wants = numbers(decision)
    family = [rules for rules in site.clouds.values() if rules.family]
    assert sum(wants[rules.name] for rules in family) <= family[0].family_max_vms
    assert all(wants[name] <= rules.max_vms for name, rules in site.clouds.items())
    assert site.max_vms is None or sum(wants.values()) <= site.max_vms
    assert all(row.reasons for row in decision.wants.values())


@given(sites(), st.integers(0, 60), st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_one_job_more_never_leaves_another_without_its_place(site: Site, waiting: int, cpus: int) -> None:
    less, more = (site.decide(demand(jobs(waiting + n, cpus=cpus))) for n in (0, 1))
    assert less.waiting <= more.waiting <= less.waiting + 1


def price(rules: CloudRules, clouds: tuple[CloudRules, ...]) -> float:
    return rules.usd_per_hour if any(one.usd_per_hour for one in clouds) else rules.cores


@given(shapes(), st.integers(1, 200), st.integers(1, 3))
@settings(max_examples=300, deadline=None)
def test_it_is_never_dearer_than_the_best_single_shape_and_one_vm_of_it(
    clouds: tuple[CloudRules, ...], waiting: int, cpus: int
) -> None:
    clouds = tuple(replace(one, max_vms=1_000, family_max_vms=NO_LIMIT) for one in clouds)
    wants = bought(Site((clouds,)), jobs(waiting, cpus=cpus))
    paid = sum(price(one, clouds) * wants.get(one.name, 0) for one in clouds)
    for one in clouds:
        holds = one.cores if one.static and cpus == 1 else 0 if one.static else one.cores // cpus
        if holds:
            alone = price(one, clouds) * -(-waiting // holds)
            assert paid <= alone + price(one, clouds) + 1e-6


class Booting:
    """A cloud whose VMs are all still under way, and join after some rounds: the jobs wait all that time."""

    def __init__(self, clouds: tuple[CloudRules, ...], classes: list[object]) -> None:
        self.site, self.classes = Site((clouds,)), classes
        self.wants: dict[str, Want] = {}

    def round(self, now: float) -> Decision:
        have = {name: self.wants[name].n if name in self.wants else 0 for name in self.site.clouds}
        self.site.fleet = {name: FleetView(cloud=name, queue="atlas", at=now, booting=n) for name, n in have.items()}
        used = sum(have.values())
        self.site.views = {
            name: CloudView(cloud=name, at=now, room=rules.max_vms - have[name], family_used=used)
            for name, rules in self.site.clouds.items()
        }
        self.site.wants = self.wants
        decision = self.site.decide(demand(*self.classes, at=now), now)  # type: ignore[arg-type]
        self.wants = dict(decision.wants)
        return decision


@given(shapes(), mixed())
@settings(max_examples=100, deadline=None)
def test_what_was_bought_for_a_steady_demand_stays_what_is_wanted(
    clouds: tuple[CloudRules, ...], classes: list[object]
) -> None:
    world = Booting(clouds, classes)
    rows = [numbers(world.round(NOW + 30.0 * step)) for step in range(6)]
    assert all(row == rows[0] for row in rows)


@given(shapes(), st.integers(0, 60), st.lists(st.booleans(), min_size=6, max_size=6))
@settings(max_examples=100, deadline=None)
def test_and_while_they_join_one_after_the_other(
    clouds: tuple[CloudRules, ...], waiting: int, joins: list[bool]
) -> None:
    """Idle VMs beside booting ones, in any order: alike jobs have a place whichever VM comes first."""
    site = Site((clouds,))
    first = numbers(site.decide(demand(jobs(waiting))))
    for n, name in enumerate(first):
        idle = first[name] if joins[n] else 0
        site.fleet[name] = has(site.clouds[name], idle=idle, booting=first[name] - idle, at=NOW)
    used = sum(first.values())
    site.views = {name: CloudView(cloud=name, at=NOW, room=100, family_used=used) for name in first}
    site.wants = {name: want(name, n) for name, n in first.items()}
    assert numbers(site.decide(demand(jobs(waiting)), NOW + 60)) == first
