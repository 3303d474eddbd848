"""At HTCondor's own pace the negotiator comes each minute; who wakes the pool has it at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.config.schema import HtcondorPool
from actors.pools.htcondor.pool import Htcondor
from actors.pools.port import PoolDenied
from deploy.lab.pool.daemon_config import Pace
from deploy.lab.pool.pool import LabPool
from deploy.lab.pool.user import DOMAIN
from tests.actors.pools.htcondor.condor_site import factory_pool
from tests.condor_pool import PoolMaker, condor, fresh_pool, lab_pool, until  # noqa: F401

pytestmark = pytest.mark.lab
LEAST_S, SOON_S = 20.0, 15.0  # NEGOTIATOR_CYCLE_DELAY; a busy machine's negotiator needs so long for a cycle
CYCLE = "Started Negotiation Cycle"


def negotiations(lab: LabPool) -> int:
    logs = lab.directory.rglob("NegotiatorLog")
    return sum(log.read_text(errors="replace").count(CYCLE) for log in logs)


def unchanged_for(age_s: float, value: Callable[[], int]) -> Callable[[], bool]:
    seen = {"value": value(), "since": time.monotonic()}

    def condition() -> bool:
        if (now := value()) != seen["value"]:
            seen.update(value=now, since=time.monotonic())
        return seen["value"] > 0 and time.monotonic() - seen["since"] >= age_s

    return condition


def test_a_wake_brings_the_negotiator_before_its_time(fresh_pool: PoolMaker, tmp_path: Path) -> None:  # noqa: F811
    lab = fresh_pool(Pace.STOCK)
    pool = factory_pool(lab, tmp_path / "tokens")
    until(unchanged_for(LEAST_S + 1.0, lambda: negotiations(lab)), "the last negotiation is old enough")
    before = negotiations(lab)
    pool.wake()
    until(lambda: negotiations(lab) > before, "a negotiation, which would come 39 s later", SOON_S)
    pool.close()


def test_who_may_not_call_the_negotiator_is_told_so(lab_pool: LabPool, tmp_path: Path) -> None:  # noqa: F811
    text = lab_pool.worker_token()
    folder = tmp_path / "worker"
    folder.mkdir(mode=0o700)
    (folder / "token").write_text(text + "\n")
    (folder / "token").chmod(0o600)
    config = HtcondorPool(collector=lab_pool.collector, token_directory=str(folder), trust_domain=DOMAIN)
    pool = Htcondor("lab", config, ())
    with pytest.raises(PoolDenied):
        pool.wake()
    pool.close()
