"""The worker that the user-data makes, on real HTCondor: launched through the EC2 API, booted from nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.clouds.ec2.cloud import Ec2
from actors.clouds.worker.start_expression import start
from actors.clouds.worker.token import mint
from actors.clouds.worker.user_data import Worker, render, template
from actors.config.schema import Ec2Account
from actors.fleet.observations import Instance
from deploy.lab.cloud.hypervisor import MachineType
from deploy.lab.pool.access_point import JobRecord, LabJob
from deploy.lab.pool.master import ToolFailed
from deploy.lab.pool.node import Hardware
from deploy.lab.site import Site
from tests.actors.clouds.conformance import order, started
from tests.actors.clouds.conftest import ec2_config
from tests.condor_pool import until
from tests.late import NotWithin

pytestmark = pytest.mark.lab
Boot = Callable[..., Instance]


@pytest.fixture(scope="module")
def site(condor: Path) -> Iterator[Site]:
    """One site for this file: each test has a queue of its own, named after its factory."""
    with Site(prefix=condor, types={"m5.large": MachineType(hardware=Hardware(cpus=2))}) as running:
        yield running


@pytest.fixture
def boot(site: Site, factory: str) -> Iterator[Boot]:
    """boot(slots=..., unclaimed_poweroff_s=..., worker_config=...): an instance whose startd has joined."""
    config = ec2_config(endpoint=site.cloud.endpoint, instance_type="m5.large")
    account = Ec2Account(kind="ec2", access_key_id="env:KEY", secret_access_key="env:SECRET")
    cloud = Ec2(factory=factory, name="private", config=config, account=account, reveal=str)

    def one(queue: str = factory, jobs: str = "", **changes: object) -> Instance:
        token = mint(site.pool.worker_token_command, 20, time.time())
        wanted = start(jobs or f'MATCH_APF_QUEUE == "{queue}"')
        facts = {"factory": factory, "cloud": "private", "queue": queue, "token": token, "start": wanted}
        worker = Worker(**{**facts, "collector": site.pool.collector, **changes})  # type: ignore[arg-type]
        (instance,) = started(cloud, order(f"intent-{time.monotonic_ns()}", user_data=render(template(), worker)))
        until(lambda: slots(site, instance), f"{instance.id} joins")
        return instance

    yield one
    cloud.end([found.id for found in cloud.listing(0.0).instances])
    cloud.close()


def slots(site: Site, instance: Instance, *attributes: str) -> list[list[str]]:
    """The slots that carry an instance's id, each with some of its attributes."""
    constraint = f'CloudInstanceID == "{instance.id}" && SlotType =!= "Dynamic"'
    said = site.pool.tool("condor_status", "-constraint", constraint, "-af:t", *(attributes or ["Name"]))
    return [line.split("\t") for line in said.splitlines()]


def finished(site: Site, queue: str, jobs: int, limit_s: float = 40) -> list[JobRecord]:
    def done() -> list[JobRecord]:
        return [job for job in site.pool.history() if job.queue == queue]

    until(lambda: len(done()) >= jobs, f"{jobs} jobs of {queue} are done", limit_s)
    return done()


def waiting(site: Site, queues: set[str]) -> list[JobRecord]:
    return [job for job in site.pool.queue() if job.queue in queues]


def ended(site: Site, instance: Instance) -> str:
    """How an instance ended, by the cloud's ledger; empty: it did not."""
    hows = [entry["how"] for entry in site.cloud.control.ledger() if instance.id in entry["ids"] and "how" in entry]
    return "".join(hows)


def test_a_worker_joins_says_who_it_is_and_runs_its_queues_jobs_only(site: Site, boot: Boot, factory: str) -> None:
    instance = boot(worker_config='Extra = "operator"\nSTARTD_ATTRS = $(STARTD_ATTRS) Extra')
    attributes = ["APFQueue", "APFCloud", "MaxJobRetirementTime", "Extra", "State", "CloudInterruptible", "Cpus"]
    assert slots(site, instance, *attributes) == [
        [factory, "private", "315360000", "operator", "Unclaimed", "false", "2"]
    ]
    site.pool.submit([LabJob(queue="cms"), LabJob(queue=factory, submit={"nice_user": "true"})])
    site.pool.submit([LabJob(queue=factory, attributes={"MaxJobRetirementTime": "60"})])
    site.pool.submit([LabJob(queue=factory), LabJob(queue=factory, attributes={"MaxJobRetirementTime": "315360000"})])
    done = finished(site, factory, 2)
    assert all(job.completed and job.undisturbed and job.instance_id == instance.id for job in done)
    assert [job.starts for job in waiting(site, {"cms", factory})] == [0, 0, 0]


