"""A random story of many hosts: faults, singly or at once, while jobs come in; then all is healed and judged.

A seed says which steps are made and with what pauses between them; how the hosts run in between is up to the machine.
So a seed repeats a story, not a race. The transcript is printed as it happens.
"""

import os
import random
import signal
import time
from collections.abc import Callable

from tests.factory_in_a_world import Factory, OneHost

HOSTS = 3
PAUSES_S = (0.2, 1.0, 2.0, 4.0)


class Campaign:
    """`play` makes the steps; whoever calls it owns the factory. `told` gets each line of the transcript."""

    def __init__(self, factory: Factory, seed: int, told: Callable[[str], None]) -> None:
        self._factory, self._random, self._told = factory, random.Random(seed), told
        self._began = time.monotonic()
        self._frozen: set[str] = set()
        self._dead: set[str] = set()
        self._cut: set[str] = set()
        self._held = 0

    def play(self, steps: int) -> None:
        """Fails (as pytest does) with what was broken."""
        self._factory.start(HOSTS)
        self._began = time.monotonic()
        for _ in range(steps):
            self._submit()
            self._step()
            time.sleep(self._random.choice(PAUSES_S))
        self._heal()
        self._factory.until_done(120)
        self._factory.judge()
        self._say("judged: every promise was kept")

    def _step(self) -> None:
        acts: list[Callable[[OneHost], None]] = [
            self._kill, self._kill, self._stop, self._start, self._start, self._freeze, self._thaw, self._thaw,
            self._cut_redis, self._mend_redis, self._shut_cloud, self._open_cloud, self._shut_pool, self._open_pool,
            self._restart_redis, self._crash_redis, self._freeze_redis, self._empty_redis, self._hold,
        ]  # fmt: skip
        host = self._factory.host(f"host-{self._random.randint(1, HOSTS)}")
        self._random.choice(acts)(host)

    def _submit(self) -> None:
        jobs, seconds = self._random.randint(0, 3), self._random.randint(1, 8)
        if jobs:
            self._factory.submit(jobs, seconds=seconds)
            self._say(f"submit {jobs} jobs of {seconds} s")

    def _say(self, line: str) -> None:
        self._told(f"{time.monotonic() - self._began:6.1f} s  {line}")

    # --- the steps; one that does not fit how things stand is passed over

    def _kill(self, host: OneHost) -> None:
        if host.name not in self._dead:
            self._thaw(host)
            self._say(f"kill -9 {host.name}")
            host.kill()
            self._dead.add(host.name)

    def _stop(self, host: OneHost) -> None:
        if host.name not in self._dead | self._frozen | self._cut:
            self._say(f"stop {host.name}")
            host.stop()
            self._dead.add(host.name)

    def _start(self, host: OneHost) -> None:
        if host.name in self._dead:
            self._say(f"start {host.name}")
            host.start(wait=False)
            self._dead.discard(host.name)

    def _freeze(self, host: OneHost) -> None:
        if host.name not in self._dead | self._frozen:
            self._say(f"freeze {host.name}")
            host.freeze()
            self._frozen.add(host.name)

    def _thaw(self, host: OneHost) -> None:
        if host.name in self._frozen:
            self._say(f"thaw {host.name}")
            host.thaw()
            self._frozen.discard(host.name)

    def _cut_redis(self, host: OneHost) -> None:
        self._say(f"cut {host.name} off from Redis")
        host.cable.cut()
        self._cut.add(host.name)

    def _mend_redis(self, host: OneHost) -> None:
        if host.name in self._cut:
            self._say(f"{host.name} reaches Redis again")
            host.cable.mend()
            self._cut.discard(host.name)

    def _shut_cloud(self, host: OneHost) -> None:
        self._say(f"cut {host.name} off from the clouds")
        host.cloud.shut()

    def _open_cloud(self, host: OneHost) -> None:
        self._say(f"{host.name} reaches the clouds")
        host.cloud.open()

    def _shut_pool(self, host: OneHost) -> None:
        self._say(f"cut {host.name} off from the pool")
        host.pool.shut()

    def _open_pool(self, host: OneHost) -> None:
        self._say(f"{host.name} reaches the pool")
        host.pool.open()

    def _restart_redis(self, _: OneHost) -> None:
        self._say("restart Redis")
        self._factory.redis.stop()
        self._factory.redis.start()

    def _crash_redis(self, _: OneHost) -> None:
        self._say("kill -9 Redis, and start it again")
        os.kill(self._factory.redis.pid or 0, signal.SIGKILL)
        self._factory.until(lambda: self._factory.redis.pid is None, "the server is dead")
        self._factory.redis.start()

    def _freeze_redis(self, _: OneHost) -> None:
        for_s = self._random.choice((1.0, 4.0, 8.0))
        self._say(f"freeze Redis for {for_s:g} s")
        pid = self._factory.redis.pid or 0
        os.kill(pid, signal.SIGSTOP)
        time.sleep(for_s)
        os.kill(pid, signal.SIGCONT)

    def _empty_redis(self, _: OneHost) -> None:
        self._say("FLUSHALL")
        self._factory.client.flushall()

    def _hold(self, _: OneHost) -> None:
        """A VM that the cloud lists, if a host is there to hear of it."""
        listed = sorted(self._factory.instances())
        if listed and not self._held and len(self._dead | self._frozen | self._cut) < HOSTS:
            self._say(f"hold {listed[0]}")
            self._held += self._factory.wish("hold", "vm", listed[0]).verdict == "accepted"

    def _heal(self) -> None:
        self._say("all is healed")
        for host in self._factory.hosts.values():
            self._thaw(host)
            self._start(host)
            host.cable.mend()
            host.cloud.open()
            host.pool.open()
        self._factory.until(self._factory.settled, "all hosts share all posts", 90)
        if self._held:
            self._factory.wish("release", "all", "")
