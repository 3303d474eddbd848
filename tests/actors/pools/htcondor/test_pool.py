"""What HTCondor can do to us beyond what every pool does: freeze, vanish, refuse, be asked odd things."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from actors.clouds.worker import user_data
from actors.clouds.worker.start_expression import start
from actors.config.schema import HtcondorPool
from actors.fleet.observations import Machine, StartdsSeen
from actors.fleet.vm import State
from actors.pools.htcondor.pool import Htcondor
from actors.pools.port import PoolAway, PoolDenied, PoolError, PoolRefused
from actors.retirement import vm_calls
from deploy.lab import processes
from deploy.lab.pool import tokens
from deploy.lab.pool.access_point import LabJob
from deploy.lab.pool.pool import LabPool
from deploy.lab.pool.user import DOMAIN
from tests.actors.fleet import made
from tests.actors.pools.conformance import YEARS_S, busy, count, drained_for, joined, looked, order, shows
from tests.actors.pools.htcondor.condor_site import CondorSite, factory_pool
from tests.condor_pool import NodeMaker, PoolMaker, condor, fresh_pool, lab_pool, plain_node, until  # noqa: F401
from tests.late import in_time

pytestmark = pytest.mark.lab

LIMIT_S = 5.0
LATE_S = 4.0  # a busy machine may notice the limit so much later


@pytest.fixture
def site(lab_pool: LabPool, plain_node: NodeMaker, tmp_path: Path) -> Iterator[CondorSite]:  # noqa: F811
    made = CondorSite(lab_pool, tmp_path / "tokens", plain_node, timeout_s=LIMIT_S)
    yield made
    made.close()


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def with_token(lab: LabPool, directory: Path) -> Htcondor:
    config = HtcondorPool(
        collector=lab.collector, token_directory=str(directory), trust_domain=DOMAIN, timeout_s=LIMIT_S
    )
    return Htcondor("lab", config, ())


def test_a_frozen_schedd_is_named_and_the_others_answer(
    fresh_pool: PoolMaker,  # noqa: F811
    tmp_path: Path,
    closing: ExitStack,
) -> None:
    lab = fresh_pool(schedds=3)
    pool = factory_pool(lab, tmp_path / "tokens", timeout_s=LIMIT_S)
    closing.callback(pool.close)
    for schedd in (0, 1, 2):
        lab.submit([LabJob(queue="atlas", submit={"hold": "true"})], schedd)
    until(lambda: count(pool.jobs(1.0), "atlas", "held") == 3, "all three answer")
    lab.freeze_schedd(1)
    pids = set(pool.pids())

    start = time.monotonic()
    seen = pool.jobs(1.0)
    first_s = time.monotonic() - start
    assert {schedd.name: bool(schedd.error) for schedd in seen.schedds} == {
        lab.schedds[0]: False,
        lab.schedds[1]: True,
        lab.schedds[2]: False,
    }
    assert not seen.complete
    assert count(seen, "atlas", "held") == 2
    assert LIMIT_S <= first_s < LIMIT_S + LATE_S
    assert len(pids - set(pool.pids())) == 1, "the child that hung was killed"

    start = time.monotonic()
    assert count(pool.jobs(1.0), "atlas", "held") == 2
    in_time(LIMIT_S, start, "one that hung before is not waited for")
    with pytest.raises(PoolAway, match=lab.schedds[1]):
        pool.jobs_on(("m.lab",))

    lab.thaw_schedd(1)
    until(lambda: pool.jobs(1.0).complete, "the thawed schedd counts again")
    assert count(pool.jobs(1.0), "atlas", "held") == 3


def test_a_frozen_collector_is_away_within_the_limit(
    fresh_pool: PoolMaker,  # noqa: F811
    tmp_path: Path,
    closing: ExitStack,
) -> None:
    lab = fresh_pool()
    pool = factory_pool(lab, tmp_path / "tokens", timeout_s=LIMIT_S)
    closing.callback(pool.close)
    pool.startds(1.0)
    lab.freeze_collector()
    for look in (pool.startds, pool.jobs):
        start = time.monotonic()
        with pytest.raises(PoolAway):
            look(1.0)
        in_time(LIMIT_S + LATE_S, start, "it is over")
    lab.thaw_collector()
    assert pool.startds(1.0).machines == ()


def test_a_schedd_that_a_restarted_collector_has_forgotten_is_asked_where_it_was(
    fresh_pool: PoolMaker,  # noqa: F811
    tmp_path: Path,
    closing: ExitStack,
) -> None:
    lab = fresh_pool(pace="stock")
    pool = factory_pool(lab, tmp_path / "tokens", timeout_s=LIMIT_S)
    closing.callback(pool.close)
    lab.submit([LabJob(queue="atlas", submit={"hold": "true"})])
    assert pool.jobs(1.0).complete
    lab.kill_collector(stays_dead=True)
    with pytest.raises(PoolAway):
        pool.jobs(1.0)
    lab.restart_collector()
    seen = pool.jobs(1.0)
    assert seen.complete
    assert [schedd.name for schedd in seen.schedds] == lab.schedds
    assert count(seen, "atlas", "held") == 1


def test_a_schedd_that_is_forgotten_and_does_not_answer_is_an_error_not_silence(
    fresh_pool: PoolMaker,  # noqa: F811
    tmp_path: Path,
    closing: ExitStack,
) -> None:
    lab = fresh_pool(pace="stock")
    pool = factory_pool(lab, tmp_path / "tokens", timeout_s=LIMIT_S)
    closing.callback(pool.close)
    assert pool.jobs(1.0).complete
    lab.kill_collector(stays_dead=True)
    lab.restart_collector()
    lab.freeze_schedd(0)
    seen = pool.jobs(1.0)
    assert not seen.complete
    assert [schedd.name for schedd in seen.schedds if schedd.error] == lab.schedds


def test_a_schedd_of_the_configuration_that_is_not_there_is_named(
    lab_pool: LabPool,  # noqa: F811
    tmp_path: Path,
    closing: ExitStack,
) -> None:
    pool = factory_pool(lab_pool, tmp_path / "tokens", schedds=(*lab_pool.schedds, "nobody@lab"))
    closing.callback(pool.close)
    errors = {schedd.name: schedd.error for schedd in pool.jobs(1.0).schedds}
    assert not errors[lab_pool.schedds[0]]
    assert "does not know schedd nobody@lab" in errors["nobody@lab"]


def test_a_collector_that_is_not_there_is_away_and_says_where(closing: ExitStack) -> None:
    pool = Htcondor("lab", HtcondorPool(collector="127.0.0.1:1", timeout_s=LIMIT_S), ())
    closing.callback(pool.close)
    with pytest.raises(PoolAway, match=r"127\.0\.0\.1:1"):
        pool.startds(1.0)


def test_without_a_token_the_pool_denies_and_says_so(
    lab_pool: LabPool,  # noqa: F811
    tmp_path: Path,
    closing: ExitStack,
) -> None:
    (tmp_path / "none").mkdir(mode=0o700)
    pool = with_token(lab_pool, tmp_path / "none")
    closing.callback(pool.close)
    for look in (pool.startds, pool.jobs):
        with pytest.raises(PoolDenied, match="IDTOKENS"):
            look(1.0)


def test_a_token_that_may_only_read_sees_all_and_drains_nothing(site: CondorSite, tmp_path: Path) -> None:
    machine = joined(site, site.boot())
    directory = tmp_path / "reader"
    directory.mkdir(mode=0o700)
    token = directory / "reader"
    token.touch(0o600)
    central = site.lab._central
    token.write_text(tokens.mint(central, "reader@lab", ["READ"]) + "\n")
    pool = with_token(site.lab, directory)
    assert machine.instance_id in {m.instance_id for m in pool.startds(1.0).machines}
    with pytest.raises(PoolDenied):
        pool.drain(order(machine))
    found = {finding.what: finding.ok for finding in pool.check()}
    pool.close()
    assert found["collector"] is True
    assert found["permission to drain"] is False
    assert not looked(site, machine).draining_for("n-1")


def test_a_live_check_says_who_answers_what_waits_and_that_we_may_drain(site: CondorSite) -> None:
    joined(site, site.boot())
    site.submit("cms", 2, hold="true")
    found = {finding.what: finding for finding in site.pool.check()}
    assert all(finding.ok for finding in found.values()), found
    assert "2 held" in found["jobs of queue cms"].text
    assert found[f"schedd {site.lab.schedds[0]}"].ok


def test_a_frozen_startd_is_away_within_the_limit_and_others_are_served(site: CondorSite) -> None:
    frozen, other = joined(site, site.boot()), joined(site, site.boot())
    pid = site.nodes[frozen.instance_id].master.pid("condor_startd")
    assert pid is not None
    processes.send(pid, signal.SIGSTOP)
    start = time.monotonic()
    with pytest.raises(PoolAway):
        site.pool.drain(order(frozen))
    in_time(LIMIT_S + LATE_S, start, "it is over")
    assert looked(site, other).name == other.name
    assert site.pool.startds(1.0).machines
    processes.send(pid, signal.SIGCONT)
    until(lambda: shows(site, frozen, lambda now: now.name == frozen.name), "the thawed one answers")


def test_a_reading_says_the_same_whether_its_child_remembers_the_last_one_or_is_new(site: CondorSite) -> None:
    joined(site, site.boot())
    first = site.pool.startds(1.0).machines
    second = site.pool.startds(2.0).machines
    for pid in site.pool.pids():
        os.kill(pid, signal.SIGKILL)
    third = _readable(lambda: site.pool.startds(3.0)).machines
    assert first
    assert _names(first) == _names(second) == _names(third)


def _readable(read: Callable[[], StartdsSeen]) -> StartdsSeen:
    """A child that died is noticed by the reading that asks it."""
    try:
        return read()
    except PoolAway:
        return read()


def _names(machines: Sequence[Machine]) -> dict[str, tuple[str, int]]:
    return {one.name: (one.instance_id, len(one.slots)) for one in machines}


def test_a_dead_startd_is_away_though_its_ad_is_still_there(site: CondorSite) -> None:
    machine = joined(site, site.boot())
    site.nodes[machine.instance_id].kill()
    assert machine.instance_id in {m.instance_id for m in site.pool.startds(1.0).machines}
    with pytest.raises(PoolAway):
        looked(site, machine)
    with pytest.raises(PoolAway):
        site.pool.drain(order(machine))


def test_a_worker_that_answers_only_those_it_knows_is_looked_at_and_drained(site: CondorSite) -> None:
    machine = joined(site, site.boot(SEC_READ_AUTHENTICATION="REQUIRED"))
    assert looked(site, machine).instance_id == machine.instance_id
    assert site.pool.drain(order(machine))


def test_a_partitionable_slot_is_drained_only_after_its_last_job(site: CondorSite) -> None:
    machine = joined(site, site.boot(cpus=3))
    one, other = site.submit("atlas", 1), site.submit("atlas", 1)
    until(lambda: shows(site, machine, lambda now: now.slots[0].children == 2), "both jobs have a place")
    until(lambda: site.executing() == 2, "both jobs run")
    assert looked(site, machine).slots[0].free.cpus == 1
    site.pool.drain(order(machine))
    one()
    until(lambda: shows(site, machine, lambda now: now.slots[0].children == 1), "one ended")
    assert not looked(site, machine).drained_for("n-1")
    other()
    until(lambda: drained_for(site, machine, "n-1"), "the other ended")
    until(lambda: not site.lab.queue(), "the queue is empty")
    assert all(job.undisturbed for job in site.lab.history())


def test_a_claim_that_waits_for_its_job_is_no_moment_for_a_drain(site: CondorSite) -> None:
    """The job would lose its place. A kept claim is such a moment that lasts."""
    machine = joined(site, site.boot())
    site.submit("atlas", 1, seconds=0.5, keep_claim_idle="600")
    until(lambda: not site.lab.queue(), "its job ended")
    until(lambda: shows(site, machine, lambda now: now.busy), "the claim is kept")
    with pytest.raises(PoolAway, match="a claim there waits for its job to begin"):
        site.pool.drain(order(machine))
    assert not looked(site, machine).draining_for("n-1")


def test_no_drain_is_taken_while_it_would_evict_a_job_whatever_the_workers_start_let_in(site: CondorSite) -> None:
    machine = joined(site, site.boot(cpus=2))
    end = site.submit("atlas", 1, MaxJobRetirementTime="0")
    site.submit("atlas", 1)
    until(lambda: site.executing() == 2, "both jobs run")
    with pytest.raises(PoolRefused, match=r"would evict a job in slot1_\d@.*too little MaxJobRetirementTime"):
        site.pool.drain(order(machine))
    assert not looked(site, machine).draining_for("n-1")
    assert site.executing() == 2
    end()
    until(lambda: shows(site, machine, lambda now: now.slots[0].children == 1), "it ended by itself")
    assert site.pool.drain(order(machine))
    assert all(job.undisturbed for job in site.lab.queue() + site.lab.history())


def test_static_slots_are_one_machine_drained_when_all_are(site: CondorSite) -> None:
    static = {"SLOT_TYPE_1": "50%", "NUM_SLOTS_TYPE_1": "2", "SLOT_TYPE_1_PARTITIONABLE": "false"}
    machine = joined(site, site.boot(cpus=2, **static))
    assert [slot.partitionable for slot in machine.slots] == [False, False]
    end = site.submit("atlas", 1)
    until(lambda: site.executing() == 1, "the job runs")
    site.pool.drain(order(machine))
    states = [slot.drained for slot in looked(site, machine).slots]
    assert not all(states)
    end()
    until(lambda: drained_for(site, machine, "n-1"), "all slots are drained")


def test_a_restarted_startd_has_forgotten_the_drain_and_its_ids_start_again(site: CondorSite) -> None:
    machine = busy(site)
    request_id = site.pool.drain(order(machine))
    node = site.nodes[machine.instance_id]
    pid = node.master.pid("condor_startd")
    assert pid is not None
    processes.send(pid, signal.SIGKILL)

    def back() -> bool:
        return any(m.started_at > machine.started_at for m in site.pool.startds(1.0).machines)

    until(back, "the master starts it again")
    again = next(m for m in site.pool.startds(1.0).machines if m.started_at > machine.started_at)
    assert not looked(site, again).draining_for("n-1")
    with pytest.raises(PoolRefused):
        site.pool.cancel(order(again), request_id)
    site.pool.drain(order(again, "n-2"))
    assert looked(site, again).draining_for("n-2")


def test_a_nice_job_is_a_class_of_its_own_that_shows_its_retirement_time(site: CondorSite) -> None:
    site.submit("atlas", 1, hold="true")
    site.submit("atlas", 2, hold="true", nice_user="true")
    shown = {dict(job.attributes).get("MaxJobRetirementTime"): job.held for job in site.pool.jobs(1.0).classes}
    assert shown == {None: 1, "0": 2}


def test_jobs_that_never_run_on_startds_are_not_counted(site: CondorSite) -> None:
    site.submit("atlas", 1, universe="local", hold="true")
    site.submit("atlas", 1, universe="scheduler", hold="true")
    site.submit("atlas", 1, hold="true")
    assert count(site.pool.jobs(1.0), "atlas", "held") == 1


def test_jobs_that_ask_for_different_things_are_different_classes(site: CondorSite) -> None:
    site.submit("atlas", 2, hold="true", requirements="Colour =?= 3 && TARGET.HasPaint", Colour="3")
    site.submit("atlas", 2, hold="true", requirements="Colour =?= 3 && TARGET.HasPaint", Colour="4")
    classes = [job for job in site.pool.jobs(1.0).classes if "HasPaint" in job.requirements]
    assert sorted((dict(job.attributes)["Colour"], job.held) for job in classes) == [("3", 2), ("4", 2)]


def pool_with(site: CondorSite, tmp_path: Path, *queues: tuple[str, str, str, float]) -> Htcondor:
    return factory_pool(site.lab, tmp_path / "more", queues=queues)


def test_a_job_of_two_queues_belongs_to_the_first_and_is_counted_as_overlapping(
    site: CondorSite, tmp_path: Path, closing: ExitStack
) -> None:
    site.submit("atlas", 3, hold="true")
    site.submit("cms", 1, hold="true")
    pool = pool_with(
        site, tmp_path, ("one", 'MATCH_APF_QUEUE == "atlas"', "true", 0.0), ("rest", "JobUniverse == 5", "true", 0.0)
    )
    closing.callback(pool.close)
    seen = pool.jobs(1.0)
    assert (count(seen, "one", "held"), count(seen, "rest", "held")) == (3, 1)
    assert seen.schedds[0].overlapping == 3


def test_an_expression_that_is_an_error_for_a_job_does_not_hide_it_from_other_queues(
    site: CondorSite, tmp_path: Path, closing: ExitStack
) -> None:
    site.submit("atlas", 2, hold="true")
    pool = pool_with(site, tmp_path, ("bad", "Cmd + 1 > 0", "true", 0.0), ("all", "true", "true", 0.0))
    closing.callback(pool.close)
    assert count(pool.jobs(1.0), "all", "held") == 2


def test_an_expression_over_attributes_of_each_job_is_still_right(
    site: CondorSite, tmp_path: Path, closing: ExitStack
) -> None:
    site.submit("atlas", 5, hold="true")
    pool = pool_with(site, tmp_path, ("even", "ProcId % 2 == 0 && QDate > 0", "true", 0.0))
    closing.callback(pool.close)
    assert count(pool.jobs(1.0), "even", "held") == 3


def test_idle_jobs_younger_than_the_queue_asks_for_are_counted_apart(
    site: CondorSite, tmp_path: Path, closing: ExitStack
) -> None:
    site.submit("atlas", 4)
    site.submit("cms", 1)
    patient, quick = (
        pool_with(site, tmp_path, ("atlas", 'MATCH_APF_QUEUE == "atlas"', "true", age_s), ("cms", "true", "true", 0.0))
        for age_s in (3600.0, 1.0)
    )
    for pool in (patient, quick):
        closing.callback(pool.close)
    seen = patient.jobs(1.0)
    assert (count(seen, "atlas", "idle"), count(seen, "atlas", "young"), count(seen, "cms", "idle")) == (0, 4, 1)
    until(lambda: count(quick.jobs(1.0), "atlas", "idle") == 4, "they grow old")


def test_calls_after_close_are_errors_of_the_pool(site: CondorSite) -> None:
    site.pool.close()
    with pytest.raises(PoolError):
        site.pool.startds(1.0)


def test_a_startd_tells_how_many_jobs_ended_and_how_long_the_longest_took_where_its_configuration_asks_for_it(
    site: CondorSite,
) -> None:
    """The line is the one of the workers' user-data."""
    line = next(line for line in user_data.template().splitlines() if "STATISTICS_TO_PUBLISH_LIST" in line)
    name, _, value = line.strip().partition(" = ")
    worker = joined(site, site.boot(**{name: value}))
    site.submit("atlas", 3, seconds=0.1)

    until(lambda: shows(site, worker, lambda now: now.recent_jobs == 3), "three jobs ended on it")
    assert 0 <= looked(site, worker).longest_job_s < 300


