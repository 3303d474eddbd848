"""EC2's answers as readings. Pure.

The rule it keeps: an answer that lacks what EC2 always sends is no empty answer. (Measured: any well-formed XML with
status 200, a proxy's page for example, is parsed into an answer without instances.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from actors.clouds.port import Unknown
from actors.fleet.bounds import cut, within
from actors.fleet.observations import Instance
from actors.fleet.shape import Shape

MOST_TEXT, MOST_TAGS = 512, 200  # characters; EC2 allows 256, and 50 tags
MOST_VMS, MOST_CORES = 1_000_000, 10_000  # of one launch; of one machine
HELD = "apf:held"  # the tag with the words of a hold
_STATES = {
    "pending": "pending",
    "running": "running",
    "shutting-down": "ending",
    "stopping": "ending",  # not stopped yet: no witness of its end
    "stopped": "stopped",
    "terminated": "terminated",
}


def required(answer: Mapping[str, Any], key: str) -> Any:
    """A part that EC2 always sends. Unknown: it is missing, so this is not EC2's answer."""
    if key not in answer:
        raise Unknown(f"the answer has no {key}; is the endpoint an EC2 API?", "unparsable")
    return answer[key]


def instances(page: Mapping[str, Any]) -> Iterator[Instance]:
    """The instances of a DescribeInstances page."""
    for reservation in required(page, "Reservations"):
        yield from map(instance, required(reservation, "Instances"))


def foreign(
    page: Mapping[str, Any], factory: str, clouds: frozenset[str], known: Mapping[str, int]
) -> Iterator[tuple[str, int]]:
    """(id, cores) of the living instances that are none of the factory's on these clouds.

    Cores as the cloud tells them, else as `known` by instance type, else 1: then the quota in cores is a guess.
    """
    for reservation in required(page, "Reservations"):
        for one in required(reservation, "Instances"):
            tags = _tags(one)
            ours = tags.get("apf:factory") == factory and tags.get("apf:cloud") in clouds
            if not ours and not instance(one).dead:
                yield required(one, "InstanceId"), _cores(one, known)


def type_shape(found: Mapping[str, Any]) -> Shape:
    """What a machine type of DescribeInstanceTypes has. Disks do not count: what jobs get may be a volume's."""
    gpus = sum(int(one.get("Count", 0)) for one in found.get("GpuInfo", {}).get("Gpus", ()))
    cpus, memory_mib = (
        required(found, "VCpuInfo").get("DefaultVCpus", 0),
        required(found, "MemoryInfo").get("SizeInMiB", 0),
    )
    return Shape(cpus=int(cpus), memory_mib=int(memory_mib), gpus=gpus)


def _cores(found: Mapping[str, Any], known: Mapping[str, int]) -> int:
    cpu = found.get("CpuOptions", {})
    told = _whole(cpu, "CoreCount", 0, MOST_CORES) * _whole(cpu, "ThreadsPerCore", 1, MOST_CORES)
    return told or known.get(found.get("InstanceType", ""), 1)


def instance(found: Mapping[str, Any]) -> Instance:
    """One instance. A state that is not in EC2's reference counts as running: it holds quota and is not buried."""
    tags = _tags(found)
    state = required(required(found, "State"), "Name")
    return Instance(
        id=cut(required(found, "InstanceId"), MOST_TEXT),
        state=_STATES.get(state, "running"),
        launched_at=_seconds(found.get("LaunchTime")),
        address=cut(found.get("PrivateIpAddress"), MOST_TEXT),
        intent=tags.get("apf:intent", ""),
        queue=tags.get("apf:queue", ""),
        index=_whole(found, "AmiLaunchIndex", -1, MOST_VMS),
        token=cut(found.get("ClientToken"), MOST_TEXT),
        market="spot" if found.get("InstanceLifecycle") == "spot" else "on-demand",
        reason=_reason(found) if state in _STATES else f"its state {state!r} is not known",
        held=tags.get(HELD, ""),
        pool=tags.get("apf:pool", ""),
    )


def tagged(one: Instance, tags: Mapping[str, str]) -> Instance:
    """With tags that it got after its birth."""
    return replace(one, intent=tags["apf:intent"], queue=tags["apf:queue"], pool=tags.get("apf:pool", ""))


def _tags(found: Mapping[str, Any]) -> dict[str, str]:
    """Whoever may tag an instance writes what he likes, and endpoints that are only like EC2 have no limits."""
    tags = list(found.get("Tags", ()))[:MOST_TAGS]
    return {cut(tag.get("Key"), MOST_TEXT): cut(tag.get("Value"), MOST_TEXT) for tag in tags}


def _whole(found: Mapping[str, Any], name: str, default: int, most: int) -> int:
    value = found.get(name)
    return int(value) if within(value, most) and value is not None else default


def _seconds(at: datetime | None) -> float:
    return at.timestamp() if at else 0.0


def _reason(found: Mapping[str, Any]) -> str:
    why = found.get("StateReason", {}).get("Message") or found.get("StateTransitionReason") or ""
    return cut(why, MOST_TEXT)
