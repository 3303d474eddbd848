"""Clouds of pilots in the schedd of a real pool. No worker is there, so pilots wait, unless a test boots one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.clouds.condor_jobs.cloud import CondorJobs
from actors.config.schema import CondorJobsCloud, HtcondorPool
from deploy.lab.pool.pool import LabPool
from deploy.lab.pool.user import DOMAIN
from tests.condor_pool import fresh_pool, lab_pool, plain_node  # noqa: F401

PATIENT_S = 20.0
MakePilots = Callable[..., CondorJobs]


def pool_of(lab: LabPool, tokens: Path) -> HtcondorPool:
    directory = str(lab.submitter_tokens(tokens))
    return HtcondorPool(collector=lab.collector, token_directory=directory, trust_domain=DOMAIN)


def pilots_config(**changes: object) -> CondorJobsCloud:
    known = {"kind": "condor-jobs", "pool": "local", "max_vms": 100, "timeout_s": PATIENT_S}
    shape = {"cpus": 1, "memory_mib": 16, "disk_mib": 10}
    submit = {"transfer_executable": "false", "request_memory": "16M", "request_disk": "1M", "request_cpus": "1"}
    job = {"executable": "/bin/sleep", "arguments": "600", "submit": {**submit, **changes.pop("submit", {})}}  # type: ignore[dict-item]
    return CondorJobsCloud.model_validate({**known, "shape": shape, **job, **changes})


@pytest.fixture
def make_pilots(tmp_path: Path, factory: str) -> Iterator[MakePilots]:
    """make_pilots(lab, name="pilots", **config): a cloud of this test's factory."""
    made: list[CondorJobs] = []

    def make(lab: LabPool, name: str = "pilots", **config: object) -> CondorJobs:
        pool = pool_of(lab, tmp_path / "submitter")
        made.append(CondorJobs(name, pilots_config(**config), pool, factory))
        return made[-1]

    yield make
    for cloud in made:
        cloud.close()
