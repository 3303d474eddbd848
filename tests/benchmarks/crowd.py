"""One user's jobs that are each a class of their own, beside an innocent queue: read and decided.

Each job's Requirements name its own number, so the schedd tells of each by itself. Raw is the same GroupBy query alone,
in a child, in turns with the reading; the reading evaluates each with the cloud's slot, and what it tells is decided.
"""

from __future__ import annotations

import statistics
import time

from actors.config.schema import HtcondorPool
from actors.fleet.observations import JobsSeen
from actors.fleet.shape import Shape
from actors.policies.provisioning.matchmaking import load
from actors.policies.rules import QueueRules, cloud_rules
from actors.pools.htcondor.pool import Htcondor
from deploy.lab.pool.access_point import LabJob
from deploy.lab.pool.pool import LabPool
from deploy.lab.pool.user import DOMAIN, lab_directory
from tests.benchmarks.figures import Figure
from tests.benchmarks.reading import lanes
from tests.benchmarks.site import stop_negotiator

JOBS, AT_ONCE, INNOCENT = 45_000, 5_000, 100
ROUNDS = 3
MOST_RATIO = 3.0
QUEUES = tuple((name, f'MATCH_APF_QUEUE == "{name}"', "true", 0.0) for name in ("atlas", "cms"))
CLOUD = cloud_rules(name="private", shape=Shape(cpus=8, memory_mib=16_000, disk_mib=100_000), max_vms=100)


def figures() -> list[Figure]:
    return measured(JOBS)


def measured(jobs: int) -> list[Figure]:
    with lab_directory() as directory, LabPool(directory / "pool", "stock") as lab:
        stop_negotiator(lab)
        for first in range(0, jobs, AT_ONCE):
            _submit(lab, min(AT_ONCE, jobs - first))
        lab.submit([LabJob(seconds=600, queue="cms")] * INNOCENT)
        tokens = lab.tokens(directory / "factory")
        config = HtcondorPool(
            collector=lab.collector, token_directory=str(tokens), trust_domain=DOMAIN, timeout_s=120.0
        )
        pool = Htcondor("bench", config, QUEUES)
        raw, worker = lanes(lab, directory, tokens)
        try:
            raws, ours = [], []
            for _ in range(ROUNDS):
                raws.append(float(raw.call("groups", lab.access_points[0].address)[1]))
                ours.append(_read_and_decided(pool, jobs))
        finally:
            for closing in (pool, raw, worker):
                closing.close()
    what = f"{jobs} jobs, each a class of its own, beside an innocent queue: read and decided"
    raw_s, ours_s = statistics.median(raws), statistics.median(ours)
    return [Figure(what=what, raw=raw_s, ours=ours_s, unit="s", judge="ratio", limit=MOST_RATIO)]


def _submit(lab: LabPool, jobs: int) -> None:
    """One line for all of them: an item a job takes condor_submit many times as long."""
    master = lab.access_points[0].master
    crowd = LabJob(queue="atlas", submit={"requirements": "ProcId =!= 999999", "arguments": "600"})
    description = master.directory / "crowd.sub"
    master.user.write(description, f"{crowd.kind()}queue {jobs}\n")
    master.tool("condor_submit", "-terse", str(description))


def _read_and_decided(pool: Htcondor, jobs: int) -> float:
    """Seconds. Both queues have to be read whole."""
    start = time.perf_counter()
    seen = pool.jobs(1.0, {name: (("private", 0, CLOUD.slot),) for name, *_ in QUEUES})
    left = {name: _waiting(seen, name) for name, *_ in QUEUES}
    took_s = time.perf_counter() - start
    assert left == {"atlas": jobs, "cms": INNOCENT}, f"{left}: {seen.schedds}"
    return took_s


def _waiting(seen: JobsSeen, name: str) -> int:
    classes = tuple(job for job in seen.classes if job.queue == name)
    part = JobsSeen(source=seen.source, at=seen.at, classes=classes, schedds=seen.schedds)
    return sum(load(QueueRules(name=name, cascade=(("private",),)), part, [CLOUD]).left)
