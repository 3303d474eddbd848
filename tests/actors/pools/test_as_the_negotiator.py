"""We want a VM exactly where the negotiator would run the job on one: a table of jobs, held against the real one.

Each case is a queue of its own with one job. First, with no worker there, our reading says which of them a worker
would suit. Then a worker comes that is what was promised, and HTCondor runs what it runs.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from actors.fleet.observations import JobClass, JobsSeen, ScheddSeen
from actors.fleet.shape import Shape
from actors.policies.provisioning.matchmaking import load
from actors.policies.rules import QueueRules, cloud_rules
from deploy.lab.pool.access_point import LabJob
from tests.actors.pools.htcondor.condor_site import factory_pool
from tests.condor_pool import NodeMaker, PoolMaker, condor, fresh_pool, plain_node, until  # noqa: F401

pytestmark = pytest.mark.lab

MEMORY_MIB, DISK_MIB, CPUS = 1_000, 2_048, 4
FULL = "ifThenElse(isUndefined(TotalCpus), 1, TotalCpus)"
LATER, BEFORE = int(time.time()) + 3_600, int(time.time()) - 3_600

# What is said of a job: submit lines in lower case, attributes of its ad with a capital.
JOBS: dict[str, Mapping[str, str]] = {
    "plain": {},
    "all_cpus": {"request_cpus": str(CPUS)},
    "too_many_cpus": {"request_cpus": str(CPUS + 1)},
    "as_many_as_there_are": {"request_cpus": FULL},
    "more_than_there_are": {"request_cpus": "TotalCpus + 1"},
    "half_a_cpu": {"RequestCpus": "0.5"},
    "text_for_memory": {"RequestMemory": '"lots"'},
    "memory_below_a_step": {"request_memory": "890"},
    "memory_within_the_last_step": {"request_memory": "950"},
    "too_much_memory": {"request_memory": "1100"},
    "too_much_disk": {"request_disk": "4G"},
    "a_gpu": {"request_gpus": "1"},
    "not_that_machine": {"requirements": 'TARGET.Machine != "bad.lab"'},
    "that_machine": {"requirements": 'TARGET.Machine == "bad.lab"'},
    "of_our_queue": {"requirements": 'TARGET.APFQueue == "atlas"'},
    "of_another_queue": {"requirements": 'TARGET.APFQueue == "cms"'},
    "a_transfer_method": {"requirements": 'stringListMember("https", TARGET.HasFileTransferPluginMethods)'},
    "one_slot": {"requirements": "TARGET.TotalSlots == 1"},
    "an_image_of_now": {"requirements": "TARGET.OpSysMajorVer >= 7"},
    "a_licence": {"requirements": "TARGET.HasLicence"},
    "no_licence": {"requirements": "TARGET.HasLicence =!= true"},
    "later": {"requirements": f"time() > {LATER}"},
    "by_now": {"requirements": f"time() > {BEFORE}"},
    "undefined": {"requirements": "TARGET.Nothing > 3"},
    "an_error": {"requirements": '("a" + 1) > 3'},
    "short_retirement": {"MaxJobRetirementTime": "0"},
    "cooling_down": {"JobCoolDownExpiration": str(LATER)},
    "cooled_down": {"JobCoolDownExpiration": str(BEFORE)},
    "managed_elsewhere": {"Managed": '"External"'},
    "java": {"JobUniverse": "10"},
    "mpi": {"JobUniverse": "8"},
    "parallel": {"WantParallelScheduling": "true"},
    "a_container": {"requirements": "TARGET.HasDocker"},
}
QUEUES = tuple((name, f'MATCH_APF_QUEUE == "{name}"', "true", 0.0) for name in JOBS)
CLOUD = cloud_rules(
    name="private",
    shape=Shape(cpus=CPUS, memory_mib=MEMORY_MIB, disk_mib=DISK_MIB),
    max_vms=5,
    attributes=(("APFQueue", '"atlas"'),),
)


def job(name: str) -> LabJob:
    said = JOBS[name]
    return LabJob(
        seconds=0.1,
        queue=name,
        attributes={key: text for key, text in said.items() if key[0].isupper()},
        submit={key: text for key, text in said.items() if not key[0].isupper()},
    )


def wanted(name: str, found: JobClass) -> bool:
    seen = JobsSeen(source="lab", at=1.0, classes=(found,), schedds=(ScheddSeen(name="a"),))
    return load(QueueRules(name=name, cascade=(("private",),)), seen, [CLOUD]).left == (1,)


def test_we_want_a_vm_exactly_where_the_negotiator_would_run_the_job_on_one(
    fresh_pool: PoolMaker,  # noqa: F811
    plain_node: NodeMaker,  # noqa: F811
    tmp_path: Path,
) -> None:
    lab = fresh_pool()
    pool = factory_pool(lab, tmp_path / "tokens", queues=QUEUES)
    try:
        for name in JOBS:
            lab.submit([job(name)])
        slots = dict.fromkeys(JOBS, (("private", 0, CLOUD.slot),))
        ours = {found.queue: wanted(found.queue, found) for found in pool.jobs(1.0, slots).classes}
    finally:
        pool.close()
    assert ours.keys() == JOBS.keys()

    start = "TARGET.MaxJobRetirementTime =?= undefined || TARGET.MaxJobRetirementTime >= $(MAXJOBRETIREMENTTIME)"
    settings = {"MEMORY": str(MEMORY_MIB), "START": start}
    plain_node(lab, "i-1", cpus=CPUS, settings=settings)
    expected = {name for name, suits in ours.items() if suits}

    def ran() -> set[str]:
        waiting = {one.queue for one in lab.queue() if not one.starts and one.status == 1}
        return set(JOBS) - waiting

    until(lambda: ran() >= expected, f"they run: {sorted(expected)}", 240)
    for number in range(2):  # then the negotiator has had its look at all of them
        lab.submit([LabJob(seconds=0.1, queue=f"last-{number}")])
        until(lambda at=number: f"last-{at}" not in {one.queue for one in lab.queue()}, "one more runs", 120)
    assert ran() == expected
