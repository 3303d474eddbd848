"""The lab's hypervisor: for each running instance of the EC2 API, a real worker node on this machine.

Why: a cloud that only keeps books cannot show that a worker joins, that a retirement kills no job, that a power-off
ends an instance.

The rule it keeps: the API's state is what is done. A running instance is booted from its own user-data, once; one that
is stopped or terminated has its power cut at once (`kill -9` of all its processes); a guest that powers itself off ends
its instance in the API. An instance that a listing does not show is left as it is. The API failing is survived.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from deploy.lab.cloud import guest
from deploy.lab.cloud.control import Control
from deploy.lab.cloud.faults import HYPERVISOR_KEY
from deploy.lab.cloud.metadata import MetadataService
from deploy.lab.pool.node import CONFIG_FOLDER, Hardware, Node
from deploy.lab.pool.pool import LabPool

_log = logging.getLogger(__name__)
_LOOK_EVERY_S = 0.25
_BOOTS_AT_ONCE = 4
WORKER_CONFIG = f"/{CONFIG_FOLDER}/50-apf.conf"


@dataclass(frozen=True, kw_only=True)
class Instance:
    """What the API says of an instance."""

    instance_id: str
    instance_type: str
    state: str
    zone: str
    region: str
    spot: bool
    tags: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class MachineType:
    """What stands for an instance type: its hardware, and how long it takes from running to booted (s)."""

    hardware: Hardware = field(default_factory=Hardware)
    boot_delay_s: float = 0.0


def _nobody(_: Instance) -> bool:
    return False


def _as_it_is(_: Instance, config: str) -> str:
    return config


class Hypervisor:
    """Nodes for a pool, one for each instance that the API at `endpoint` runs in `regions`.

    `types` says what stands for an instance type (others: one core, 512 MiB). Faults, to be set at any time:
    `never_joins(instance)` is true for machines that run and never join; `tamper(instance, config)` returns the worker
    configuration to use instead of the user-data's.
    """

    def __init__(
        self,
        pool: LabPool,
        endpoint: str,
        *,
        regions: Sequence[str] = ("us-east-1",),
        types: Mapping[str, MachineType] | None = None,
    ) -> None:
        self.never_joins: Callable[[Instance], bool] = _nobody
        self.tamper: Callable[[Instance, str], str] = _as_it_is
        self.types = dict(types or {})
        self.nodes: dict[str, Node] = {}
        self.dark: dict[str, str] = {}  # instances that were not booted, by a fault or an error, and why
        self._pool = pool
        self._control = Control(endpoint)
        self._clients = {region: _client(endpoint, region) for region in regions}
        self._metadata = MetadataService()
        self._seen_at: dict[str, float] = {}
        self._seen_changes = -1
        self._boots: dict[str, Future[None]] = {}
        self._crew = ThreadPoolExecutor(_BOOTS_AT_ONCE, thread_name_prefix="lab-boot")
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lab-hypervisor", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._metadata.start()
        self._thread.start()

    def stop(self) -> None:
        """Stop watching and cut the power of every node."""
        self._ending.set()
        self._thread.join()
        self._cut_all(list(self._boots))
        self._crew.shutdown(wait=True)
        self._metadata.stop()

    def story(self, instance_id: str) -> str:
        """What an instance's machine says of itself, for whoever asks why it did not join or does not end."""
        node = self.nodes.get(instance_id)
        if node is None:
            return f"{instance_id} is no machine: {self.dark.get(instance_id, 'not booted yet')}"
        logs = [node.directory / "log" / name for name in ("output", "MasterLog", "StartLog")]
        said = "\n".join(f"  {log.name}: {log.read_text()[-1500:]}" for log in logs if log.exists())
        return f"{instance_id}, powered off: {node.powered_off}\n{said}"

    def __enter__(self) -> "Hypervisor":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._ending.wait(_LOOK_EVERY_S):
            try:
                self._look()
            except (BotoCoreError, ClientError, OSError) as error:
                _log.warning("the EC2 API could not be asked: %s", error)

    def _look(self) -> None:
        """Ask for a listing only when there is something new in it, or something waits for its time."""
        changes = self._control.changes()
        waiting = self._seen_at.keys() - self._boots.keys()
        if (
            changes == self._seen_changes
            and not waiting
            and not any(node.powered_off for node in [*self.nodes.values()])
        ):
            return
        self._carry_out()
        self._seen_changes = changes

    def _carry_out(self) -> None:
        ended = []
        for instance in self._instances():
            if instance.state == "running":
                self._boot_when_due(instance)
            elif instance.state != "pending":
                ended.append(instance.instance_id)
                self._seen_at.pop(instance.instance_id, None)
        for instance_id, node in list(self.nodes.items()):
            if node.powered_off and instance_id not in ended:
                self._control.end_from_inside(instance_id)
                ended.append(instance_id)
        self._cut_all(ended)

    def _instances(self) -> Iterator[Instance]:
        for region, client in self._clients.items():
            for page in client.get_paginator("describe_instances").paginate():
                for reservation in page["Reservations"]:
                    yield from (_instance(region, one) for one in reservation["Instances"])

    def _boot_when_due(self, instance: Instance) -> None:
        now = time.monotonic()
        due_at = self._seen_at.setdefault(instance.instance_id, now) + self._type_of(instance).boot_delay_s
        if now >= due_at and instance.instance_id not in self._boots:
            self._boots[instance.instance_id] = self._crew.submit(self._boot, instance)

    def _boot(self, instance: Instance) -> None:
        """In a thread of the crew. What goes wrong leaves the instance dark, as in a real cloud."""
        if self.never_joins(instance):
            self.dark[instance.instance_id] = "it is never to join"
            return
        try:
            self._boot_node(instance, self._type_of(instance).hardware)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            self.dark[instance.instance_id] = f"{type(error).__name__}: {error}"
            _log.exception("%s stays dark", instance.instance_id)

    def _type_of(self, instance: Instance) -> MachineType:
        return self.types.get(instance.instance_type, MachineType())

    def _boot_node(self, instance: Instance, hardware: Hardware) -> None:
        user_data = self._user_data(instance)
        address = self._metadata.add(instance.instance_id, _answers(instance, user_data))
        files = guest.read_user_data(user_data)
        node = self._node(instance.instance_id)
        guest.configure(node, [self._tampered(instance, file) for file in files], address)
        node.start(hardware=hardware, pace=self._pool.pace)
        self.nodes[instance.instance_id] = node

    def _node(self, name: str) -> Node:
        directory = self._pool.directory / "nodes" / name
        return Node(prefix=self._pool.prefix, directory=directory, user=self._pool.user, name=name)

    def _tampered(self, instance: Instance, file: guest.GuestFile) -> guest.GuestFile:
        if file.path != WORKER_CONFIG:
            return file
        return guest.GuestFile(path=file.path, text=self.tamper(instance, file.text), mode=file.mode)

    def _cut_all(self, ended: Sequence[str]) -> None:
        list(self._crew.map(self._cut, [one for one in ended if one in self._boots]))

    def _cut(self, instance_id: str) -> None:
        """The instance has ended: cut its node's power, once its boot is through with."""
        boot = self._boots[instance_id]
        if not boot.cancel():
            boot.result()
        if node := self.nodes.pop(instance_id, None):
            node.kill()
            self._metadata.remove(instance_id)

    def _user_data(self, instance: Instance) -> str:
        answer = self._clients[instance.region].describe_instance_attribute(
            InstanceId=instance.instance_id, Attribute="userData"
        )
        return guest.decode(answer["UserData"].get("Value", ""))


def _client(endpoint: str, region: str) -> Any:
    """What this machine is too busy for is tried again: a slow laboratory is no fault of the cloud."""
    patience = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 5, "mode": "standard"})
    return boto3.client(
        "ec2",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=HYPERVISOR_KEY,
        aws_secret_access_key="lab",
        config=patience,
    )


def _instance(region: str, one: Mapping[str, Any]) -> Instance:
    return Instance(
        instance_id=one["InstanceId"],
        instance_type=one["InstanceType"],
        state=one["State"]["Name"],
        zone=one["Placement"]["AvailabilityZone"],
        region=region,
        spot=one.get("InstanceLifecycle") == "spot",
        tags={tag["Key"]: tag["Value"] for tag in one.get("Tags", [])},
    )


def _answers(instance: Instance, user_data: str) -> Mapping[str, str]:
    return {
        "user-data": user_data,
        "meta-data/instance-id": instance.instance_id,
        "meta-data/instance-type": instance.instance_type,
        "meta-data/instance-life-cycle": "spot" if instance.spot else "on-demand",
        "meta-data/placement/availability-zone": instance.zone,
        "meta-data/placement/region": instance.region,
        **{f"meta-data/tags/instance/{name}": value for name, value in instance.tags.items()},
    }
