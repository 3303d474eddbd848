"""What startds say of themselves: no id, a foreign id, an id that another has too, an id that is not theirs to use.

The rule: an ad is a worker's word. Only one startd, with the id, from an identity that may advertise it, is the VM; any
other is left alone, named in the log, and proves nothing against the VM that it might be.
"""

import signal
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from actors.fleet.vm import State
from deploy.lab import processes
from deploy.lab.pool.node import Hardware, Node
from deploy.lab.pool.pool import LabPool
from tests.condor_pool import PLAIN_WORKER, NodeMaker, until
from tests.factory_on_lab import Factory, MakeFactory

pytestmark = pytest.mark.lab


def test_a_vm_whose_startd_has_no_id_is_not_ended_under_its_job(make_factory: MakeFactory) -> None:
    """It can never be matched, so it stays booting; but a startd of its queue is in the pool, and that may be it."""
    factory = make_factory(clouds={"private": {"boot_deadline_s": 10, "max_vms": 1}, "spot": {"max_vms": 0}})
    no_id = "\nSTARTD.STARTD_ATTRS = APFFactory APFCloud APFQueue\n"
    factory.site.hypervisor.tamper = lambda _, config: config + no_id
    gate = factory.gate()
    factory.submit(1, gate=gate)
    factory.host().start()
    factory.until(lambda: factory.running_jobs(), "the job runs", 40)
    vm = factory.vms()[0]
    gate.open()
    factory.until(lambda: not factory.site.pool.queue(), "the job is done", 40)
    factory.holds(lambda: not factory.ended(), "a VM that may have joined is not ended", 5)
    assert factory.vms()[0].state is State.BOOTING
    assert factory.host().said("startd not matched", why="advertises no instance id")
    factory.site.cloud.control.end_from_inside(vm.instance_id)
    factory.until_done()
    factory.judge()


def test_a_startd_with_a_foreign_id_is_left_alone(make_factory: MakeFactory, plain_node: NodeMaker) -> None:
    factory = make_factory()
    pool = factory.site.pool
    plain_node(pool, "i-00f0e1a5", settings={"START": "false"})
    factory.submit(2, seconds=1)
    factory.host().start()
    factory.until_done()
    factory.judge()
    assert factory.host().said("startd not matched", why="i-00f0e1a5 is no VM of this cloud")
    assert seen(pool, "i-00f0e1a5", "State", "DrainReason") == ["Unclaimed undefined"]


def test_a_vm_whose_id_two_startds_use_is_not_ended_until_one_is_gone(
    make_factory: MakeFactory, plain_node: NodeMaker
) -> None:
    factory = make_factory()
    gate = factory.gate()
    factory.submit(1, gate=gate)
    factory.host().start()
    factory.until(lambda: factory.running_jobs(), "the job runs", 40)
    factory.until(lambda: factory.vms("", State.READY), "its VM has joined", 20)
    vm = factory.vms("", State.READY)[0]
    settings = {"START": "false", "CloudInstanceID": f'"{vm.instance_id}"'}
    twin = plain_node(factory.site.pool, "twin", joins=False, settings=settings)
    factory.until(lambda: factory.host().said("startd not matched", why="2 startds advertise"), "both are seen", 20)
    gate.open()
    factory.until(lambda: not factory.site.pool.queue(), "the job is done", 40)
    factory.holds(lambda: not factory.ended(), "nothing is ended while it is not known who is who", 6)
    leave(twin)
    factory.until_done()
    factory.judge()


def test_a_startd_of_another_user_is_not_our_vm(make_factory: MakeFactory, imposter: "ImposterMaker") -> None:
    """It uses the id of a VM that never joins: it is not drained, and the VM is ended at its deadline."""
    factory = make_factory(clouds={"private": {"boot_deadline_s": 10, "max_vms": 1}, "spot": {"max_vms": 0}})
    first: list[str] = []
    factory.site.hypervisor.never_joins = lambda instance: not first or instance.instance_id in first
    factory.submit(1, seconds=2)
    factory.host().start()
    factory.until(factory.started, "a VM is started", 20)
    first += factory.started()
    imposter(factory, first[0])
    factory.until(lambda: factory.host().said("startd not matched", why="allowed: worker@lab"), "it is refused", 20)
    factory.until(lambda: "allowed: worker@lab" in alarms(factory), "it is an alarm", 20)
    factory.until(lambda: first[0] in factory.ended(), "the VM is ended at its deadline", 30)
    assert [vm.joined for vm in factory.vms() if vm.instance_id == first[0]] == [0.0]
    assert not seen(factory.site.pool, first[0], "DrainReason")[0].startswith('"apf')
    factory.until_done()
    factory.judge()


class ImposterMaker:
    """imposter(factory, instance_id): a startd with this id, of no queue, advertised by the pool's own user."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def __call__(self, factory: Factory, instance_id: str) -> None:
        pool = factory.site.pool
        pool.environment()  # mints that user's token
        token = next((pool.directory / "person" / "tokens").iterdir()).read_text()
        node = Node(prefix=pool.prefix, directory=pool.directory / "imposter", user=pool.user, name="imposter")
        config = PLAIN_WORKER.replace('APFQueue = "atlas"', 'APFQueue = "another"').replace(
            "START = true", "START = false"
        )
        config += f'COLLECTOR_HOST = {pool.collector}\nCloudInstanceID = "{instance_id}"\n'
        node.write("/etc/condor/config.d/50-apf.conf", config)
        node.write("/etc/condor/tokens.d/apf", token, 0o600)
        self._stack.callback(node.kill)
        node.start(hardware=Hardware(), pace=pool.pace)
        until(lambda: seen(pool, instance_id, "Name"), "the imposter joins")


@pytest.fixture
def imposter() -> Iterator[ImposterMaker]:
    with ExitStack() as stack:
        yield ImposterMaker(stack)


def seen(pool: LabPool, instance_id: str, *attributes: str) -> list[str]:
    """What the collector has of the startds with this id, a line each."""
    said = pool.tool("condor_status", "-constraint", f'CloudInstanceID == "{instance_id}"', "-af", *attributes)
    return said.splitlines()


def alarms(factory: Factory) -> str:
    view = factory.cloud_view("private")
    return " ".join(view.suspects) if view else ""


def leave(node: Node) -> None:
    """The startd takes its leave of the collector."""
    master = node.master.pid("condor_master")
    assert master is not None
    processes.send(master, signal.SIGTERM)
