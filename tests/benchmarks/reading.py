"""Readings beside the raw htcondor2 calls, in the same run: python -m tests.benchmarks.reading [startds] [jobs]

Each figure is the median of ROUNDS, raw and reading in turns; what counts is their ratio, since machines differ. A
watching thread sleeps a millisecond at a time meanwhile: the longest oversleep is the longest stall of the host.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from actors.config import HtcondorPool
from actors.pools.children import Lane
from actors.pools.htcondor import Htcondor
from deploy.lab import processes
from deploy.lab.access_point import LabJob
from deploy.lab.pool import LabPool
from deploy.lab.user import DOMAIN, lab_directory

STARTDS, JOBS, CLASSES = 10_000, 50_000, 10
ROUNDS = 7
MOST_RATIO, MOST_STALL_S = 1.5, 0.05
QUEUES = (("atlas", 'MATCH_APF_QUEUE == "atlas"', "true", 0.0),)


class Watch:
    """The longest time that another thread of this process was kept from running."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.longest_s = 0.0

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            start = time.perf_counter()
            time.sleep(0.001)
            self.longest_s = max(self.longest_s, time.perf_counter() - start - 0.001)


def compare(what: str, raw: Callable[[], float], reading: Callable[[], object]) -> bool:
    """Print one line; whether it keeps the limits."""
    reading()
    raws, readings, stalls = [], [], []
    for _ in range(ROUNDS):
        raws.append(raw())
        with Watch() as watch:
            start = time.perf_counter()
            reading()
            readings.append(time.perf_counter() - start)
        stalls.append(watch.longest_s)
    raw_s, reading_s, stall_s = map(statistics.median, (raws, readings, stalls))
    ratio = reading_s / raw_s
    sys.stdout.write(
        f"{what}: raw {raw_s:.3f} s, reading {reading_s:.3f} s, ratio {ratio:.2f}, stall {stall_s * 1000:.0f} ms\n"
    )
    return ratio <= MOST_RATIO and stall_s <= MOST_STALL_S


def startds(lab: LabPool, pool: Htcondor, raw: Lane, worker: Lane) -> bool:
    worker.call("advertise", STARTDS)
    deadline = time.monotonic() + 60
    while raw.call("startds")[0] < STARTDS:  # advertise() returns before the collector has taken all in
        if time.monotonic() > deadline:
            raise TimeoutError(f"the collector did not take {STARTDS} ads; its log is in {lab.directory}")
    return compare(f"{STARTDS} startds", lambda: float(raw.call("startds")[1]), lambda: pool.startds(1.0))


def jobs(lab: LabPool, pool: Htcondor, raw: Lane) -> bool:
    for kind in range(CLASSES):
        lab.submit([LabJob(seconds=600, queue="atlas", memory_mib=100 + kind)] * (JOBS // CLASSES))
    address = lab.access_points[0].address
    return compare(
        f"{JOBS} idle jobs in {CLASSES} classes",
        lambda: float(raw.call("groups", address)[1]),
        lambda: pool.jobs(1.0),
    )


def run(wanted: list[str], directory: Path, lab: LabPool) -> bool:
    tokens = directory / "factory"
    config = HtcondorPool(collector=lab.collector, token_directory=str(lab.tokens(tokens)), trust_domain=DOMAIN)
    pool = Htcondor("bench", config, QUEUES)
    raw = Lane("tests.benchmarks.raw_tasks", (lab.collector, str(tokens), DOMAIN, 60.0), most=1, limit_s=60)
    worker_tokens = directory / "worker"
    worker_tokens.mkdir(mode=0o700)
    (worker_tokens / "worker").touch(0o600)
    (worker_tokens / "worker").write_text(lab.worker_token() + "\n")
    worker = Lane("tests.benchmarks.raw_tasks", (lab.collector, str(worker_tokens), DOMAIN, 60.0), most=1, limit_s=60)
    kept = []
    if "startds" in wanted:
        kept.append(startds(lab, pool, raw, worker))
    if "jobs" in wanted:
        kept.append(jobs(lab, pool, raw))
    for closing in (pool, raw, worker):
        closing.close()
    return all(kept)


def main(wanted: list[str]) -> bool:
    """Whether all limits were kept."""
    with lab_directory() as directory, LabPool(directory / "pool", "stock") as lab:
        negotiator = lab._central.pid("condor_negotiator")
        if negotiator is not None:
            processes.freeze_tree(negotiator)  # it would try to match jobs with startds that are not there
        return run(wanted, directory, lab)


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1:] or ["startds", "jobs"]) else 1)
