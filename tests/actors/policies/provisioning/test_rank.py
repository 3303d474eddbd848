"""A job's Rank chooses between the clouds of one tier; never a dearer tier, and never a cloud without room."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.policies.provisioning.matchmaking import preferring
from tests.actors.policies.site import Site, cloud, demand, jobs, numbers

PLAIN = cloud("plain", 10)
FAST = cloud("fast", 4, attributes=(("KFlops", "2000"), ("HasSsd", "true")))
DEAR = cloud("dear", 10, usd_per_hour=1.0, attributes=(("KFlops", "9000"),))


def wanted(idle: int, rank: str, **more: object) -> dict[str, int]:
    return numbers(Site(((PLAIN, FAST), (DEAR,))).decide(demand(jobs(idle, rank=rank, **more))))


def test_without_a_rank_the_clouds_of_a_tier_share_by_weight() -> None:
    assert wanted(4, "0.0") == {"plain": 2, "fast": 2, "dear": 0}


def test_vms_are_bought_first_where_the_rank_is_highest_in_the_tier() -> None:
    assert wanted(4, "TARGET.KFlops") == {"plain": 0, "fast": 4, "dear": 0}
    assert wanted(4, "TARGET.HasSsd =!= true") == {"plain": 4, "fast": 0, "dear": 0}
    assert wanted(4, "-MY.Slow * TARGET.KFlops", attributes=(("Slow", "1"),)) == {"plain": 4, "fast": 0, "dear": 0}


def test_what_finds_no_room_there_goes_to_the_others_of_the_tier_before_the_next_tier() -> None:
    assert wanted(9, "TARGET.KFlops") == {"plain": 5, "fast": 4, "dear": 0}
    assert wanted(16, "TARGET.KFlops") == {"plain": 10, "fast": 4, "dear": 2}


def test_a_rank_is_no_requirement() -> None:
    assert wanted(4, "TARGET.Nothing") == {"plain": 2, "fast": 2, "dear": 0}
    assert wanted(4, "strcat(TARGET.KFlops)") == wanted(4, "(((") == {"plain": 2, "fast": 2, "dear": 0}


def test_each_class_goes_by_its_own_rank() -> None:
    decision = Site(((PLAIN, FAST),)).decide(
        demand(jobs(3, rank="TARGET.KFlops"), jobs(5, rank="TARGET.HasSsd =!= true", attributes=(("a", "1"),)))
    )
    assert numbers(decision) == {"plain": 5, "fast": 3}


few = st.integers(0, 8)
ranks = st.sampled_from(["0", "TARGET.KFlops", "-TARGET.KFlops", "TARGET.HasSsd", "Memory", "TARGET.Memory"])


@given(few, few, few, ranks, st.integers(0, 30))
@settings(max_examples=100, deadline=None)
def test_a_rank_changes_where_in_a_tier_and_never_how_many_in_it(a: int, b: int, c: int, rank: str, idle: int) -> None:
    tiers = ((cloud("a", a), cloud("b", b, attributes=(("KFlops", "7"), ("HasSsd", "true")))), (cloud("c", c),))
    plain, ranked = (numbers(Site(tiers).decide(demand(jobs(idle, rank=one)))) for one in ("0", rank))
    assert ranked["a"] + ranked["b"] == plain["a"] + plain["b"]
    assert ranked["c"] == plain["c"]


def test_a_rank_that_looks_at_the_job_only_prefers_nothing() -> None:
    job = jobs(1, rank="RequestMemory * 2")
    assert preferring(job.request, "true", (), job.rank, (PLAIN.slot, FAST.slot), (0, 0), 3) == 3
