"""Redis is not there: at the start, and on the way.

The rule: without Redis nothing is decided, started or ended; the host says so, waits with backoff, and does not end.
Jobs run on meanwhile. When Redis is back with its rows, the host goes on from them.
"""

import time

import pytest

from actors.fleet.vm import State
from tests.factory_on_lab import MakeFactory

pytestmark = pytest.mark.lab

TTL_S = 3.0


def test_a_host_that_is_up_before_redis_waits_for_it_and_says_so(make_factory: MakeFactory) -> None:
    factory = make_factory()
    host = factory.host()
    factory.redis.stop()
    factory.submit(1, seconds=1)
    host.start(wait=False)
    factory.until(lambda: len(host.said("not reached", what="Redis at")) >= 2, "it says that Redis is away", 20)
    pauses = [line["again_in_s"] for line in host.said("not reached")]
    assert pauses == sorted(pauses)
    assert len(set(pauses)) > 1
    factory.redis.start()
    factory.until_done()
    factory.judge()


def test_while_redis_is_away_jobs_run_and_nothing_is_started_or_ended(make_factory: MakeFactory) -> None:
    """One VM runs a job, another one drains; then Redis is away for three TTLs, and a job comes meanwhile."""
    factory = make_factory()
    host = factory.host()
    factory.submit(2, gate=factory.gate())
    host.start()
    factory.until_running(2)
    factory.wish("vm", factory.vms("private", State.READY)[0].id)
    factory.until(lambda: factory.vms("private", State.DRAINING), "one drains", 20)
    started = factory.started()
    factory.redis.stop()
    factory.submit(1, seconds=2)
    away_until = time.monotonic() + 3 * TTL_S
    factory.until(lambda: host.said("post given up", why="not renewed in time"), "terms end by themselves", 10)
    factory.until(lambda: time.monotonic() > away_until, "three TTLs are over", 20)
    assert factory.started() == started
    assert factory.ended() == []
    factory.redis.start()
    factory.until_done()
    factory.judge()
    assert host.runs
    assert not host.said("actor died")


def test_a_host_that_is_told_to_end_while_redis_is_away_ends(make_factory: MakeFactory) -> None:
    factory = make_factory()
    host = factory.host()
    host.start()
    factory.until(lambda: len(factory.terms()) == 4, "it serves", 20)
    factory.redis.stop()
    host.stop()
    assert not host.runs
    assert host.said("not said good-bye")
