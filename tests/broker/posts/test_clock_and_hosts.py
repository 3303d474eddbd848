"""The factory's clock, and who is alive by it."""

import pytest

from broker.connection.address import Address, Site
from broker.connection.clock import RedisClock
from broker.errors import Unreachable
from broker.posts.hosts import HostInfo, Hosts, new_incarnation
from tests.late import within


def info(host: str = "h1", **changes: object) -> HostInfo:
    fields = {"host": host, "incarnation": new_incarnation(), "version": "1", "started_at": 5.0} | changes
    return HostInfo.model_validate(fields)


def test_the_clock_is_redis_time_and_makes_no_call_for_it(site: Site) -> None:
    client = site.client()
    clock = RedisClock(client)
    clock.sync()
    client.close()
    seconds, microseconds = site.client().time()
    assert abs(clock.now() - (seconds + microseconds / 1e6)) <= clock.error_s + 0.1
    assert clock.error_s < 1


def test_the_clock_runs_with_the_monotonic_one(site: Site) -> None:
    ticks = [100.0]
    clock = RedisClock(site.client(), monotonic=lambda: ticks[0])
    first = clock.sync()
    ticks[0] += 7.5
    assert clock.now() == pytest.approx(first + 7.5)


class Slow:
    """Redis at 500 s, whose answers take so long, there and back alike."""

    def __init__(self, *took_s: float) -> None:
        self.now, self._took_s = 100.0, list(took_s)

    def time(self) -> tuple[int, int]:
        took_s = self._took_s.pop(0)
        self.now += took_s
        at = 400.0 + self.now - took_s / 2
        return int(at), round(at % 1 * 1e6)


def test_the_time_is_of_the_middle_of_the_quickest_answer() -> None:
    redis = Slow(8.0, 2.0, 4.0)
    clock = RedisClock(redis, monotonic=lambda: redis.now)  # type: ignore[arg-type]
    assert clock.sync() == pytest.approx(400.0 + redis.now)
    assert clock.error_s == 1.0


def test_a_clock_that_was_never_read_tells_no_time() -> None:
    clock = RedisClock(Address.parse("redis://127.0.0.1:1").client())
    with pytest.raises(Unreachable):
        clock.now()
    with pytest.raises(Unreachable):
        clock.sync()


def test_a_beat_answers_with_the_time_and_all_live_hosts(site: Site) -> None:
    hosts, one, two = Hosts(site.client(), site), info("h1"), info("h2", posts=("cloud/*",), config_generation=3)
    hosts.beat(one, within_s=60)
    beat = hosts.beat(two, within_s=60)
    assert [live.info for live in beat.live] == [one, two]
    assert all(0 <= live.age_s < 30 for live in beat.live)
    seconds, _ = site.client().time()
    assert abs(beat.now - seconds) < 30


def test_a_beat_names_no_host_that_stopped_beating(site: Site) -> None:
    hosts, one, two = Hosts(site.client(), site), info("h1"), info("h2")
    hosts.beat(one, within_s=60)
    within(10, "only the one that beats", lambda: [x.info for x in hosts.beat(two, within_s=0.05).live] == [two])


def test_a_host_that_stops_beating_or_leaves_is_not_live(site: Site) -> None:
    hosts, one, two = Hosts(site.client(), site), info("h1"), info("h2")
    hosts.beat(one, within_s=60)
    hosts.beat(two, within_s=60)
    hosts.leave(one)
    assert [live.info for live in hosts.live(within_s=60)] == [two]
    within(10, "it lives no more", lambda: not hosts.live(within_s=0.05))
    assert [live.info for live in hosts.live(within_s=60)] == [two]


def test_a_restarted_host_is_another_host() -> None:
    assert info("h1").name != info("h1").name


def test_foreign_entries_are_no_hosts_and_stop_nobody(site: Site) -> None:
    hosts, one = Hosts(site.client(), site), info("h1")
    site.client().zadd(site.key("hosts"), {"foreign": 9e12, "liar#1": 9e12})
    site.client().hset(site.key("host-infos"), "liar#1", info("h3").model_dump_json())
    assert [live.info for live in hosts.beat(one, within_s=60).live] == [one]


def test_hosts_of_last_week_are_forgotten(site: Site) -> None:
    site.client().zadd(site.key("hosts"), {"old#1": 5.0})
    site.client().hset(site.key("host-infos"), "old#1", "{}")
    Hosts(site.client(), site).beat(info("h1"), within_s=60)
    assert site.client().zcard(site.key("hosts")) == 1
    assert site.client().hlen(site.key("host-infos")) == 1
