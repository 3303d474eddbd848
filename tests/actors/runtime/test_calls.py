"""Lanes: what hangs in one delays nothing in another, and what is urgent waits for nobody."""

import threading
from collections.abc import Iterator

import pytest

from actors.runtime.calls import SHARES, Calls

LIMIT_S = 30.0


@pytest.fixture
def calls() -> Iterator[Calls]:
    made = Calls(16)
    yield made
    made.close()


def test_fifty_drains_that_hang_delay_no_urgent_one(calls: Calls) -> None:
    release, answered = threading.Event(), threading.Event()
    for number in range(50):
        assert calls.start("drain", f"vm {number}", lambda: release.wait(LIMIT_S), lambda *_: None)
    assert calls.start("urgent", "vm spot", lambda: None, lambda *_: answered.set())
    assert answered.wait(LIMIT_S)
    release.set()


def test_a_call_that_is_under_way_is_not_started_again_in_any_lane(calls: Calls) -> None:
    release, answered = threading.Event(), threading.Event()
    assert calls.start("drain", "vm 1", lambda: release.wait(LIMIT_S), lambda *_: answered.set())
    assert not calls.start("urgent", "vm 1", lambda: None, lambda *_: None)
    release.set()
    assert answered.wait(LIMIT_S)


def test_the_lanes_share_all_threads_and_no_more() -> None:
    assert sum(SHARES.values()) == 1.0
    assert sum(int(16 * share) for share in SHARES.values()) == 16


def test_what_is_asked_for_while_the_host_stops_is_not_started_and_is_no_error() -> None:
    calls = Calls(2)
    calls.close()
    assert calls.start("launch", "key", lambda: 1, lambda *_: None) is False
    assert not calls.under_way("key")