STATIC = {"NUM_SLOTS_TYPE_1": "1", "SLOT_TYPE_1_PARTITIONABLE": "false"}


def test_a_drain_taken_back_as_the_last_job_ended_is_seen_the_slot_takes_no_job_and_is_drained_while_idle(
    site: CondorSite,
) -> None:
    """Measured: such a slot grants nothing any more (6 of 6), and another drain while it is idle brings that back."""
    settings = {**STATIC, "START": start('MATCH_APF_QUEUE == "atlas"')}
    machine = joined(site, site.boot(**settings))
    end = site.submit("atlas", 1)
    site.until(lambda: site.executing() == 1, "the job runs")
    drained = made.vm(
        State.DRAINING,
        instance_id=machine.instance_id,
        machine=machine.name,
        machine_address=machine.address,
        nonce="n-1",
    )
    site.pool.drain(order(machine, "n-1"))

    def meanwhile() -> None:
        """Between the look, which shows the job, and the request."""
        end()
        site.until(lambda: drained_for(site, machine, "n-1"), "its job ended")

    assert not vm_calls.cancel(site.pool, drained, meanwhile)
    site.submit("atlas", 1)
    site.until(lambda: rejected(site), "the negotiator found no slot for the next job")
    assert not looked(site, machine).busy
    site.pool.drain(order(machine, "n-2"))
    site.until(lambda: drained_for(site, machine, "n-2"), "it is drained anew")
    assert looked(site, machine).max_retirement_s == YEARS_S


def rejected(site: CondorSite) -> bool:
    """Whether a negotiator had jobs that it found no slot for."""
    asked = ("-allusers", "-constraint", "JobStatus == 1 && LastRejMatchTime > 0", "-af", "ClusterId")
    return any(point.master.tool("condor_q", *asked).split() for point in site.lab.access_points)
