"""What becomes of pilots in a real schedd, and what the cloud says of each: by its evidence, never by its absence."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable

import pytest

from actors.clouds.condor_jobs.cloud import CondorJobs
from actors.clouds.condor_jobs.description import environment
from actors.clouds.port import Refused, Unknown
from actors.fleet.observations import Instance
from deploy.lab.pool.pool import LabPool
from tests.actors.clouds.condor_jobs.conftest import MakePilots
from tests.actors.clouds.conformance import order, started
from tests.condor_pool import NodeMaker, PoolMaker
from tests.late import within

NOTE = """it's "so" and $so"""


def listed(cloud: CondorJobs) -> dict[str, Instance]:
    return {one.id: one for one in cloud.listing(1.0).instances}


def until(cloud: CondorJobs, id_: str, said: Callable[[Instance], bool], what: str) -> Instance:
    within(40, what, lambda: (one := listed(cloud).get(id_)) is not None and said(one), poll_s=0.2)
    return listed(cloud)[id_]


def schedd(lab: LabPool, tool: str, *words: str) -> str:
    return lab.access_points[0].master.tool(tool, *words)


def test_a_pilot_knows_whose_it_is_and_so_does_its_ad(make_pilots: MakePilots, lab_pool: LabPool) -> None:
    cloud = make_pilots(lab_pool, match_apf_queue="workers")
    (one,) = started(cloud, order("intent-5", queue="atlas"))
    said = schedd(lab_pool, "condor_q", "-json", "-constraint", f'GlobalJobId == "{one.id}"')
    (ad,) = json.loads(said)
    assert (ad["MATCH_APF_QUEUE"], ad["ApfQueue"], ad["ApfIntent"]) == ("workers", "atlas", "intent-5")
    there = dict(pair.split("=", 1) for pair in shlex.split(ad["Environment"]))
    assert (there["APF_QUEUE"], there["APF_INTENT"]) == ("atlas", "intent-5")
    assert there["APF_PILOT"] == f"{ad['ClusterId']}.{ad['ProcId']}"


def test_an_environment_is_written_as_htcondor_reads_it() -> None:
    assert environment({"A": "it's", "B": 'say "x"'}) == """"A='it''s' B='say ""x""'\""""


def test_one_that_is_removed_by_hand_was_not_finished_and_says_by_whom(
    make_pilots: MakePilots, lab_pool: LabPool
) -> None:
    cloud = make_pilots(lab_pool)
    (one,) = started(cloud, order())
    lab_pool.access_points[0].remove(f'GlobalJobId == "{one.id}"')
    over = listed(cloud)[one.id]
    assert (over.state, over.finished, over.ran_s) == ("terminated", False, 0.0)
    assert over.reason.startswith("removed: via condor_rm (by user")


def test_one_that_was_forced_out_of_the_queue_is_found_in_the_history(
    make_pilots: MakePilots, lab_pool: LabPool
) -> None:
    cloud = make_pilots(lab_pool)
    first, second = started(cloud, order(count=2))
    assert set(listed(cloud)) == {first.id, second.id}
    lab_pool.access_points[0].remove(f'GlobalJobId == "{first.id}"')
    schedd(lab_pool, "condor_rm", "-forcex", "-constraint", f'GlobalJobId == "{first.id}"')
    assert until(cloud, first.id, lambda one: one.dead, "its end is seen").reason.startswith("removed:")
    assert listed(cloud)[second.id].state == "pending"
    again = make_pilots(lab_pool)
    assert listed(again)[first.id].dead, "a process that never saw it alive knows it too"


def test_one_that_is_held_waits_with_its_reason_then_is_stuck_and_is_taken_back(
    make_pilots: MakePilots, lab_pool: LabPool
) -> None:
    cloud = make_pilots(lab_pool, held_s=1)
    (one,) = started(cloud, order())
    schedd(lab_pool, "condor_hold", "-constraint", f'GlobalJobId == "{one.id}"')
    assert until(cloud, one.id, lambda now: now.state == "stuck", "it is stuck").reason.startswith(
        "held: via condor_hold"
    )
    assert cloud.take_back([one.id]) == (one.id,)
    assert listed(cloud)[one.id].dead


def test_one_that_runs_is_spared_and_an_operators_kill_is_not_for_sparing(
    make_pilots: MakePilots, fresh_pool: PoolMaker, plain_node: NodeMaker
) -> None:
    lab = fresh_pool()
    plain_node(lab, "i-1")
    cloud = make_pilots(lab)
    first, second = started(cloud, order(count=2))
    running = until(cloud, first.id, lambda one: one.state == "running", "the first runs")
    assert cloud.take_back([first.id, second.id]) == (second.id,)
    assert (listed(cloud)[first.id].state, listed(cloud)[second.id].state) == ("running", "terminated")
    assert "i-1" in running.address
    schedd(lab, "condor_vacate_job", "-fast", f"{lab.queue()[0].cluster}.0")
    until(cloud, first.id, lambda one: one.state == "pending", "it was evicted, and waits")
    until(cloud, first.id, lambda one: one.state == "running", "it runs again")
    assert cloud.end([first.id]) == (first.id,)
    until(cloud, first.id, lambda one: one.dead, "it is killed")


def test_one_that_ends_by_itself_is_finished_and_says_how_long_it_ran(
    make_pilots: MakePilots, fresh_pool: PoolMaker, plain_node: NodeMaker
) -> None:
    lab = fresh_pool()
    plain_node(lab, "i-1")
    said = lab.user.folder(lab.directory / "said")
    job = {"executable": "/usr/bin/printenv", "arguments": "NOTE", "environment": {"NOTE": NOTE}}
    cloud = make_pilots(lab, kept_s=0, submit={"output": f"{said}/out"}, **job)
    (one,) = started(cloud, order())
    over = until(cloud, one.id, lambda now: now.dead, "it is over, and only the history has it")
    assert over.finished
    assert 0 < over.ran_s < 30
    assert over.reason.startswith("finished after")
    assert (said / "out").read_text().rstrip("\n") == NOTE


def test_a_schedd_that_hangs_during_a_submit_takes_it_once_or_not_at_all(
    make_pilots: MakePilots, fresh_pool: PoolMaker
) -> None:
    lab = fresh_pool()
    cloud = make_pilots(lab, timeout_s=3)
    cloud.listing(1.0)
    request = cloud.prepare(order(count=3))
    lab.freeze_schedd()
    with pytest.raises(Unknown):
        cloud.launch(request)
    with pytest.raises(Unknown):
        cloud.find("intent-1", order().token)
    lab.thaw_schedd()
    within(20, "the schedd answers", lambda: _answers(cloud))
    assert len(cloud.launch(request)) == 3
    assert len(cloud.launch(request)) == 3
    assert len(listed(cloud)) == 3


def test_a_description_that_the_schedd_cannot_take_is_refused_with_its_reason(
    make_pilots: MakePilots, lab_pool: LabPool
) -> None:
    cloud = make_pilots(lab_pool, submit={"request_cpus": "(", "universe": "nonsense"})
    with pytest.raises(Refused, match="nonsense"):
        started(cloud, order())
    assert listed(cloud) == {}


def _answers(cloud: CondorJobs) -> bool:
    try:
        cloud.listing(1.0)
    except Unknown:
        return False
    return True
