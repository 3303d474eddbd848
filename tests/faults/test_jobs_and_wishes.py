"""Jobs that no worker takes, and VMs that an operator takes away."""

import pytest

from actors.fleet.vm import State
from tests.factory_on_lab import MakeFactory

pytestmark = pytest.mark.lab


SHORT = [{"nice_user": "true"}, {"max_job_retirement_time": "3600"}]


@pytest.mark.parametrize("asks", SHORT, ids=["nice_user", "an hour"])
def test_a_job_that_a_drain_would_evict_buys_nothing_and_is_named(
    make_factory: MakeFactory, asks: dict[str, str]
) -> None:
    factory = make_factory()
    factory.submit(1, seconds=1, submit=asks)
    factory.host().start()
    factory.until(lambda: factory.standing() and factory.standing().known, "the demand is seen", 40)
    factory.until(lambda: "1 job waits" in str(factory.standing().why), "it is named as one that cannot run", 10)
    factory.submit(1, seconds=1)
    factory.until(lambda: len(factory.site.pool.queue()) == 1, "the common job is done", 30)
    factory.until_no_vm()
    factory.judge(waiting=1)
    factory.bought(1)
    assert [job.starts for job in factory.site.pool.queue()] == [0]


def test_an_operator_drains_one_vm_under_its_job(make_factory: MakeFactory) -> None:
    factory = make_factory()
    factory.submit(2, gate=factory.gate())
    factory.host().start()
    factory.until_running(2)
    vm, other = factory.vms("", State.READY)
    assert factory.wish("vm", vm.instance_id, reason="a disk fails").verdict == "accepted"
    factory.until(lambda: "a disk fails" in factory.vm_of(vm.instance_id).reason, "the reason stands in its row", 15)
    assert factory.vm_of(other.instance_id).state is State.READY
    assert not factory.ended()
    factory.until_done()
    factory.judge()


def test_an_operator_drains_a_cloud_and_it_stays_closed(make_factory: MakeFactory) -> None:
    """Its jobs run to their end; jobs that come later go elsewhere."""
    factory = make_factory()
    gate = factory.gate()
    factory.submit(4, gate=gate)
    factory.host().start()
    factory.until_running(4)
    assert factory.wish("cloud", "private", reason="a rack moves").verdict == "accepted"
    taken = len(factory.started())
    factory.until(lambda: not factory.vms("private", State.READY), "its VMs are drained", 20)
    factory.submit(3, seconds=1)
    factory.until_done()
    factory.judge()
    later = factory.started()[taken:]
    assert all(factory.vm_of(instance).cloud == "spot" for instance in later)
    assert "a rack moves" in factory.cloud_view("private").closed


def test_a_wish_for_what_is_not_there_is_refused_with_a_hint(make_factory: MakeFactory) -> None:
    factory = make_factory()
    factory.host().start()
    outcome = factory.wish("cloud", "privat")
    assert outcome.verdict == "refused"
    assert "did you mean private?" in outcome.why
