"""Redis restarted, frozen, emptied, set back to an older copy of its data, while jobs run on all VMs.

An operator holds one VM all the while: it must still be held afterwards, though every host was gone too.
"""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.fleet.drain_and_hold import HoldBy
from tests.factory_in_a_world import TTL_S, Factory, MakeHosts

JOBS = 5


def restarted(factory: Factory, _: Path) -> None:
    factory.redis.stop()
    factory.redis.start()


def killed_and_restarted(factory: Factory, _: Path) -> None:
    kill_redis(factory)
    factory.redis.start()


def away_for_long(factory: Factory, _: Path) -> None:
    factory.redis.stop()
    factory.holds(lambda: len(factory.busy()) == JOBS, "all jobs run on", 2 * TTL_S)
    factory.redis.start()


def frozen(factory: Factory, _: Path) -> None:
    pid = factory.redis.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        factory.holds(lambda: len(factory.busy()) == JOBS, "all jobs run on", 2 * TTL_S)
    finally:
        os.kill(pid, signal.SIGCONT)


def emptied(factory: Factory, _: Path) -> None:
    factory.client.flushall()


def set_back(factory: Factory, older: Path) -> None:
    """To what it knew before the jobs came."""
    kill_redis(factory)
    shutil.rmtree(factory.redis.directory / "appendonlydir")
    shutil.copytree(older, factory.redis.directory / "appendonlydir")
    factory.redis.start()


def kill_redis(factory: Factory) -> None:
    pid = factory.redis.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    factory.until(lambda: factory.redis.pid is None, "the server is dead")


@pytest.mark.parametrize(
    "fault",
    [restarted, killed_and_restarted, away_for_long, frozen, emptied, set_back],
    ids=lambda fault: fault.__name__,
)
def test_no_job_is_killed_no_vm_bought_twice_and_what_is_held_stays_held_when_redis_is(
    make_hosts: MakeHosts, tmp_path: Path, fault: Callable[[Factory, Path], None]
) -> None:
    factory = make_hosts()
    factory.start(2)
    older = tmp_path / "older"
    shutil.copytree(factory.redis.directory / "appendonlydir", older)
    factory.submit(JOBS)
    factory.until(lambda: len(factory.busy()) == JOBS, "all jobs run")
    held = sorted(factory.instances())[-1]
    assert factory.wish("hold", "vm", held).verdict == "accepted"
    factory.until(lambda: [vm for vm in factory.vms() if vm.held], "it is held")
    fault(factory, older)
    factory.until(factory.settled, "the hosts share all posts again", 30)
    factory.until(lambda: {vm.instance_id for vm in factory.alive()} == set(factory.instances()), "each VM has its row")
    factory.finish()
    factory.until(lambda: set(factory.jobs()) == {"done"}, "all jobs are done")
    assert len(factory.record()["vms"]) == JOBS, "no VM was bought beside those that there were"
    factory.submit(2, seconds=1)
    factory.until(lambda: set(factory.jobs()) == {"done"}, "later jobs are done", 30)
    factory.until(lambda: set(factory.instances()) == {held}, "all but the held VM are ended", 40)
    factory.holds(lambda: held in factory.instances(), "it is held", 3.0)
    factory.wish("release", "vm", held)
    factory.until_done()
    factory.judge()


def test_a_held_vm_is_still_held_though_redis_lost_everything_and_every_host_was_gone(make_hosts: MakeHosts) -> None:
    factory = make_hosts()
    hosts = factory.start(2)
    factory.submit(2)
    factory.until(lambda: len(factory.busy()) == 2, "both jobs run")
    held, other = sorted(factory.instances())
    assert factory.wish("hold", "vm", held).verdict == "accepted"
    factory.until(lambda: "a test wishes it" in factory.world.vms[held].held, "the cloud keeps its hold")
    for host in hosts:
        host.kill()
    factory.client.flushall()
    factory.start(2)
    factory.until(lambda: {vm.instance_id for vm in factory.alive()} == {held, other}, "each VM has its row")
    assert {vm.instance_id: vm.held_by for vm in factory.alive()} == {held: HoldBy.TAG, other: None}
    factory.finish()
    factory.until(lambda: set(factory.jobs()) == {"done"}, "all jobs are done")
    factory.until(lambda: set(factory.instances()) == {held}, "all but the held VM are ended", 40)
    factory.holds(lambda: held in factory.instances() and factory.alive()[0].held, "it is held", 3.0)
    assert factory.world.vms[held].drain == ""
    factory.wish("release", "vm", held)
    factory.until_done()
    factory.judge()
