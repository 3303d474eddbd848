"""How many jobs a partitionable slot holds, as a startd carves it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.pools.htcondor.crowd import MOST, bounded, rounded_up
from actors.pools.htcondor.judge import carved


@pytest.mark.parametrize(
    ("asked", "has", "jobs"), [(1_000, 8_000, 7), (950, 1_000, 1), (480, 1_000, 2), (500, 1_000, 1), (128, 1_024, 8)]
)
def test_memory_is_rounded_up_but_for_the_last_job(asked: int, has: int, jobs: int) -> None:
    assert has // carved(asked, 128, has) == jobs


@given(st.integers(1, 100_000), st.integers(1, 100_000))
def test_as_many_jobs_fit_as_a_startd_gives_room_to_or_one_of_very_many_less(asked: int, has: int) -> None:
    left, jobs = has, 0
    while left >= asked:
        left, jobs = left - min(left, -(-asked // 128) * 128), jobs + 1
    if jobs:
        assert has // carved(asked, 128, has) in ((jobs,) if jobs < 10 else (jobs - 1, jobs))


@given(st.integers(0, 1 << 40), st.sampled_from([1, 2, 4, 8]))
def test_an_amount_is_rounded_up_by_less_than_itself(amount: int, steps: int) -> None:
    assert amount <= rounded_up(amount, steps) <= max(1, 2 * amount)


def test_however_many_requests_there_are_the_classes_are_few_and_no_job_is_lost() -> None:
    rows = [
        ("atlas", 1, 100 + i, i, 0, "true", "0", (), (("c", True, True, 1, 100 + i, i, 0),), "", "", 1, 0, 0, 0)
        for i in range(45_000)
    ]
    other = ("cms", 1, 1, 1, 0, "true", "0", (), (("c", True, True, 1, 1, 1, 0),), "", "", 7, 0, 0, 0)
    kept, notes = bounded([*rows, other])
    of_atlas = [row for row in kept if row[0] == "atlas"]
    assert len(of_atlas) <= MOST
    assert sum(row[11] for row in of_atlas) == 45_000
    assert other in kept
    assert "queue atlas" in notes[0]
