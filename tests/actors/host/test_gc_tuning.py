"""What the host's collector finds, and when. The process's own collector is put back after each test."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from actors.host import gc_tuning
from actors.host.gc_tuning import Garbage


class Node:
    """An object that can be a cycle of its own."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def tidy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Garbage]:
    monkeypatch.setattr(gc_tuning, "TIDY_S", 0.0)
    before = gc.get_threshold()
    yield Garbage()
    gc.set_threshold(*before)
    gc.unfreeze()


def test_a_cycle_that_came_since_the_last_time_is_freed(tidy: Garbage) -> None:
    gone = weakref.ref(Node())
    tidy.tidy()
    assert gone() is None


def test_what_is_set_aside_is_not_walked_again_and_still_freed_by_its_count(tidy: Garbage) -> None:
    node = Node()
    tidy.tidy()
    assert not any(one is node for one in gc.get_objects())
    gone = weakref.ref(node)
    node.itself = None  # type: ignore[assignment]
    del node
    assert gone() is None


def test_a_cycle_that_was_set_aside_is_freed_by_a_sweep_and_not_before(
    tidy: Garbage, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node()
    tidy.tidy()
    gone = weakref.ref(node)
    del node
    tidy.tidy()
    assert gone() is not None
    monkeypatch.setattr(gc_tuning, "SWEEP_S", 0.0)
    tidy.tidy()
    assert gone() is None