def test_an_expression_with_names_that_slots_have_and_with_dollar_signs_still_asks_the_job(
    site: Site, boot: Boot, factory: str
) -> None:
    boot(jobs='regexp("sleep$", Cmd) && Rank =?= 7.0 && State is undefined // a slot has a State and a Rank')
    site.pool.submit([LabJob(queue=factory, attributes={"Rank": rank}) for rank in ("8.0", "7.0")])
    (done,) = finished(site, factory, 1)
    assert done.undisturbed
    assert [job.starts for job in waiting(site, {factory})] == [0]


def test_static_slots_are_one_a_core(site: Site, boot: Boot) -> None:
    assert slots(site, boot(slots="static"), "SlotType", "Cpus") == [["Static", "1"], ["Static", "1"]]


WRITABLE, IS_SCRATCH = 'test -d "$HOME" -a -w "$HOME"', 'test "$HOME" = "$_CONDOR_SCRATCH_DIR"'
IS_OWN = 'test "$HOME" = "$(getent passwd "$(id -u)" | cut -d: -f6)"'  # of a person who runs the lab; nobody has none


def test_a_job_has_a_home_that_it_can_write_to(site: Site, boot: Boot, factory: str) -> None:
    boot()
    script = f"#!/bin/sh\n{WRITABLE} && {{ {IS_SCRATCH} || {IS_OWN}; }}\n"
    file = site.pool.user.write(site.pool.directory / "home", script, 0o755)
    site.pool.submit([LabJob(queue=factory, submit={"executable": str(file), "environment": '"HOME=/nonexistent"'})])
    (done,) = finished(site, factory, 1)
    assert done.exit_code == 0


def test_no_job_starts_before_the_worker_has_proven_that_cvmfs_answers_nor_after_it_does_not(
    site: Site, boot: Boot, factory: str
) -> None:
    """Here a repository is a folder: that CVMFS itself mounts one is the image's affair."""
    wanted = start(f'MATCH_APF_QUEUE == "{factory}"', cvmfs=True)
    instance = boot(cvmfs=("atlas.cern.ch",), cvmfs_proxy="DIRECT", cvmfs_period_s=1, start=wanted)
    proof = ("HAS_CVMFS_atlas_cern_ch", "APFCvmfs")
    until(lambda: slots(site, instance, *proof) == [["false", "false"]], "it says that nothing answers", 40)
    site.pool.submit([LabJob(queue=factory)])
    assert [job.starts for job in waiting(site, {factory})] == [0]
    repository = site.pool.directory / "nodes" / instance.id / "cvmfs/atlas.cern.ch"
    repository.mkdir(parents=True)
    (repository / "repo").touch()
    (done,) = finished(site, factory, 1)
    assert done.undisturbed
    (repository / "repo").unlink()
    until(lambda: slots(site, instance, *proof) == [["false", "false"]], "it says that it does not answer", 40)
    site.pool.submit([LabJob(queue=factory)])
    with pytest.raises(NotWithin):
        finished(site, factory, 2, limit_s=5)


def test_the_dead_mans_switch_ends_idle_and_drained_workers_and_no_job(site: Site, boot: Boot, factory: str) -> None:
    idle, drained = boot("idle", unclaimed_poweroff_s=8), boot("drained", unclaimed_poweroff_s=8)
    site.pool.tool("condor_drain", "-graceful", slots(site, drained, "Machine")[0][0])
    busy = boot(unclaimed_poweroff_s=8)
    site.pool.submit([LabJob(seconds=13, queue=factory)])
    until(lambda: slots(site, drained, "State") in ([["Drained"]], []), "it drains", 20)
    (done,) = finished(site, factory, 1)
    assert done.completed
    assert done.undisturbed
    assert done.instance_id == busy.id
    for instance in (idle, drained, busy):
        until(lambda instance=instance: ended(site, instance), "the dead man's switch", 40)  # type: ignore[misc]
        assert ended(site, instance) == "poweroff"


def test_the_workers_token_lets_it_advertise_and_nothing_else(site: Site, boot: Boot) -> None:
    instance = boot()
    node = site.hypervisor.nodes[instance.id]
    with pytest.raises(ToolFailed):
        node.master.tool("condor_drain", "-graceful", slots(site, instance, "Machine")[0][0])
    assert slots(site, instance, "State") == [["Unclaimed"]]
