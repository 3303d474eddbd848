"""Drains that are disturbed, or have to wait: no job is lost, and nothing is ended before every slot is empty."""

import pytest

from actors.fleet.vm import State, Vm
from deploy.lab.cloud.hypervisor import MachineType
from deploy.lab.pool.daemon_config import Pace
from deploy.lab.pool.node import Hardware
from tests.factory_on_lab import Factory, MakeFactory

pytestmark = pytest.mark.lab

ONE_CLOUD = {"private": {"max_vms": 2}, "spot": {"max_vms": 0}}


def test_a_startd_that_restarts_in_its_drain_is_drained_again_and_its_job_is_run_again(
    make_factory: MakeFactory,
) -> None:
    """Measured: the shadow looks for the startd at its old address until the job's lease ends (40 minutes by default);
    then the job is idle again. A VM that lived on would not help it."""
    factory = make_factory(clouds=ONE_CLOUD)
    gate = factory.gate()
    factory.submit(1, gate=gate, submit={"job_lease_duration": "20"})
    factory.host().start()
    factory.until_running(1)
    vm = ready(factory)[0]
    factory.wish("vm", vm.id)
    factory.until(lambda: drained_by_request(factory, vm.id, 1), "the startd took the drain", 20)
    factory.site.hypervisor.nodes[vm.instance_id].restart_startd()
    factory.until(lambda: drained_by_request(factory, vm.id, 2), "it is drained again, with a new nonce", 45)
    factory.until_done()
    factory.judge(disturbed=1)
    assert row(factory, vm.id).nonce == f"{vm.id}.2"


def test_a_drain_waits_for_all_jobs_of_a_partitionable_slot(make_factory: MakeFactory) -> None:
    shape = {"cpus": 3, "memory_mib": 1024}
    machine = MachineType(hardware=Hardware(cpus=3, memory_mib=1024))
    factory = make_factory(types={"m5.large": machine}, clouds={"private": {"shape": shape}, "spot": {"max_vms": 0}})
    gates = [factory.gate() for _ in range(3)]
    for gate in gates:
        factory.submit(1, gate=gate)
    factory.host().start()
    factory.until_running(3, vms=1)
    vm = ready(factory)[0]
    assert set(factory.running_jobs()) == {vm.instance_id}
    factory.wish("vm", vm.instance_id)
    factory.until(lambda: drained_by_request(factory, vm.id, 1), "the startd took the drain", 20)
    for gate in gates[:2]:
        gate.open()
    factory.until(lambda: len(factory.running_jobs()) == 1, "two of the three are done", 30)
    assert row(factory, vm.id).state is State.DRAINING
    assert not factory.ended()
    factory.until_done()
    factory.judge()
    factory.bought(1)


def test_demand_that_returns_takes_a_drain_back_while_the_last_job_runs(make_factory: MakeFactory) -> None:
    """The queue's limit is lowered under two busy VMs and raised again: one drain begins, and is taken back."""
    factory = make_factory(clouds=ONE_CLOUD)
    factory.submit(2, gate=factory.gate())
    factory.host().start()
    factory.until_running(2)
    factory.apply(clouds=ONE_CLOUD, queues={"atlas": {"max_vms": 1}})
    factory.until(lambda: [vm for vm in factory.vms("", State.DRAINING) if vm.drain_asked], "one is drained", 25)
    factory.apply(clouds=ONE_CLOUD)
    factory.submit(1, seconds=1)
    factory.until(lambda: len(ready(factory)) == 2, "its drain is taken back", 25)
    factory.until_done()
    factory.judge()
    factory.bought(2)


def test_a_collector_that_restarts_while_a_busy_vm_drains_ends_nothing_at_stock_intervals(
    make_factory: MakeFactory,
) -> None:
    """At HTCondor's own intervals the restarted collector does not know of a busy draining startd for minutes."""
    factory = make_factory(pace=Pace.STOCK, clouds=ONE_CLOUD)
    gate = factory.gate()
    factory.submit(2, gate=gate)
    factory.host().start()
    factory.until(lambda: len(factory.running_jobs()) == 2, "both jobs run", 100)
    factory.until_running(2)
    vm, other = ready(factory)
    factory.wish("vm", vm.id)
    factory.until(lambda: drained_by_request(factory, vm.id, 1), "the startd took the drain", 20)
    factory.site.pool.kill_collector()
    factory.site.pool.restart_collector()
    factory.until(lambda: factory.cloud_view("private").frozen, "the short reading is noticed", 20)  # type: ignore[union-attr]
    factory.holds(lambda: not factory.ended() and len(factory.started()) == 2, "nothing is ended, nor bought", 15)
    assert row(factory, vm.id).state is State.DRAINING
    gate.open()
    factory.until(lambda: vm.instance_id in factory.ended(), "it is ended once its job is done", 80)
    factory.until(lambda: not factory.site.pool.queue(), "the other job is done too", 60)
    factory.wish("vm", other.id, verb="kill")  # by itself its ad would say busy for up to 300 s more
    factory.until_done()
    factory.judge()
    factory.bought(2)


def ready(factory: Factory) -> list[Vm]:
    return factory.vms("", State.READY)


def row(factory: Factory, vm_id: str) -> Vm:
    return next(vm for vm in factory.vms() if vm.id == vm_id)


def drained_by_request(factory: Factory, vm_id: str, number: int) -> bool:
    """Whether a startd has accepted the so-manieth drain of this VM."""
    vm = row(factory, vm_id)
    return vm.drains == number and vm.drain_asked > 0
