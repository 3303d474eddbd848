"""The lab's pool is real: daemons, jobs, tokens and their limits."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.lab import processes
from deploy.lab.pool.access_point import LabJob
from deploy.lab.pool.condor import condor_prefix
from deploy.lab.pool.master import ToolFailed
from deploy.lab.pool.pool import LabPool
from tests.condor_pool import NodeMaker, PoolMaker, until

pytestmark = pytest.mark.lab
ROOT = Path(__file__).parents[4]


def _of(pool: LabPool) -> list[int]:
    """The processes of this pool and its nodes: those with its folder in their environment."""
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and str(pool.directory) in _environment(entry)
    ]


def _environment(entry: Path) -> str:
    try:
        return (entry / "environ").read_text(errors="replace")
    except OSError:
        return ""


def test_jobs_run_on_a_node_and_their_record_shows_where(fresh_pool: PoolMaker, plain_node: NodeMaker) -> None:
    pool = fresh_pool()
    plain_node(pool, "i-1", cpus=4)
    ids = pool.submit([LabJob(seconds=1, queue="atlas"), LabJob(seconds=1.5, queue="atlas", cpus=2)])
    assert len(set(ids)) == 2
    until(lambda: len(pool.history()) == 2, "both jobs end")
    for job in pool.history():
        assert job.completed
        assert job.undisturbed
        assert (job.starts, job.instance_id, job.exit_code, job.queue) == (1, "i-1", 0, "atlas")
    assert pool.queue() == []


def test_a_job_that_was_evicted_shows_it(fresh_pool: PoolMaker, plain_node: NodeMaker) -> None:
    pool = fresh_pool()
    plain_node(pool, "i-1")
    pool.submit([LabJob(seconds=300)])
    until(lambda: any(job.status == 2 for job in pool.queue()), "the job runs")
    pool.access_points[0].master.tool("condor_vacate_job", "-fast", "1.0")
    until(lambda: not pool.queue()[0].undisturbed, "the eviction is on record")


def test_several_schedds_keep_their_own_queues(fresh_pool: PoolMaker) -> None:
    pool = fresh_pool(schedds=3)
    pool.submit([LabJob()] * 2, schedd=0)
    pool.submit([LabJob(attributes={"Experiment": '"cms"'})], schedd=2)
    assert [len(point.queue()) for point in pool.access_points] == [2, 0, 1]
    assert len(pool.schedds) == len({point.address for point in pool.access_points}) == 3


def test_a_workers_token_can_neither_submit_nor_administer(fresh_pool: PoolMaker, plain_node: NodeMaker) -> None:
    pool = fresh_pool()
    node = plain_node(pool, "i-1")
    point = pool.access_points[0]
    description = node.user.write(node.directory / "steal.sub", "executable = /bin/sleep\nqueue\n")
    with pytest.raises(ToolFailed, match=r"(?i)denied|authoriz|authent|failed to connect"):
        node.master.tool("condor_submit", "-name", point.name, str(description))
    with pytest.raises(ToolFailed):
        node.master.tool("condor_drain", "slot1@i-1.lab")
    assert pool.tool("condor_status", "-af", "Draining").split() == ["undefined"]
    assert point.queue() == []


def test_the_factorys_token_can_drain_and_the_signing_key_stays_in_the_pool(
    fresh_pool: PoolMaker, plain_node: NodeMaker
) -> None:
    pool = fresh_pool()
    node = plain_node(pool, "i-1")
    drain = subprocess.run(
        ["condor_drain", "-reason", "apf test", "slot1@i-1.lab"],
        env={**_client(pool), "PATH": pool.environment()["PATH"]},
        capture_output=True,
        text=True,
        timeout=30,
        **pool.user.popen(),
    )
    assert drain.returncode == 0, drain.stderr
    until(lambda: "apf test" in pool.tool("condor_status", "-af", "DrainReason"), "the drain shows")
    assert not list(node.directory.rglob("POOL"))


def _client(pool: LabPool) -> dict[str, str]:
    """A client's environment with no configuration but the factory's token."""
    folder = pool.tokens(pool.directory / "factory-tokens")
    for path in (folder, folder / "factory"):
        os.chown(path, pool.user.uid, pool.user.gid)
    knobs = {
        "COLLECTOR_HOST": pool.collector,
        "SEC_TOKEN_DIRECTORY": str(folder),
        "SEC_CLIENT_AUTHENTICATION_METHODS": "IDTOKENS",
        "TRUST_DOMAIN": "lab",
    }
    return {"CONDOR_CONFIG": "/dev/null", **{f"_CONDOR_{name}": value for name, value in knobs.items()}}


def test_a_person_can_look_submit_and_remove_with_htcondors_own_tools(fresh_pool: PoolMaker) -> None:
    pool = fresh_pool()
    description = pool.directory / "person.sub"
    description.write_text("executable = /bin/sleep\narguments = 1\ntransfer_executable = false\nqueue\n")
    commands = (
        ["condor_submit", "-name", pool.schedds[0], description],
        ["condor_rm", "-name", pool.schedds[0], "1.0"],
    )
    for command in (["condor_status", "-schedd"], *commands):
        done = subprocess.run(
            command, env=pool.environment(), capture_output=True, text=True, timeout=30, cwd=pool.directory
        )
        assert done.returncode == 0, done.stderr


def test_a_worker_token_comes_from_a_command_line(fresh_pool: PoolMaker) -> None:
    pool = fresh_pool()
    said = subprocess.run(pool.worker_token_command, capture_output=True, text=True, timeout=30, check=True)
    assert said.stdout.count(".") == 2


def test_a_killed_collector_comes_back_empty_and_stays_dead_if_told(
    fresh_pool: PoolMaker, plain_node: NodeMaker
) -> None:
    pool = fresh_pool("stock")
    plain_node(pool, "i-1")
    pool.kill_collector(stays_dead=True)
    with pytest.raises(ToolFailed):
        pool.tool("condor_status")
    pool.restart_collector()
    assert pool.tool("condor_status", "-af", "Name") == ""


def test_stock_pace_leaves_htcondors_own_intervals_alone(fresh_pool: PoolMaker) -> None:
    pool = fresh_pool("stock")
    told = [pool.tool("condor_config_val", name).strip() for name in ("UPDATE_INTERVAL", "NEGOTIATOR_INTERVAL")]
    assert told == ["300", "60"]
    for name in ("CLASSAD_LIFETIME", "NEGOTIATOR_CYCLE_DELAY", "SCHEDD_INTERVAL"):
        with pytest.raises(ToolFailed, match="Not defined"):
            pool.tool("condor_config_val", name)


def test_stopping_leaves_no_process_behind(fresh_pool: PoolMaker, plain_node: NodeMaker) -> None:
    pool = fresh_pool(schedds=2)
    node = plain_node(pool, "i-1")
    pool.submit([LabJob(seconds=300)])
    until(lambda: any(job.status == 2 for job in pool.queue()), "the job runs")
    node.kill()
    pool.stop()
    assert _of(pool) == []


def test_killing_whoever_made_the_pool_ends_its_daemons(condor: Path, fresh_pool: PoolMaker) -> None:
    directory = fresh_pool().directory / "orphan"
    program = f"""
import pathlib, signal
from deploy.lab.pool.pool import LabPool
directory = pathlib.Path({str(directory)!r})
directory.mkdir(mode=0o755)
LabPool(directory, prefix=pathlib.Path({str(condor)!r})).start()
print("up", flush=True)
signal.pause()
"""
    owner = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=ROOT)
    assert owner.stdout
    assert owner.stdout.readline() == b"up\n"
    daemons = [pid for pid in processes.descendants(owner.pid) if processes.name_of(pid).startswith("condor_")]
    assert len(daemons) >= 5
    owner.kill()
    owner.wait()
    owner.stdout.close()
    until(lambda: not any(map(processes.is_running, daemons)), "the orphans end", 10)


@pytest.mark.parametrize("suite", ["trixie"])
def test_the_older_stable_htcondor_works_too(suite: str, fresh_pool: PoolMaker, plain_node: NodeMaker) -> None:
    pool = fresh_pool(prefix=condor_prefix((suite,)))
    plain_node(pool, "i-1")
    pool.submit([LabJob(seconds=1)])
    until(lambda: [job.instance_id for job in pool.history()] == ["i-1"], "the job ends")
