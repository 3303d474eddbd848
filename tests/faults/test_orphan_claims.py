"""A schedd loses its job queue while a job runs: its VM is busy for nobody, which is said, and ends nothing."""

import pytest

from actors.fleet.vm import State
from tests.factory_on_lab import Factory, MakeFactory

pytestmark = pytest.mark.lab


def test_a_vm_that_is_busy_for_no_schedd_is_named_and_its_drain_waits_until_an_operator_ends_it(
    make_factory: MakeFactory,
) -> None:
    factory = make_factory(clouds={"private": {"max_vms": 2}, "spot": {"max_vms": 0}}, schedds=2)
    factory.submit(1, gate=factory.gate())
    factory.submit(1, schedd=1, gate=factory.gate())
    factory.host().start()
    factory.until_running(2)
    (orphan,) = [one.instance_id for one in factory.site.pool.access_points[0].queue()]
    factory.site.pool.lose_queue()
    factory.until(lambda: orphaned(factory), "it is said", 90)
    (told,) = orphaned(factory)
    vm = factory.vm_of(orphan)
    assert vm is not None
    assert f"VM {vm.id} ({orphan}, startd {vm.machine}) has a claim for which no schedd has a job" in told
    factory.wish("vm", vm.id)
    factory.until(lambda: row(factory, orphan) is State.DRAINING, "it drains", 30)
    factory.holds(lambda: not factory.ended(), "its drain waits for the job that runs there", 4)
    factory.wish("vm", vm.id, verb="kill")
    factory.until(lambda: factory.ended() == [orphan], "an operator's kill ends it", 30)
    factory.until(lambda: not orphaned(factory), "and it is not said any more", 20)
    factory.until_done()


def orphaned(factory: Factory) -> tuple[str, ...]:
    view = factory.cloud_view("private")
    return view.orphaned if view else ()


def row(factory: Factory, instance: str) -> State | None:
    vm = factory.vm_of(instance)
    return vm.state if vm else None
