"""moto as the lab's EC2: what it lacks is added here, in the same process.

Why: moto answers in EC2's shape, but ignores ClientToken, knows no capacity, ends instances in no time and cannot be
asked for a token's instances. (Measured with moto 5.2: the same token twice gave two instances.)

The rule it keeps: moto's models are touched only under the shim's lock, since moto takes none.
"""

from __future__ import annotations

from typing import Any

import moto.autoscaling  # imported by moto at the first TerminateInstances, which would take seconds
import moto.elbv2
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ec2 import utils as moto_utils
from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import InstanceState, StateReason

IMAGE = "ami-785db401"  # an Ubuntu image that moto knows in every region
ALIVE = ("pending", "running", "shutting-down", "stopping")

__all__ = ["ALIVE", "IMAGE", "all_alive", "by_token", "end_from_inside", "find", "hide_newest", "learn_token_filter"]

assert moto.autoscaling
assert moto.elbv2


def learn_token_filter() -> None:
    """Teach moto's DescribeInstances the `client-token` filter."""
    moto_utils.filter_dict_attribute_mapping["client-token"] = "client_token"


def backend(region: str) -> Any:
    return ec2_backends[DEFAULT_ACCOUNT_ID][region]


def _instances(region: str) -> list[Any]:
    return [one for reservation in backend(region).reservations.values() for one in reservation.instances]


def by_token(region: str, token: str) -> list[Any]:
    """The instances that a token started, dead ones included, by launch index."""
    found = [one for one in _instances(region) if one.client_token == token]
    return sorted(found, key=lambda one: one.ami_launch_index)


def all_alive(instance_type: str) -> int:
    """How many instances of a type hold capacity, over all regions."""
    regions = list(ec2_backends[DEFAULT_ACCOUNT_ID])
    everyone = (one for region in regions for one in _instances(region))
    return sum(one.instance_type == instance_type and one.state in ALIVE for one in everyone)


def find(instance_id: str) -> Any | None:
    for region in list(ec2_backends[DEFAULT_ACCOUNT_ID]):
        for one in _instances(region):
            if one.id == instance_id:
                return one
    return None


def set_state(instance: Any, name: str) -> None:
    codes = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
    instance._state = InstanceState(name, codes[name])


def end_from_inside(instance: Any, how: str) -> None:
    """End an instance without a call of the API. Only a power-off heeds the shutdown behaviour."""
    stays = how == "poweroff" and instance.instance_initiated_shutdown_behavior == "stop"
    instance.stop() if stays else instance.terminate()
    code, text = {
        "poweroff": ("Client.InstanceInitiatedShutdown", "Instance initiated shutdown"),
        "spot": ("Server.SpotInstanceTermination", "Spot instance termination"),
        "crash": ("Server.InternalError", "Internal error on the host"),
    }[how]
    instance.state_reason = StateReason(f"{code}: {text}", code)
    instance._reason = "" if how == "poweroff" else f"Server.{how}"


class hide_newest:  # noqa: N801 - reads as a verb in a with statement
    """While it is entered, the region's `count` newest instances are not listed."""

    def __init__(self, region: str, count: int) -> None:
        self._reservations = backend(region).reservations
        self._hidden = {one.id for one in _instances(region)[-count:]}
        self._whole: dict[str, list[Any]] = {}

    def __enter__(self) -> None:
        for key, reservation in self._reservations.items():
            self._whole[key] = reservation.instances
            reservation.instances = [one for one in reservation.instances if one.id not in self._hidden]

    def __exit__(self, *_: object) -> None:
        for key, instances in self._whole.items():
            self._reservations[key].instances = instances
