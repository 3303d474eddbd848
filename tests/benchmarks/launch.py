"""From a job that is visible in the schedd to the RunInstances call.

200 jobs are submitted to a real schedd at random moments, each to one of 20 queues, so that each raises its queue's
want by one. The pool is read every 5 s. A job waits for the poll's phase and for the query; what remains is the
factory's own: from the end of the first reading that can hold the job to the first byte of RunInstances at an endpoint.
The raw call beside it is boto3's own run_instances to the same endpoint: from the call to the first byte.
"""

from __future__ import annotations

import random
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import boto3
from botocore.config import Config as BotoConfig

from actors.clouds.ec2.request import freeze, thaw
from actors.clouds.port import Order
from actors.config.schema import Config, Ec2Cloud
from deploy.lab.pool.access_point import LabJob
from tests.benchmarks.endpoint import Arrival, Endpoint
from tests.benchmarks.figures import Figure, percentile
from tests.benchmarks.site import BenchHost, BenchSite, Note, until

SUBMISSIONS, QUEUES = 200, 20
POLL_S = 5.0
BETWEEN_S = 0.8  # on average
LIMIT_MS = 100.0
RAW_CALLS = 50
SEED = 20


def figures() -> list[Figure]:
    queues = [f"q{number}" for number in range(QUEUES)]
    with BenchSite() as site:
        config = site.config(queues, ["private"], pool={"interval_s": POLL_S})
        host = site.host(config)
        host.start()
        try:
            _until_ready(host)
            visible = submit(site, queues)
            until(lambda: _launched(site.endpoint) >= SUBMISSIONS, f"{SUBMISSIONS} launches: {host.text()[-2000:]}")
            notes = host.notes()
            host.stop()
        finally:
            host.close()
        arrivals = list(site.endpoint.arrivals)
        raw = raw_calls_s(site.endpoint, config)
    readings = [note for note in notes if note.what == "jobs"]
    rest = remains_s(visible, arrivals, readings)
    _tell_stages(arrivals, notes)
    return [
        Figure(
            what=f"idle job -> RunInstances without poll and query, p{percent} of {len(rest)}",
            raw=percentile(raw, percent) * 1e3,
            ours=percentile(rest, percent) * 1e3,
            unit="ms",
            limit=LIMIT_MS if percent == 95 else None,
        )
        for percent in (50, 95)
    ]


def _until_ready(host: BenchHost) -> None:
    """Readings came, and the submitter has looked a few times: what it prepares before it is needed is there."""

    def ready() -> bool:
        looks = [note for note in host.notes() if note.what == "submitter"]
        return bool(looks) and looks[-1].began - looks[0].began > 2 * POLL_S

    until(ready, f"a host at work: {host.text()[-2000:]}")


def submit(site: BenchSite, queues: Sequence[str]) -> dict[str, list[float]]:
    """Submit one by one; when each was visible in the schedd, by queue."""
    chance = random.Random(SEED)
    visible: dict[str, list[float]] = defaultdict(list)
    for number in range(SUBMISSIONS):
        time.sleep(chance.expovariate(1 / BETWEEN_S))
        queue = queues[number % len(queues)]
        site.pool.submit([LabJob(seconds=600, queue=queue)])
        visible[queue].append(time.monotonic())
    return visible


def _launched(endpoint: Endpoint) -> int:
    return sum(arrival.instances for arrival in endpoint.arrivals)


def remains_s(visible: dict[str, list[float]], arrivals: Sequence[Arrival], readings: Sequence[Note]) -> list[float]:
    """For each job, what remains between the end of the reading that showed it and the call that started its VM."""
    calls: dict[str, list[float]] = defaultdict(list)
    for arrival in arrivals:
        calls[arrival.queue] += [arrival.at] * arrival.instances
    return [
        call - _shown(since, call, readings)
        for queue, moments in visible.items()
        for since, call in zip(moments, calls[queue], strict=True)
    ]


def _shown(since: float, call: float, readings: Sequence[Note]) -> float:
    """When the reading that showed the job ended: the first begun after it was visible, or one that ran just then."""
    ended = [reading.ended for reading in readings if reading.began >= since or reading.ended >= since]
    begun_after = next(reading.ended for reading in readings if reading.began >= since)
    return begun_after if begun_after <= call else max((end for end in ended if end <= call), default=call)


def raw_calls_s(endpoint: Endpoint, config: Config) -> list[float]:
    cloud = config.clouds["private"]
    assert isinstance(cloud, Ec2Cloud)
    client: Any = boto3.client(
        "ec2",
        endpoint_url=endpoint.url,
        region_name=cloud.region,
        aws_access_key_id="bench",
        aws_secret_access_key="bench",
        config=BotoConfig(retries={"total_max_attempts": 1}),
    )
    samples = []
    for number in range(RAW_CALLS):
        text = "#cloud-config\n" + "#" * 9000
        order = Order(intent=f"raw{number}", queue="raw", count=1, token=f"raw{number}", user_data=text, decision="")
        request = thaw(freeze(order, cloud, {"apf:factory": "bench", "apf:cloud": "raw"}))
        began = time.monotonic()
        client.run_instances(**request)
        samples.append(endpoint.arrivals[-1].at - began)
    return samples


def _tell_stages(arrivals: Sequence[Arrival], notes: Sequence[Note]) -> None:
    """Where the time goes: medians and 95th percentiles of what follows the end of a jobs reading."""
    readings = [note for note in notes if note.what == "jobs"]
    for what in ("scheduler", "submitter"):
        took = [(note.ended - note.began) * 1e3 for note in notes if note.what == what]
        sys.stdout.write(
            f"  a look of the {what}: p50 {percentile(took, 50):.1f} ms, p95 {percentile(took, 95):.1f} ms\n"
        )
    together = [sum(r.ended <= a.at < r.ended + POLL_S / 2 for a in arrivals) for r in readings]
    sys.stdout.write(f"  launches after one reading: at most {max(together)}\n")
