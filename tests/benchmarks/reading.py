"""Readings beside the raw htcondor2 calls.

Each figure is the median of ROUNDS, raw and reading in turns; what counts is their ratio, since machines differ. Before
each, a tenth of the workers changes from busy to free, and another back: what a reading remembers is not all it needs.
Garbage is looked for as in a host: between readings, not in them.
The stall is the longest time that another thread of this process was kept from running in a reading: the median over
the ROUNDS, and the worst. It is measured in readings of its own: the thread that watches for it costs the reading some
of its time.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from actors.config.schema import HtcondorPool
from actors.host.gc_tuning import Garbage
from actors.pools.htcondor.child_lanes import Lane
from actors.pools.htcondor.pool import Htcondor
from deploy.lab.pool.access_point import LabJob
from deploy.lab.pool.pool import LabPool
from deploy.lab.pool.user import DOMAIN, lab_directory
from tests.benchmarks.figures import Figure
from tests.benchmarks.site import stop_negotiator, until
from tests.benchmarks.stalls import Watch

STARTDS, JOBS, CLASSES = 10_000, 50_000, 10
ROUNDS = 11
BETWEEN_S = 1.0  # readings: `interval_s` allows no less
MOST_RATIO, MOST_STALL_MS = 1.5, 50.0
QUEUES = (("atlas", 'MATCH_APF_QUEUE == "atlas"', "true", 0.0),)


def compare(
    what: str, raw: Callable[[], float], reading: Callable[[], object], change: Callable[[int], object]
) -> list[Figure]:
    """`raw` says how long it took in the child; `change` makes the world a little different before each round."""
    reading()
    garbage = Garbage()
    raws, readings, stalls = [], [], []
    for number in range(1, ROUNDS + 1):
        _let_pass(change, 2 * number, garbage)
        raws.append(raw())
        start = time.perf_counter()
        reading()
        readings.append(time.perf_counter() - start)
        _let_pass(change, 2 * number + 1, garbage)
        with Watch() as watch:
            reading()
        stalls.append(watch.longest_s * 1e3)
    raw_s, reading_s = map(statistics.median, (raws, readings))
    return [
        Figure(what=what, raw=raw_s, ours=reading_s, unit="s", judge="ratio", limit=MOST_RATIO),
        Figure(what="- stall of other threads, median", ours=statistics.median(stalls), unit="ms", limit=MOST_STALL_MS),
        Figure(what="- stall of other threads, the worst", ours=max(stalls), unit="ms"),
    ]


def _let_pass(change: Callable[[int], object], turn: int, garbage: Garbage) -> None:
    change(turn)
    garbage.sweep()
    time.sleep(BETWEEN_S)


def startds(lab: LabPool, pool: Htcondor, raw: Lane, worker: Lane) -> list[Figure]:
    worker.call("advertise", STARTDS, 0)
    # advertise() returns before the collector has taken all in
    until(lambda: raw.call("startds")[0] >= STARTDS, f"{STARTDS} ads; the collector's log is in {lab.directory}")
    return compare(
        f"reading of {STARTDS} startds",
        lambda: float(raw.call("startds")[1]),
        lambda: pool.startds(1.0),
        lambda turn: worker.call("advertise", STARTDS, turn),
    )


def jobs(lab: LabPool, pool: Htcondor, raw: Lane) -> list[Figure]:
    for kind in range(CLASSES):
        lab.submit([LabJob(seconds=600, queue="atlas", memory_mib=100 + kind)] * (JOBS // CLASSES))
    address = lab.access_points[0].address
    return compare(
        f"reading of {JOBS} idle jobs in {CLASSES} classes",
        lambda: float(raw.call("groups", address)[1]),
        lambda: pool.jobs(1.0),
        lambda _: None,
    )


def figures() -> list[Figure]:
    with lab_directory() as directory, LabPool(directory / "pool", "stock") as lab:
        stop_negotiator(lab)
        return _measure(directory, lab)


def _measure(directory: Path, lab: LabPool) -> list[Figure]:
    tokens = lab.tokens(directory / "factory")
    config = HtcondorPool(collector=lab.collector, token_directory=str(tokens), trust_domain=DOMAIN)
    pool = Htcondor("bench", config, QUEUES)
    raw, worker = lanes(lab, directory, tokens)
    try:
        return startds(lab, pool, raw, worker) + jobs(lab, pool, raw)
    finally:
        for closing in (pool, raw, worker):
            closing.close()


def lanes(lab: LabPool, directory: Path, tokens: Path) -> tuple[Lane, Lane]:
    """A child for the raw calls, with the factory's tokens, and one that may advertise."""
    own = directory / "worker-tokens"
    own.mkdir(mode=0o700)
    (own / "worker").touch(0o600)
    (own / "worker").write_text(lab.worker_token() + "\n")
    raw, worker = (
        Lane("tests.benchmarks.raw_tasks", (lab.collector, str(folder), DOMAIN, 60.0), most=1, limit_s=60)
        for folder in (tokens, own)
    )
    return raw, worker
