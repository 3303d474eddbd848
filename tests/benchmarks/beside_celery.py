"""Our mail beside Celery, in one run on one Redis: publish to handled, throughput, and what waiting costs.

Each side is one process that handles and this one that publishes. Celery's pool is `solo`, one task at a time in the
worker itself, as our mail is handled; gossip, mingling and heartbeats between workers are off.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from actors.runtime.messages import KINDS, LookAtDemand
from broker.connection.clock import RedisClock
from broker.connection.embedded import EmbeddedServer
from broker.mail.mailboxes import Mailer
from tests.benchmarks.figures import Figure, percentile
from tests.benchmarks.receivers import HANDLED, MAILBOX, TASK, URL, celery_app, site
from tests.benchmarks.site import cpu_s, memory_mb

MAILS, PAUSE_S = 300, 0.01
BURST = 2_000
IDLE_S = 30.0
LIMIT_MS = 30.0
ANSWER_S = 30.0
OURS = [sys.executable, "-m", "tests.benchmarks.receivers"]
CELERY = [
    *(sys.executable, "-m", "celery", "-A", "tests.benchmarks.receivers", "worker", "--pool", "solo"),
    *("--loglevel", "ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat"),
]

Publish = Callable[[int], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    latencies_ms: list[float]
    per_s: float
    idle_percent: float
    memory_mb: float


def figures() -> list[Figure]:
    with tempfile.TemporaryDirectory() as directory, EmbeddedServer(directory, port=0) as server:
        (host, port), password = server.address.nodes[0], server.address.password
        os.environ[URL] = f"redis://{f':{password}@' if password else ''}{host}:{port}/{server.address.db}"
        try:
            return _figures(_ours(), _celery())
        finally:
            del os.environ[URL]


def _figures(ours: Side, celery: Side | None) -> list[Figure]:
    def beside(of: Callable[[Side], float], what: str, unit: str, limit: float | None = None) -> Figure:
        raw = of(celery) if celery else None
        return Figure(what=f"{what} (raw: Celery)", ours=of(ours), raw=raw, unit=unit, limit=limit)

    return [
        beside(lambda side: percentile(side.latencies_ms, 50), f"mail, publish to handled, p50 of {MAILS}", "ms"),
        beside(lambda side: percentile(side.latencies_ms, 99), "- p99", "ms", LIMIT_MS),
        beside(lambda side: side.per_s, f"- {BURST} at once, handled", "/s"),
        beside(lambda side: side.idle_percent, "- the handling process while nothing comes, of a core", "%"),
        beside(lambda side: side.memory_mb, "- its memory", "MB"),
    ]


def _ours() -> Side:
    clock = RedisClock(site().client())
    clock.sync()
    mailer = Mailer(site(), KINDS, "bench#1", clock)
    try:
        with _running(OURS) as pid:
            return _measured(pid, lambda number: mailer.send(MAILBOX, LookAtDemand(pool=f"n{number}")))
    finally:
        mailer.close()


def _celery() -> Side | None:
    try:
        app = celery_app()
    except ModuleNotFoundError:
        sys.stdout.write("  celery is not installed: pip install -e '.[bench]'\n")
        return None
    with _running(CELERY) as pid:
        return _measured(pid, lambda number: app.send_task(TASK, args=(number,)))


@contextmanager
def _running(command: list[str]) -> Iterator[int]:
    child = subprocess.Popen(command, env={**os.environ, "APF_BENCH_CELERY": "1"} if command is CELERY else None)
    try:
        yield child.pid
    finally:
        child.terminate()
        try:
            child.wait(ANSWER_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _measured(pid: int, publish: Publish) -> Side:
    client: Any = site().client()
    client.delete(HANDLED)
    _one(client, publish, 0)  # the first waits for the process to come up
    latencies = []
    for number in range(1, MAILS + 1):
        latencies.append(_one(client, publish, number) * 1e3)
        time.sleep(PAUSE_S)
    began = time.monotonic()
    for number in range(BURST):
        publish(number)
    ended = max(_handled_at(client) for _ in range(BURST))
    used = cpu_s(pid)
    time.sleep(IDLE_S)
    idle = (cpu_s(pid) - used) / IDLE_S * 100
    return Side(latencies_ms=latencies, per_s=BURST / (ended - began), idle_percent=idle, memory_mb=memory_mb(pid))


def _one(client: Any, publish: Publish, number: int) -> float:
    """Seconds from the call that publishes to the moment when it is handled."""
    began = time.monotonic()
    publish(number)
    return _handled_at(client) - began


def _handled_at(client: Any) -> float:
    deadline = time.monotonic() + ANSWER_S
    while time.monotonic() < deadline:
        if found := client.blpop([HANDLED], 2):
            return float(found[1].split()[1])
    raise TimeoutError(f"a mail was not handled within {ANSWER_S:g} s")
