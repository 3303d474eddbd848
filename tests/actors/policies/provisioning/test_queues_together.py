"""Several queues on the same clouds: who gets what, that it settles, and that it stays."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.policies.limits import Limit
from tests.actors.policies.provisioning.crowd import Crowd, Member
from tests.actors.policies.site import cloud

FREE, DEAR = cloud("free", 12), cloud("dear", 50, usd_per_hour=1.0)
BOTH = (("free",), ("dear",))


def test_two_queues_that_want_too_much_of_a_cloud_get_their_shares_and_the_rest_elsewhere() -> None:
    crowd = Crowd((FREE, DEAR), {"a": Member(cascade=BOTH, total=20, share=3.0), "b": Member(cascade=BOTH, total=20)})
    crowd.settle()
    assert crowd.have() == {"a": {"free": 9, "dear": 11}, "b": {"free": 3, "dear": 17}}


def test_what_a_queue_does_not_want_goes_to_the_other() -> None:
    crowd = Crowd((FREE, DEAR), {"a": Member(cascade=BOTH, total=2, share=3.0), "b": Member(cascade=BOTH, total=20)})
    crowd.settle()
    assert crowd.have() == {"a": {"free": 2}, "b": {"free": 10, "dear": 10}}


def test_a_higher_priority_that_comes_later_gets_the_cloud_and_the_lower_one_gives_it_back() -> None:
    crowd = Crowd((FREE,), {"low": Member(cascade=(("free",),), total=30)})
    crowd.settle()
    assert crowd.have() == {"low": {"free": 12}}
    crowd.members["high"] = Member(cascade=(("free",),), total=8, priority=1, vms={"free": [0, 0]})
    crowd.round()
    assert crowd.have()["low"] == {"free": 12}, "not before the surplus has lasted"
    why = " ".join(crowd.decided("low").why)
    assert "8 beyond its share of 4" in why
    crowd.settle()
    assert crowd.have() == {"low": {"free": 4}, "high": {"free": 8}}


def test_when_the_higher_priority_is_done_the_lower_one_has_the_cloud_again() -> None:
    members = {"low": Member(cascade=(("free",),), total=30), "high": Member(cascade=(("free",),), total=8, priority=1)}
    crowd = Crowd((FREE,), members)
    crowd.settle()
    crowd.members["high"].total = 0
    crowd.members["high"].vms = {"free": [8, 0]}
    crowd.settle()
    assert crowd.have() == {"low": {"free": 12}, "high": {}}


def test_a_queue_whose_demand_is_not_known_keeps_what_it_has_and_asks_for_no_more() -> None:
    crowd = Crowd((FREE,), {"a": Member(cascade=(("free",),), total=30), "b": Member(cascade=(("free",),), total=30)})
    crowd.settle()
    before = crowd.have()
    for _ in range(9):
        crowd.round(order=["b"])  # nobody decides for a
    assert crowd.have() == before == {"a": {"free": 6}, "b": {"free": 6}}


def test_the_factorys_money_is_shared_and_a_queue_gives_back_the_dearest() -> None:
    crowd = Crowd((FREE, DEAR), {"a": Member(cascade=BOTH, total=40)}, factory=Limit(usd_per_hour=10.0))
    crowd.settle()
    assert crowd.have() == {"a": {"free": 12, "dear": 10}}
    crowd.members["b"] = Member(cascade=(("dear",),), total=40, vms={"free": [0, 0], "dear": [0, 0]})
    crowd.settle()
    assert crowd.have() == {"a": {"free": 12, "dear": 5}, "b": {"dear": 5}}


clouds = st.lists(st.integers(0, 9), min_size=1, max_size=2)
members = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 1), st.sampled_from([1.0, 2.0, 1 / 3]), st.integers(0, 3)),
    min_size=1,
    max_size=3,
)
limits = st.builds(Limit, vms=st.none() | st.integers(0, 20), usd_per_hour=st.none() | st.floats(0, 12))


def made(sizes: list[int], rows: list[tuple[int, int, float, int]], factory: Limit, *, one_tier: bool = False) -> Crowd:
    """Clouds from cheap to dear; each queue's cascade is all of them from one on, or that one only."""
    known = [cloud(f"c{i}", most, usd_per_hour=float(i)) for i, most in enumerate(sizes)]
    names = [one.name for one in known]
    queues = {}
    for i, (total, priority, share, skip) in enumerate(rows):
        first = min(skip, len(names) - 1)
        cascade = tuple((name,) for name in names[first : first + 1 if one_tier else None])
        queues[f"q{i}"] = Member(cascade=cascade, total=total, priority=priority, share=share)
    return Crowd(known, queues, factory)


@given(clouds, members, limits, st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_a_steady_demand_settles_within_the_limits_and_stays(
    sizes: list[int], rows: list[tuple[int, int, float, int]], factory: Limit, chance: random.Random
) -> None:
    crowd = made(sizes, rows, factory)
    order = chance.sample(list(crowd.members), len(crowd.members))
    for _ in range(20):
        crowd.round(order)
        assert all(crowd.used(name) <= rules.max_vms for name, rules in crowd.clouds.items())
    settled = crowd.have()
    for _ in range(4):
        crowd.round(chance.sample(order, len(order)))
        assert crowd.have() == settled


@given(clouds, members, st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_what_settles_does_not_depend_on_who_came_first(
    sizes: list[int], rows: list[tuple[int, int, float, int]], chance: random.Random
) -> None:
    """On one cloud: with several, who came late stays on the dearer one until its jobs there end."""
    one, other = (made(sizes, rows, Limit(), one_tier=True) for _ in range(2))
    one.settle(8)
    late = chance.choice(list(other.members))
    total, other.members[late].total = other.members[late].total, 0
    other.settle(5)
    other.members[late].total = total
    other.settle(8, chance.sample(list(other.members), len(other.members)))
    assert other.have() == one.have()


@given(clouds, members)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_no_job_waits_while_a_cloud_of_its_queue_has_room(
    sizes: list[int], rows: list[tuple[int, int, float, int]]
) -> None:
    crowd = made(sizes, rows, Limit())
    crowd.settle(10)
    for member in crowd.members.values():
        if member.running < member.total:
            assert all(crowd.used(name) == crowd.clouds[name].max_vms for tier in member.cascade for name in tier)
