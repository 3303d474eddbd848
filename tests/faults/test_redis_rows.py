"""Redis comes back: with its rows, without any, or with those of a while ago.

The rule: rows are the truth about decisions, not about the world. What the clouds list and the startds say is adopted
before anything is started or ended, so a loss of rows buys nothing twice, leaks nothing and disturbs no job.
"""

import shutil

import pytest

from actors.fleet.vm import State
from tests.factory_on_lab import MakeFactory

pytestmark = pytest.mark.lab


def test_after_flushall_running_and_draining_vms_are_adopted_and_none_is_bought(make_factory: MakeFactory) -> None:
    factory = make_factory()
    gate = factory.gate()
    factory.submit(3, gate=gate)
    factory.host().start()
    factory.until_running(3)
    factory.wish("vm", factory.vms("private")[0].id)
    factory.until(lambda: any(vm.drain_asked for vm in factory.vms("", State.DRAINING)), "one drains", 20)
    started = factory.started()
    factory.client.flushall()
    factory.until(lambda: factory.host().said("redis is empty", why="is gone"), "the loss is noticed", 20)
    factory.until(lambda: len(factory.vms("", State.READY, State.DRAINING)) == 3, "all are adopted and matched", 30)
    factory.submit(2, seconds=1)  # the drained VM cannot run them: others must
    factory.until_done()
    factory.judge()
    assert set(factory.started()[:3]) == set(started)


def test_after_flushall_in_the_middle_of_launches_nothing_is_bought_twice(make_factory: MakeFactory) -> None:
    """The cloud has started the VMs and the answers are on their way when the rows are lost."""
    patient = {"atlas": {"release_after_s": 15.0}}  # none is given up before its job is seen to run
    factory = make_factory(clouds={"private": {"timeout_s": 4.0}, "spot": {"timeout_s": 4.0}}, queues=patient)
    factory.site.cloud.control.fault("delay", seconds=3, times=2)
    factory.submit(3, gate=factory.gate())
    factory.host().start()
    factory.until(lambda: len(factory.started()) == 3, "three VMs are started", 30)
    factory.client.flushall()
    factory.until(lambda: len(factory.running_jobs()) == 3, "three jobs run", 40)
    factory.until_done()
    factory.judge()
    factory.bought(3)


def test_rows_of_a_while_ago_are_brought_up_to_what_the_world_shows(make_factory: MakeFactory) -> None:
    """As after a failover to a replica that lags: launches, ends and drains of the last seconds are not in the rows."""
    factory = make_factory()
    first = factory.gate()
    factory.submit(1, gate=first)
    factory.submit(1, gate=factory.gate())
    factory.host().start()
    factory.until(lambda: len(factory.vms("private", State.READY)) == 2, "two VMs are ready", 40)
    factory.redis.stop()
    before = shutil.copytree(factory.directory / "redis", factory.directory / "before")
    factory.redis.start()
    first.open()
    factory.until(lambda: len(factory.ended()) == 1, "one VM is ended", 40)
    factory.submit(2, gate=factory.gate())
    factory.until(lambda: len(factory.started()) == 4, "two others are started", 30)
    factory.redis.stop()
    shutil.rmtree(factory.directory / "redis")
    shutil.copytree(before, factory.directory / "redis")
    factory.fences.forget()
    factory.redis.start()
    factory.until(lambda: factory.host().said("redis restarted"), "another server answers", 20)
    factory.until_done()
    factory.judge()
