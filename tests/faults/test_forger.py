"""A neighbour that lies: it holds the token that all workers share, and speaks in a victim's place.

The forger is a second startd of the allowed identity that advertises the victim's instance id; the victim's own ad is
made to vanish. What it can forge (ads, and what answers at an address of its own) must not end the victim's VM under
its job: the schedds, which it cannot be, have a veto.
"""

import pytest

from actors.fleet.vm import State, Vm
from tests.condor_pool import NodeMaker, until
from tests.factory_on_lab import Factory, MakeFactory

pytestmark = pytest.mark.lab

SILENT = "\nSTARTD.UPDATE_INTERVAL = 3600\n"  # its ad comes back only when its slots change


def test_a_forger_with_the_victims_name_and_id_does_not_end_the_vm_under_its_job(
    make_factory: MakeFactory, plain_node: NodeMaker
) -> None:
    factory, victim = with_a_victim(make_factory)
    forge(factory, plain_node, victim, name=victim.machine)
    factory.until(lambda: row(factory, victim).machine_address != victim.machine_address, "the forger is believed", 20)
    factory.wish("vm", victim.id)
    factory.until(lambda: row(factory, victim).state is State.DRAINED, "the forger took the drain", 30)
    factory.holds(lambda: victim.instance_id not in factory.ended(), "the VM is not ended under its job", 10)
    assert factory.running_jobs() == [victim.instance_id]
    factory.until_done()
    factory.judge()


def test_a_forger_of_another_name_is_an_alarm_and_gets_no_drain(
    make_factory: MakeFactory, plain_node: NodeMaker
) -> None:
    factory, victim = with_a_victim(make_factory)
    forge(factory, plain_node, victim, name="forger.lab")
    factory.until(lambda: suspects(factory), "it is an alarm", 30)
    assert f"instance {victim.instance_id}" in suspects(factory)[0]
    factory.wish("vm", victim.id)
    factory.holds(lambda: victim.instance_id not in factory.ended(), "the VM is not ended under its job", 10)
    assert row(factory, victim).machine == victim.machine
    factory.wish("vm", victim.id, verb="kill")
    factory.until(lambda: victim.instance_id in factory.ended(), "an operator's kill ends it", 30)


def with_a_victim(make_factory: MakeFactory) -> tuple[Factory, Vm]:
    """One VM that has joined, with a running job."""
    factory = make_factory(clouds={"private": {"max_vms": 1}, "spot": {"max_vms": 0}})
    factory.site.hypervisor.tamper = lambda _, config: config + SILENT
    factory.submit(1, gate=factory.gate())
    factory.host().start()
    factory.until_running(1)
    return factory, factory.vms("", State.READY)[0]


def forge(factory: Factory, plain_node: NodeMaker, victim: Vm, name: str) -> None:
    pool = factory.site.pool
    query = f'MyType = "Query"\nTargetType = "Machine"\nRequirements = CloudInstanceID == "{victim.instance_id}"\n'
    pool.tool("condor_advertise", "INVALIDATE_STARTD_ADS", str(pool.user.write(pool.directory / "vanish", query)))
    until(lambda: victim.instance_id not in ids(factory), "the victim's ad vanishes")
    settings = {"CloudInstanceID": f'"{victim.instance_id}"', "NETWORK_HOSTNAME": name, "START": "false"}
    plain_node(pool, "forger", joins=False, settings=settings)
    until(lambda: victim.instance_id in ids(factory), "the forger advertises its id")


def ids(factory: Factory) -> str:
    return factory.site.pool.tool("condor_status", "-af", "CloudInstanceID")


def row(factory: Factory, victim: Vm) -> Vm:
    return next(vm for vm in factory.vms() if vm.id == victim.id)


def suspects(factory: Factory) -> tuple[str, ...]:
    view = factory.cloud_view("private")
    return view.suspects if view else ()
