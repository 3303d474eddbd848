"""While a VM boots its pool gets another address, or goes from the configuration. The VM joins where it was told to.

What it runs there is not ended for its absence from a pool that it was never told of, however long it is missing.
"""

import threading
from collections.abc import Iterator

import pytest

from actors.console import status
from actors.console.status_model import Trouble
from actors.fleet.vm import Vm
from deploy.lab.pool.pool import LabPool
from tests.condor_pool import PoolMaker, fresh_pool  # noqa: F401
from tests.factory_on_lab import Factory, MakeFactory

pytestmark = pytest.mark.lab

DEADLINE_S = 10.0
ONE_VM = {"private": {"max_vms": 1, "boot_deadline_s": DEADLINE_S}, "spot": {"max_vms": 0}}
LATE_S = DEADLINE_S + 6.0  # a VM that was missed would have been ended by then


@pytest.fixture
def other(fresh_pool: PoolMaker) -> LabPool:  # noqa: F811
    return fresh_pool()


@pytest.fixture
def booted() -> Iterator[threading.Event]:
    """Guests boot once it is set."""
    event = threading.Event()
    yield event
    event.set()


def test_its_job_runs_past_the_boot_deadline_and_it_is_followed_again_when_its_pool_is_named_again(
    make_factory: MakeFactory, other: LabPool, booted: threading.Event
) -> None:
    factory = with_a_booting_vm(make_factory, booted)
    factory.apply(clouds=ONE_VM, pools={"local": at(factory, other)})
    vm = seen_astray(factory, booted)
    assert factory.running_jobs() == [vm.instance_id]
    (trouble,) = troubles_of(factory, vm)
    assert trouble.weight == "bad"
    assert factory.site.pool.collector in trouble.what
    factory.apply(clouds=ONE_VM)
    factory.until(lambda: row(factory, vm).joined, "its pool is named again, and it is seen", 30)
    assert not row(factory, vm).astray
    factory.until_done()
    factory.judge()


def test_one_whose_pool_is_gone_from_the_configuration_is_left_to_an_operator(
    make_factory: MakeFactory, other: LabPool, booted: threading.Event
) -> None:
    factory = with_a_booting_vm(make_factory, booted)
    elsewhere = {**factory.config.pools["local"].model_dump(mode="json", exclude_defaults=True), **at(factory, other)}
    queue = {"atlas": {"pool": "elsewhere"}}
    factory.apply(clouds=ONE_VM, queues=queue, pools={"local": None, "elsewhere": elsewhere})
    vm = seen_astray(factory, booted)
    assert factory.running_jobs() == [vm.instance_id]
    (trouble,) = troubles_of(factory, vm)
    assert "was told to join local at" in trouble.what
    assert f"apf kill CONFIG --vm {vm.id}" in trouble.todo
    factory.gates[0].open()
    factory.until(lambda: not factory.site.pool.queue(), "its job has ended", 30)
    factory.wish("vm", vm.id, verb="kill")
    factory.until_no_vm()
    factory.judge()


def with_a_booting_vm(make_factory: MakeFactory, booted: threading.Event) -> Factory:
    factory = make_factory(clouds=ONE_VM)
    factory.site.hypervisor.tamper = lambda _, config: config if booted.wait(120) else ""
    factory.submit(1, gate=factory.gate())
    factory.host().start()
    factory.until(lambda: [vm for vm in factory.vms() if vm.instance_id], "a VM boots", 40)
    return factory


def at(factory: Factory, other: LabPool) -> dict[str, object]:
    """What of a pool's table says that it is the other one."""
    return {
        "kind": "htcondor",
        "collector": other.collector,
        "token_directory": str(other.tokens(factory.directory / "other-tokens")),
        "worker_token_command": list(other.worker_token_command),
    }


def seen_astray(factory: Factory, booted: threading.Event) -> Vm:
    """It boots now, its job runs in the pool that it was told, and it is missed in the one that is read."""
    booted.set()
    factory.until(lambda: len(factory.running_jobs()) == 1, "its job runs", 40)
    factory.until(lambda: factory.vms()[0].astray, "it is missed where it was never told to join", 60)
    factory.holds(lambda: not factory.ended() and factory.running_jobs(), "it runs on", LATE_S)
    (vm,) = factory.vms()
    assert (vm.state, vm.joined) == ("booting", 0.0)
    assert not vm.supply
    return vm


def row(factory: Factory, vm: Vm) -> Vm:
    return next(one for one in factory.vms() if one.id == vm.id)


def troubles_of(factory: Factory, vm: Vm) -> list[Trouble]:
    """As `apf status` says them, of this VM's being astray."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APF_TEST_REDIS", factory.redis.address.password or "")
        looked = status.Reader(factory.config)
        try:
            found = looked.read().troubles
        finally:
            looked.close()
    return [one for one in found if vm.id in one.what and "was told to join" in one.what]
