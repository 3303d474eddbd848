"""Many hosts: how soon a dead one's posts are served, how soon a new one has its share, what quiet hosts cost, and what
a takeover costs them.

Real host processes on a real Redis, pool and clouds simulated. 200 queues and 20 clouds on 4 hosts at the lab's rhythm
(TTL 3 s, tick 0.5 s) for takeover and join; 1,000 queues on 3 hosts at the stock rhythm and intervals for the cost. A
takeover is counted from the kill to the moment at which the last post was held anew, by Redis's own time of that term.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from broker.connection.clock import RedisClock
from broker.posts.hosts import Hosts
from broker.posts.leases import Leases, Term
from tests.benchmarks.figures import Figure
from tests.benchmarks.site import cpu_s
from tests.factory_in_a_world import TAKEOVER_S, TICK_S, TTL_S, Factory

HOSTS, QUEUES, CLOUDS = 4, 200, 20
QUIET_HOSTS, QUIET_QUEUES = 3, 1000
TERMS, RENEWALS = 1000, 20
SETTLE_S, WATCH_S, BURST_S = 30.0, 60.0, 40
LIMIT_PERCENT, LIMIT_RENEWAL_MS = 15.0, 100.0


def figures() -> list[Figure]:
    return [*_shared(), *_quiet()]


def _shared() -> list[Figure]:
    with _factory(QUEUES, CLOUDS) as factory:
        factory.start(HOSTS)
        clock = RedisClock(factory.client)
        takeover_s = _takeover(factory, clock)
        join_s = _join(factory, clock)
        return [
            Figure(what=f"takeover after kill -9 ({_size()})", ours=takeover_s, unit="s", limit=TAKEOVER_S),
            Figure(what=f"a join is settled ({_size()})", ours=join_s, unit="s", limit=3 * TICK_S),
            Figure(what=f"renewal of {TERMS} terms", ours=_renewal_ms(factory), unit="ms", limit=LIMIT_RENEWAL_MS),
        ]


def _size() -> str:
    return f"{QUEUES} queues, {CLOUDS} clouds, {HOSTS} hosts"


def _takeover(factory: Factory, clock: RedisClock) -> float:
    victim = factory.hosts["host-1"]
    lost = set(factory.posts_of(victim.name))
    killed = clock.sync()
    victim.kill()
    factory.until(lambda: factory.all_held() and not factory.posts_of(victim.name), "others hold its posts")
    return max(owner.since for post, owner in factory.terms().items() if post in lost) - killed


def _join(factory: Factory, clock: RedisClock) -> float:
    """From the new host's first beat to the last post that moved."""
    host = factory.hosts["host-1"]
    hosts = Hosts(factory.client, factory.site)
    before = {one.info.name for one in hosts.live(TTL_S)}
    first: list[float] = []

    def beats_first() -> bool:
        first.extend(clock.now() - one.age_s for one in hosts.live(TTL_S) if one.info.name not in before)
        return bool(first)

    host.start()
    factory.until(beats_first, "it beats")
    mean = len(factory.terms()) // HOSTS
    factory.until(lambda: factory.all_held() and len(factory.posts_of(host.name)) >= mean, "it has its share")
    return max(owner.since for owner in factory.terms().values()) - first[0]


def _renewal_ms(factory: Factory) -> float:
    leases = Leases(factory.client, factory.site, "bench#0", 60.0)
    terms = [term for number in range(TERMS) if isinstance(term := leases.acquire(f"bench/{number}"), Term)]
    began = time.perf_counter()
    for _ in range(RENEWALS):
        terms = list(leases.renew(terms).renewed)
    return (time.perf_counter() - began) / RENEWALS * 1e3


def _quiet() -> list[Figure]:
    stock = {"ttl_s": 15.0, "tick_s": 3.0}
    with _factory(QUIET_QUEUES, 2, stock, interval_s=15.0) as factory:
        factory.start(QUIET_HOSTS)
        time.sleep(SETTLE_S)
        before = {name: cpu_s(host.pid) for name, host in factory.hosts.items()}
        time.sleep(WATCH_S)
        used = [(cpu_s(host.pid) - before[name]) / WATCH_S * 100 for name, host in factory.hosts.items()]
        what = f"{QUIET_QUEUES} queues on {QUIET_HOSTS} hosts, nothing changes: of a core, the busiest host"
        quiet = Figure(what=what, ours=max(used), unit="%", limit=LIMIT_PERCENT)
        before, after = _burst(factory)
        burst = "- one is killed: the others' busiest second until all is taken over (raw: their busiest before)"
        return [quiet, Figure(what=burst, raw=before, ours=after, unit="%")]


def _burst(factory: Factory) -> tuple[float, float]:
    """Percent of a core, in the busiest second of any other host: before the kill, and from it until all is held."""
    victim, *others = factory.hosts.values()
    before = _busiest(others, BURST_S)
    victim.kill()
    after = _busiest(others, BURST_S)
    factory.until(lambda: factory.all_held() and not factory.posts_of(victim.name), "others hold its posts")
    return before, after


def _busiest(hosts: Sequence[Any], seconds: int) -> float:
    busiest = 0.0
    for _ in range(seconds):
        before, began = {host.name: cpu_s(host.pid) for host in hosts}, time.monotonic()
        time.sleep(1.0)
        used = max(cpu_s(host.pid) - before[host.name] for host in hosts)
        busiest = max(busiest, used / (time.monotonic() - began) * 100)
    return busiest


@contextmanager
def _factory(queues: int, clouds: int, rhythm: dict[str, float] | None = None, **more: Any) -> Iterator[Factory]:
    changes = _changes(queues, clouds, rhythm or {}, more)
    with (
        tempfile.TemporaryDirectory(prefix="apf-bench-") as folder,
        Factory(Path(folder), changes) as factory,
    ):
        yield factory


def _changes(queues: int, clouds: int, rhythm: dict[str, float], more: dict[str, Any]) -> dict[str, Any]:
    """Each queue has two tiers of two clouds; the queue and the clouds of the tests are left out."""
    cloud = {
        "kind": "simulated",
        "world": "./cloud.sock",
        "shape": {"cpus": 1, "memory_mib": 512},
        "max_vms": 10,
        **more,
    }
    names = [f"c{number}" for number in range(clouds)]

    def queue(number: int) -> dict[str, Any]:
        mine = list(dict.fromkeys(names[(number + step) % clouds] for step in range(4)))
        half = max(1, len(mine) // 2)
        return {
            "pool": "local",
            "jobs": f'MATCH_APF_QUEUE == "q{number}"',
            "cascade": [tier for tier in (mine[:half], mine[half:]) if tier],
        }

    return {
        "factory": rhythm,
        "pools": {"local": more},
        "clouds": {"private": None, "spot": None} | dict.fromkeys(names, cloud),
        "queues": {"atlas": None} | {f"q{number}": queue(number) for number in range(queues)},
    }
