"""Spot notices, the whole way: EventBridge and SQS and EC2 over HTTP, and a host that is a process of its own.

The stack of deploy/spot-notices.json stands in moto, the VMs are the lab's EC2 API's, and each one's startd and jobs
are in a simulated pool. What happened is asked of the pool, of the cloud's ledger and of the queue itself.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.fleet.vm import State, Vm
from broker.mail.dead_letters import DeadLetters
from deploy.lab.cloud.api import IMAGE
from deploy.lab.world.things import SPOT, YEARS_S
from tests.actors.clouds.ec2.test_sqs import REGION, Amazon, amazon
from tests.actors.clouds.test_spot_notices import INTERRUPTION
from tests.factory_in_a_world import QUEUE, Factory, MakeHosts
from tests.forge import ForgedCloudApi

__all__ = ["amazon"]

GARBAGE = '{"source": "nobody knows'
KEYS = {"AWS_ACCESS_KEY_ID": "lab", "AWS_SECRET_ACCESS_KEY": "lab", "AWS_EC2_METADATA_DISABLED": "true"}


class Guests:
    """What runs inside the cloud's VMs: a startd in the simulated pool for each one that was started."""

    def __init__(self, factory: Factory, cloud: ForgedCloudApi) -> None:
        self._factory, self._cloud = factory, cloud

    def started(self) -> list[str]:
        runs = (one for one in self._cloud.control.ledger() if one["action"] == "RunInstances" and not one["repeat"])
        return [instance for one in runs for instance in one["ids"]]

    def ended(self) -> list[str]:
        """What the factory asked the cloud to end."""
        return [i for one in self._cloud.control.ledger() if one["action"] == "TerminateInstances" for i in one["ids"]]

    def boot(self) -> list[str]:
        """Let all that were started join the pool; their ids in the order of their launches."""
        started = self.started()
        for instance in started:
            if instance not in self._factory.world.vms:
                facts = {"queue": QUEUE, "cpus": 1, "retirement_s": YEARS_S, "id": instance}
                self._factory.operations.do("boot", facts)
        return started

    def taken_by_the_cloud(self, instance: str) -> None:
        self._cloud.control.end_from_inside(instance, "spot")
        self._factory.operations.do("end", {"ids": [instance], "reason": SPOT})


@pytest.fixture
def ec2(tmp_path: Path) -> Iterator[ForgedCloudApi]:
    with ForgedCloudApi(tmp_path / "cloud.log") as api:
        yield api


def spot(ec2: ForgedCloudApi, amazon: Amazon) -> dict[str, Any]:
    """The simulated cloud of that name made into one of EC2, with a queue of notices."""
    return {
        "kind": "ec2",
        "world": None,
        "endpoint": ec2.endpoint,
        "region": REGION,
        "image": IMAGE,
        "instance_type": "c5.large",
        "market": "spot",
        "notices_queue": amazon.queue,
        "timeout_s": 10.0,
    }


def left_in(amazon: Amazon) -> int:
    """Messages in the queue, those that are hidden from other readers included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = amazon.client("sqs").get_queue_attributes(QueueUrl=amazon.queue, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def test_a_host_drains_what_its_cloud_will_take_and_buys_another_and_garbage_ends_nothing(
    make_hosts: MakeHosts,
    ec2: ForgedCloudApi,
    amazon: Amazon,
) -> None:
    factory = make_hosts(clouds={"private": None, "spot": spot(ec2, amazon)}, queues={QUEUE: {"cascade": [["spot"]]}})
    guests = Guests(factory, ec2)
    host = factory.host("host-1", **KEYS)
    host.start()
    factory.submit(2, seconds=36_000)
    factory.until(lambda: len(guests.boot()) == len(factory.busy()) == 2, "two VMs run a job each", 60)
    factory.until(lambda: [vm.state for vm in factory.alive()] == [State.READY] * 2, "both have joined", 60)
    taken, kept = guests.started()

    amazon.client("sqs").send_message(QueueUrl=amazon.queue, MessageBody=GARBAGE)
    amazon.happens({**INTERRUPTION, "detail": {"instance-id": taken, "instance-action": "terminate"}})

    factory.until(lambda: factory.world.vms[taken].drain, "the pool shows its drain", 60)
    factory.until(lambda: len(guests.started()) == 3, "the cloud's ledger shows that another was bought", 60)
    factory.until(lambda: left_in(amazon) == 0, "the queue is empty", 60)
    rows: dict[str, Vm] = {vm.instance_id: vm for vm in factory.alive()}
    assert (rows[taken].state, str(rows[taken].drain_for)) == (State.DRAINING, "spot")
    assert (rows[kept].state, rows[kept].notice, factory.world.vms[kept].drain) == (State.READY, "", "")
    assert (factory.busy(), guests.ended()) == ({taken, kept}, []), "a notice ends no job, and garbage nothing"

    (letter,) = DeadLetters(factory.client, factory.site).list()
    assert (letter.mailbox, letter.body) == ("notices/spot", GARBAGE.encode())
    assert host.said("message is no spot notice: put with the dead letters", cloud="spot", why="not JSON")
    assert len(host.said("spot notice", instance=taken, kind="interruption")) == 1

    guests.taken_by_the_cloud(taken)
    _, _, bought = guests.started()
    factory.until(lambda: guests.boot() and factory.busy() == {kept, bought}, "its job runs on the one bought", 60)
    factory.until(lambda: {vm.instance_id for vm in factory.alive()} == {kept, bought}, "its row has ended", 60)
    (gone,) = (vm for vm in factory.vms() if vm.instance_id == taken)
    assert gone.lost, "the cloud ended it, not the factory"
    assert (guests.ended(), len(guests.started())) == ([], 3)
