"""Launches whose answer is late, broken or misleading.

The rule: after any answer but a clear yes or a clear no a launch is unknown. It is looked up by token and tag, then the
same request goes out with the same token; a new token is never made for it. And a listing that lacks an instance says
nothing about that instance.
"""

import pytest

from actors.fleet.vm import State
from tests.factory_on_lab import MakeFactory
from tests.late import NotWithin

pytestmark = pytest.mark.lab

ONE_BY_ONE = {"batch": 1, "timeout_s": 1.5}
ALWAYS = 100_000


def test_launches_that_answer_late_wrongly_or_never_start_each_vm_once(make_factory: MakeFactory) -> None:
    factory = make_factory(clouds={"private": ONE_BY_ONE, "spot": ONE_BY_ONE})
    control = factory.site.cloud.control
    control.fault("delay", seconds=3)
    for kind in ("fail_after", "drop_after", "garbage_after", "page_after", "drop_before"):
        control.fault(kind)
    factory.submit(6, gate=factory.gate())
    factory.host().start()
    factory.until(lambda: len(factory.running_jobs()) == 6, "every job has a VM", 40)
    if any(line["now"] < line["was"] for line in factory.host().said("want")):
        raise NotWithin(40, "answers, before a launch is silent twice and counts as none", factory.story())
    factory.bought(6)
    assert control.faults() == []
    unknown = factory.host().said("launch unknown")
    assert len({line["intent"] for line in unknown}) == 6
    assert any("500" in line["why"] for line in unknown)
    factory.until_done()
    factory.judge()
    factory.bought(6)


def test_after_a_token_mismatch_the_vm_is_found_by_token_and_tag(make_factory: MakeFactory) -> None:
    """The launch worked and answered 500; the cloud does not list it yet, and says that the token was used."""
    factory = make_factory(clouds={"private": {"max_vms": 1}, "spot": {"max_vms": 0}})
    control = factory.site.cloud.control
    control.fault("hide_newest", "DescribeInstances", times=ALWAYS)
    control.fault("fail_after")
    control.fault("refuse", code="IdempotentParameterMismatch", message="asked for by the test", times=ALWAYS)
    factory.submit(1, gate=factory.gate())
    factory.host().start()
    mismatch = "IdempotentParameterMismatch"
    factory.until(lambda: factory.host().said("launch unknown", why=mismatch), "the token does not match", 30)
    factory.holds(lambda: len(factory.host().said("launch")) == 1, "no other launch is made for it", 4)
    assert [vm.state for vm in factory.vms()] == [State.LAUNCHING]
    control.clear_faults()
    factory.until_done()
    factory.judge()
    factory.bought(1)


def test_a_listing_that_misses_the_newest_vm_neither_ends_nor_buys_it_again(make_factory: MakeFactory) -> None:
    factory = make_factory()
    control = factory.site.cloud.control
    control.fault("hide_newest", "DescribeInstances", times=ALWAYS)
    gate = factory.gate()
    factory.submit(1, gate=gate)
    factory.host().start()
    factory.until(lambda: factory.vms("private", State.READY), "it joined without being listed", 30)
    gate.open()
    factory.until(lambda: not factory.site.pool.queue(), "its job is done", 30)
    control.clear_faults()
    factory.until_done()
    factory.judge()
    factory.bought(1)
