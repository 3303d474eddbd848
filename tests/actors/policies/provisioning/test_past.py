"""What demand was seen to do: how it grew within a time, and how soon a level was needed again."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from actors.policies.provisioning.past import KEPT, KEPT_S, NO_PAST, SLOT_S, Past

levels = st.lists(st.tuples(st.floats(0.1, 900.0), st.integers(0, 500)), max_size=60)
DAY_S = 86_400.0


def seen(*steps: tuple[float, int]) -> Past:
    """Levels at times."""
    past = NO_PAST
    for at_s, cores in steps:
        past = past.with_level(cores, DAY_S + at_s)
    return past


def test_what_is_not_known_is_no_growth() -> None:
    assert NO_PAST.growth(0.99, 120.0, DAY_S) == 0
    assert seen((0, 0), (60, 80)).growth(0.9, 120.0, DAY_S + 300.0) == 0


def test_growth_is_the_quantile_of_all_moments_of_two_hours() -> None:
    past = seen((0, 10), (3_600, 50), (3_660, 10))
    now = DAY_S + KEPT_S
    assert past.growth(1.0, 120.0, now) == 40
    moments = 120.0 / SLOT_S / KEPT
    assert past.growth(1.0 - moments / 2, 120.0, now) == 40
    assert past.growth(1.0 - 2 * moments, 120.0, now) == 0


def test_a_short_peak_counts_though_it_was_over_before_its_slot() -> None:
    assert seen((0, 10), (3_600, 50), (3_601, 10)).growth(1.0, 60.0, DAY_S + KEPT_S) == 40


def test_a_slot_that_goes_on_and_a_level_that_stays_write_nothing() -> None:
    past = seen((0, 10))
    assert past.with_level(10, DAY_S + 900.0) is past
    assert past.newer_than(NO_PAST)
    assert not seen((0, 10), (1, 20)).newer_than(past)
    assert seen((0, 10), (31, 20)).newer_than(past)


def test_a_level_returns_after_the_time_from_its_fall_or_has_not_yet() -> None:
    past = seen((0, 100), (600, 20), (900, 100), (1_800, 20))
    assert past.returns(80, DAY_S + 2_000.0) == (300.0, math.inf)
    assert past.returns(101, DAY_S + 2_000.0) == ()


@given(levels, st.floats(0.0, 1.0), st.floats(1.0, 900.0))
def test_the_past_is_bounded_and_its_growth_lies_between_nothing_and_the_highest_level(
    steps: list[tuple[float, int]], quantile: float, within_s: float
) -> None:
    past, now = NO_PAST, DAY_S
    for after_s, cores in steps * 8:
        now += after_s
        past = past.with_level(cores, now)
    assert len(past.seen) <= KEPT + 2
    grown = past.growth(quantile, within_s, now)
    assert 0 <= grown <= max((cores for _, cores in steps), default=0)
    assert grown <= past.growth(1.0, within_s, now)
