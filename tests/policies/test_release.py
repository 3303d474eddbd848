"""Which VMs of one cloud go first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.policies.release import Candidate, choose

UNDER_WAY = Candidate(id="under-way", born=50.0, joined=False)
IDLE = Candidate(id="idle", born=10.0, joined=True, idle_since=80.0)
LONG_IDLE = Candidate(id="long-idle", born=20.0, joined=True, idle_since=30.0)
NOT_SEEN = Candidate(id="not-seen", born=1.0, joined=True, seen=False)
BUSY = Candidate(id="busy", born=5.0, joined=True, jobs=1)
VERY_BUSY = Candidate(id="very-busy", born=5.0, joined=True, jobs=7)
HELD = Candidate(id="held", born=0.0, joined=True, idle_since=1.0, held=True)


def test_under_way_before_idle_before_not_seen_before_busy_and_never_held() -> None:
    everyone = [HELD, VERY_BUSY, BUSY, NOT_SEEN, IDLE, LONG_IDLE, UNDER_WAY]
    assert choose(9, everyone) == ("under-way", "long-idle", "idle", "not-seen", "busy", "very-busy")
    assert choose(2, everyone) == ("under-way", "long-idle")
    assert choose(0, everyone) == choose(-3, everyone) == ()


def test_the_youngest_under_way_goes_first_since_the_older_joins_sooner() -> None:
    old = Candidate(id="old", born=1.0, joined=False)
    assert choose(1, [old, UNDER_WAY]) == ("under-way",)


@given(st.permutations([UNDER_WAY, IDLE, LONG_IDLE, NOT_SEEN, BUSY, VERY_BUSY, HELD]), st.integers(0, 8))
def test_the_order_in_which_they_come_does_not_matter(candidates: list[Candidate], surplus: int) -> None:
    assert (
        choose(surplus, candidates)
        == choose(9, [BUSY, HELD, IDLE, LONG_IDLE, NOT_SEEN, UNDER_WAY, VERY_BUSY])[:surplus]
    )
