"""What every source of demand must do, with startds or without. A module that has a `source_site` fixture (see
SourceSite) gets these tests by importing them:

from tests.actors.pools.source_conformance import *  # noqa: F403
"""

from __future__ import annotations

from typing import Protocol

import pytest

from actors.pools.port import DemandSource, Pool, PoolError

__all__ = [
    "test_a_look_that_failed_raises_and_is_never_empty",
    "test_closing_a_source_twice_is_harmless",
    "test_it_is_no_pool_of_startds",
    "test_no_work_anywhere_is_a_reading_too",
    "test_work_is_counted_by_queue_and_state",
]


class SourceSite(Protocol):
    """A source with the queues `atlas` and `cms`, and the means to put work into it."""

    @property
    def source(self) -> DemandSource: ...

    def work(self, queue: str, idle: int, running: int) -> None:
        """From now on a queue has so much."""
        ...

    def breaks(self) -> None:
        """From now on it does not answer as it should."""
        ...


def test_work_is_counted_by_queue_and_state(source_site: SourceSite) -> None:
    source_site.work("atlas", 3, 2)
    source_site.work("cms", 1, 0)
    seen = source_site.source.jobs(7.0)
    assert seen.at == 7.0
    assert seen.complete
    for queue, idle, running in (("atlas", 3, 2), ("cms", 1, 0)):
        classes = [one for one in seen.classes if one.queue == queue and not one.apart]
        assert (sum(one.idle for one in classes), sum(one.running for one in classes)) == (idle, running)
        assert not seen.of(queue).unread


def test_no_work_anywhere_is_a_reading_too(source_site: SourceSite) -> None:
    source_site.work("atlas", 0, 1)
    source_site.work("cms", 0, 0)
    seen = source_site.source.jobs(7.0)
    assert seen.complete
    assert sum(one.idle for one in seen.classes) == 0


def test_a_look_that_failed_raises_and_is_never_empty(source_site: SourceSite) -> None:
    source_site.work("atlas", 3, 2)
    source_site.source.jobs(7.0)
    source_site.breaks()
    with pytest.raises(PoolError):
        source_site.source.jobs(8.0)


def test_it_is_no_pool_of_startds(source_site: SourceSite) -> None:
    asked_of_pools = Pool.__dict__.keys() - DemandSource.__dict__.keys()
    assert not [name for name in asked_of_pools if not name.startswith("_") and hasattr(source_site.source, name)]


def test_closing_a_source_twice_is_harmless(source_site: SourceSite) -> None:
    source_site.source.close()
    source_site.source.close()
