"""At HTCondor's own pace: a worker that joins between two negotiations has its job sooner where the pool is woken."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from deploy.lab.pool.daemon_config import Pace
from tests.actors.pools.htcondor.condor_site import CondorSite
from tests.condor_pool import NodeMaker, PoolMaker, condor, fresh_pool, plain_node, until  # noqa: F401

pytestmark = pytest.mark.lab
CYCLE_S, LEAST_S, LATE_S = 60.0, 20.0, 15.0


def test_a_wake_brings_the_negotiator_before_its_time(
    fresh_pool: PoolMaker,  # noqa: F811
    plain_node: NodeMaker,  # noqa: F811
    tmp_path: Path,
) -> None:
    site = CondorSite(fresh_pool(Pace.STOCK), tmp_path / "tokens", plain_node)
    try:
        submitted = time.monotonic()
        site.submit("atlas", 1)  # which asks for a negotiation: the next comes 60 s later
        machine = site.boot()
        until(lambda: machine in site.lab.tool("condor_status", "-af", "CloudInstanceID"), "the worker joins")
        joined = time.monotonic() - submitted
        assert joined < LEAST_S + LATE_S, "the machine is too busy for this test"
        site.pool.wake()
        until(site.executing, "its job runs", CYCLE_S)
        assert time.monotonic() - submitted < max(joined, LEAST_S) + LATE_S
    finally:
        site.close()
