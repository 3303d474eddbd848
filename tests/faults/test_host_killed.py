"""kill -9 of the only host, in the worst moments: between a row and its call, and between a call and its answer.

The rule: a row comes before the act, and every act may be repeated. So whoever comes next goes on from the rows: no VM
is started twice or leaked, none is ended under a job, no job is started twice.
"""

import random

import pytest

from actors.fleet.vm import State
from tests.factory_on_lab import MakeFactory

pytestmark = pytest.mark.lab

ALWAYS = 100_000


def test_killed_in_the_middle_of_launches(make_factory: MakeFactory) -> None:
    """One launch was written down and never reached the cloud, one was carried out and its answer is on the way."""
    factory = make_factory(clouds={"private": {"batch": 1}})
    control, host = factory.site.cloud.control, factory.host()
    control.fault("delay", seconds=4)
    control.fault("drop_before", times=ALWAYS)
    factory.submit(2, seconds=1)
    host.start()
    factory.until(lambda: len(factory.vms("private", State.LAUNCHING)) == 2, "both launches are written down", 20)
    factory.until(lambda: len(factory.started()) == 1, "one of them is carried out", 20)
    host.kill()
    control.clear_faults()
    intents = {vm.intent for vm in factory.vms("private")}
    host.start()
    factory.until_done()
    factory.judge()
    factory.bought(2)
    assert {vm.intent for vm in factory.vms("private")} == intents


def test_killed_in_a_drain_and_on_both_sides_of_the_end_call(make_factory: MakeFactory) -> None:
    """First while a job still runs on a draining VM, then before the end call, then before its answer."""
    factory = make_factory()
    control, host = factory.site.cloud.control, factory.host()
    gate = factory.gate()
    factory.submit(1, gate=gate)
    host.start()
    factory.until_running(1)
    factory.wish("vm", factory.vms("private")[0].id)
    factory.until(lambda: any(vm.drain_asked for vm in factory.vms("private", State.DRAINING)), "it drains", 20)
    host.kill()
    control.fault("drop_before", "TerminateInstances", times=ALWAYS)
    host.start()
    gate.open()
    factory.until(lambda: host.said("call failed", state="ending"), "the row says ending, no call was carried out", 40)
    host.kill()
    assert [(vm.state, vm.end_asked) for vm in factory.alive()] == [(State.ENDING, 0.0)]
    control.clear_faults()
    control.set(ending_s=2.0)
    control.fault("delay", "TerminateInstances", seconds=4)
    host.start()
    factory.until(factory.ended, "the end was carried out, its answer is on the way", 30)
    host.kill()
    host.start()
    factory.until_done()
    factory.judge()
    factory.bought(1)
    assert factory.ended() == factory.started()


def test_killed_again_and_again_while_jobs_come_and_go(make_factory: MakeFactory) -> None:
    factory = make_factory()
    host, dice = factory.host(), random.Random(7)
    factory.submit(6, seconds=3)
    for _ in range(5):
        host.start()
        factory.until(lambda: len(host.said("post taken", this_life=True)) == 4, "it serves", 20)
        moment = len(host.lines()) + dice.randrange(3, 25)  # so many lines of its log later
        factory.until(lambda moment=moment: len(host.lines()) >= moment or not factory.alive(), "its time has come", 30)
        host.kill()
        factory.submit(1, seconds=dice.uniform(1, 4))
    host.start()
    factory.until_done()
    factory.judge()
