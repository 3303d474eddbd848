"""A surplus must last: held against a plain memory of every decision."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.policies.provisioning.stabilization import MOST_STEPS, Steps, less, old_enough, remember

rounds = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 9)), min_size=1, max_size=40)


@given(rounds, st.integers(0, 100))
def test_what_is_old_enough_is_the_least_surplus_of_all_the_time(history: list[tuple[int, int]], age_s: int) -> None:
    steps: Steps = ()
    now, seen = 0.0, []
    for gap_s, surplus in history:
        now += gap_s
        seen.append((now, surplus))
        steps = remember(steps, surplus, now)
    assert len(steps) <= MOST_STEPS
    assert old_enough(steps, now, age_s) == _least(seen, now, age_s)


def _least(seen: list[tuple[float, int]], now: float, age_s: int) -> int:
    """The most VMs for which a decision at least `age_s` ago, and every one since, found that many too many."""
    starts = [at for at, _ in seen if now - at >= age_s]
    return max((min(n for at, n in seen if at >= start) for start in starts), default=0)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=30))
def test_with_very_many_steps_the_time_is_never_taken_for_longer_than_it_was(growing: list[int]) -> None:
    steps: Steps = ()
    seen = []
    for now, surplus in enumerate(sorted(growing)):
        seen.append((float(now), surplus))
        steps = remember(steps, surplus, float(now))
        assert len(steps) <= MOST_STEPS
        for age_s in range(now + 1):
            assert old_enough(steps, float(now), age_s) <= _least(seen, float(now), age_s)


def test_what_was_released_is_no_surplus_any_more() -> None:
    assert less(((1.0, 2), (5.0, 6)), 2) == ((5.0, 4),)
