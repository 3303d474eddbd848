"""A user's job can spoil only itself, however it is written: on a real schedd, with innocent jobs beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.fleet.observations import JobsSeen
from actors.fleet.shape import Shape
from actors.policies.rules import cloud_rules
from actors.pools.htcondor.pool import Htcondor
from deploy.lab.pool.access_point import LabJob
from deploy.lab.pool.pool import LabPool
from tests.actors.pools.htcondor.condor_site import factory_pool
from tests.condor_pool import condor, lab_pool, until  # noqa: F401
from tests.late import NotWithin, in_time

pytestmark = pytest.mark.lab

LIMIT_S = 15.0
SLOT = cloud_rules(name="private", shape=Shape(cpus=8, memory_mib=8_000, disk_mib=20_000), max_vms=3).slot
SLOTS = {"atlas": (("private", 0, SLOT),), "cms": (("private", 0, SLOT),)}
HELD = {"hold": "true"}
DOUBLING = {"A0": "1", **{f"A{n}": f"A{n - 1} + A{n - 1}" for n in range(1, 27)}}


@pytest.fixture
def lab(lab_pool: LabPool) -> Iterator[LabPool]:  # noqa: F811
    yield lab_pool
    point = lab_pool.access_points[0]
    point.remove()
    if point.queue():  # of a job that another program manages, only it says when it is gone
        point.master.tool("condor_rm", "-forcex", "-constraint", "true")
    until(lambda: not lab_pool.queue(), "the queue is empty")


@pytest.fixture
def pool(lab: LabPool, tmp_path: Path) -> Iterator[Htcondor]:
    made = factory_pool(lab, tmp_path / "tokens", timeout_s=LIMIT_S)
    yield made
    made.close()


def suited(seen: JobsSeen, queue: str = "atlas") -> int:
    """Held jobs that the cloud suits."""
    return sum(job.held for job in seen.classes if job.queue == queue and any(one.suits for one in job.answers))


def said(seen: JobsSeen) -> str:
    return " ".join(note for schedd in seen.schedds for note in schedd.notes)


def held(lab: LabPool, requirements: str, **attributes: str) -> str:
    job = LabJob(queue="atlas", attributes=attributes, submit={**HELD, "requirements": requirements})
    (number,) = lab.submit([job])
    return number


def test_requirements_that_are_too_long_are_not_evaluated_and_named(lab: LabPool, pool: Htcondor) -> None:
    lab.submit([LabJob(queue="atlas", submit=HELD)] * 3)
    long = held(lab, " || ".join(["(TARGET.Memory == 123456789)"] * 5_000))
    seen = pool.jobs(1.0, SLOTS)
    assert seen.complete
    assert suited(seen) == 3
    assert f"job {long}: " in said(seen)
    (apart,) = (job for job in seen.classes if job.apart)
    assert (apart.queue, apart.held) == ("atlas", 1)


def test_an_evaluation_without_end_loses_only_its_job_and_once_its_second(lab: LabPool, pool: Htcondor) -> None:
    lab.submit([LabJob(queue="atlas", submit=HELD)] * 3)
    dear = 'isError(regexp("^(a+)+(b+)+$", strcat(X, X, X, X, X, "c")))'  # true after some tenths of a second
    slow = held(lab, " && ".join([dear] * 40), X=f'"{"a" * 400}"')
    seen = pool.jobs(1.0, SLOTS)
    assert (seen.complete, suited(seen)) == (True, 3)
    assert f"job {slow}: evaluating it took longer" in said(seen)
    start = time.monotonic()
    assert f"job {slow}: " in said(pool.jobs(1.0, SLOTS))
    in_time(1.0, start, "it is not tried again at once")


def test_attributes_that_double_each_other_do_not_hide_the_other_jobs_of_their_schedd(
    lab: LabPool, pool: Htcondor
) -> None:
    lab.submit([LabJob(queue="atlas", submit=HELD)] * 3)
    bomb = held(lab, "A26 > 0", **DOUBLING)
    until(lambda: pool.jobs(1.0, SLOTS).complete, "the schedd is read in the other way", 60)
    seen = pool.jobs(1.0, SLOTS)
    assert (seen.complete, suited(seen)) == (True, 3)
    assert f"job {bomb}: " in said(seen)
    lab.access_points[0].remove(f"ClusterId == {bomb.partition('.')[0]}")
    until(lambda: not said(pool.jobs(1.0, SLOTS)), "it is forgotten when it is gone", 30)
    assert suited(pool.jobs(1.0, SLOTS)) == 3


def test_bytes_that_are_no_utf8_are_a_jobs_own_affair(lab: LabPool, pool: Htcondor) -> None:
    lab.submit([LabJob(queue="cms", submit=HELD)] * 2)
    master = lab.access_points[0].master
    description = master.directory / "latin-1.sub"
    master.user.write(description, "")
    description.write_bytes(
        b"executable = /bin/sleep\narguments = 600\nhold = true\nrequest_cpus = 1\nrequest_memory = 100M\n"
        b'request_disk = 1M\nMy.MATCH_APF_QUEUE = "atlas"\nMy.Group = "M\xfcller"\n'
        b'requirements = (Group =!= "x")\nqueue 3\n'
    )
    master.tool("condor_submit", "-terse", str(description))
    seen = pool.jobs(1.0, SLOTS)
    assert seen.complete
    assert (suited(seen), suited(seen, "cms")) == (3, 2)


def test_jobs_that_are_answered_alike_are_one_class_however_each_says_it(lab: LabPool, pool: Htcondor) -> None:
    lab.submit([LabJob(queue="atlas", submit={**HELD, "requirements": "ProcId =!= 999999"})] * 50)
    lab.submit([LabJob(queue="atlas", submit={**HELD, "requirements": "ProcId =?= 999999"})] * 50)
    seen = pool.jobs(1.0, SLOTS)
    assert sorted((job.held, job.answers[0].suits) for job in seen.classes) == [(50, False), (50, True)]


def test_a_time_in_requirements_is_asked_anew_by_each_reading(lab: LabPool, pool: Htcondor) -> None:
    due = int(time.time()) + 10
    held(lab, f"time() >= {due}")
    early = suited(pool.jobs(1.0, SLOTS))
    if time.time() >= due:
        raise NotWithin(10, "the job is read before its time")
    assert early == 0
    until(lambda: suited(pool.jobs(1.0, SLOTS)) == 1, "its time has come", 30)
    assert time.time() >= due


def test_what_the_schedd_does_not_offer_is_told_apart(lab: LabPool, pool: Htcondor) -> None:
    lab.submit([LabJob(queue="atlas", attributes={"JobCoolDownExpiration": str(int(time.time()) + 3600)})])
    lab.submit([LabJob(queue="atlas", attributes={"Managed": '"External"'})])
    lab.submit([LabJob(queue="atlas", attributes={"WantParallelScheduling": "true"})])
    lab.submit([LabJob(queue="atlas", attributes={"JobCoolDownExpiration": "5"})])
    seen = pool.jobs(1.0, SLOTS)
    assert sorted(job.idle for job in seen.classes if not job.apart) == [1]
    words = " ".join(job.apart for job in seen.classes if job.apart)
    assert "JobCoolDownExpiration" in words
    assert "External" in words
    assert "parallel" in words


def test_a_request_that_is_no_number_suits_no_cloud(lab: LabPool, pool: Htcondor) -> None:
    job = LabJob(queue="atlas", attributes={"RequestMemory": '"lots"'}, submit={**HELD, "requirements": "true"})
    lab.submit([job])
    (found,) = pool.jobs(1.0, SLOTS).classes
    assert not found.answers[0].suits
