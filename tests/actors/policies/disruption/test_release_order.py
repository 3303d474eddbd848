"""Which VMs of one cloud go first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.policies.disruption.release_order import Candidate, choose, paid_left_s

UNDER_WAY = Candidate(id="under-way", born=50.0, joined=False)
IDLE = Candidate(id="idle", born=10.0, joined=True, idle_since=80.0)
LONG_IDLE = Candidate(id="long-idle", born=20.0, joined=True, idle_since=30.0)
NOT_SEEN = Candidate(id="not-seen", born=1.0, joined=True, seen=False)
BUSY = Candidate(id="busy", born=5.0, joined=True, jobs=1)
VERY_BUSY = Candidate(id="very-busy", born=1.0, joined=True, jobs=7)
HELD = Candidate(id="held", born=0.0, joined=True, idle_since=1.0, held=True)


def test_under_way_before_idle_before_not_seen_before_busy_and_never_held() -> None:
    everyone = [HELD, VERY_BUSY, BUSY, NOT_SEEN, IDLE, LONG_IDLE, UNDER_WAY]
    assert choose(9, everyone) == ("under-way", "long-idle", "idle", "not-seen", "busy", "very-busy")
    assert choose(2, everyone) == ("under-way", "long-idle")
    assert choose(0, everyone) == choose(-3, everyone) == ()


def test_the_youngest_under_way_goes_first_since_the_older_joins_sooner() -> None:
    old = Candidate(id="old", born=1.0, joined=False)
    assert choose(1, [old, UNDER_WAY]) == ("under-way",)


def test_of_idle_ones_that_nearest_to_the_end_of_what_is_paid_goes_first() -> None:
    fresh = Candidate(id="fresh", born=10.0, joined=True, idle_since=20.0, paid_left_s=3_000.0)
    nearly = Candidate(id="nearly", born=10.0, joined=True, idle_since=90.0, paid_left_s=60.0)
    assert choose(2, [fresh, nearly]) == ("nearly", "fresh")


def test_none_goes_before_it_had_its_least_useful_life() -> None:
    young = Candidate(id="young", born=99.0, joined=True, idle_since=99.0, young=True)
    assert choose(2, [young, IDLE]) == ("idle",)


@pytest.mark.parametrize(("age_s", "left_s"), [(0.0, 3_600.0), (600.0, 3_000.0), (3_600.0, 3_600.0), (7_000.0, 200.0)])
def test_what_is_paid_ends_with_each_period(age_s: float, left_s: float) -> None:
    assert paid_left_s(100.0, 100.0 + age_s, 3_600.0) == left_s
    assert paid_left_s(100.0, 100.0 + age_s, 0.0) == 0.0


@given(st.permutations([UNDER_WAY, IDLE, LONG_IDLE, NOT_SEEN, BUSY, VERY_BUSY, HELD]), st.integers(0, 8))
def test_the_order_in_which_they_come_does_not_matter(candidates: list[Candidate], surplus: int) -> None:
    assert (
        choose(surplus, candidates)
        == choose(9, [BUSY, HELD, IDLE, LONG_IDLE, NOT_SEEN, UNDER_WAY, VERY_BUSY])[:surplus]
    )
