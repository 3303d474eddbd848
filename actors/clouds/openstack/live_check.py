"""What `apf check --live` finds of an OpenStack: whether it lets us in, and has what a launch names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from actors.clouds.openstack.answers import required
from actors.clouds.openstack.link import MICROVERSION, WITH_VOLUME_TYPE, OpenStackLink
from actors.clouds.openstack.names import Names
from actors.clouds.port import CloudError, Refused
from actors.config.findings import Finding
from actors.config.openstack import OpenStackCloud
from actors.fleet.observations import Listed
from actors.fleet.shape import Shape


def findings(
    link: OpenStackLink, names: Names, cloud: OpenStackCloud, listing: Callable[[], Listed]
) -> tuple[Finding, ...]:
    listed = _try("credentials and listing", lambda: _of_ours(listing()))
    if not listed.ok:
        return (listed,)
    groups = [_try("server group", lambda: names.server_group(cloud.server_group or ""))] if cloud.server_group else []
    return (
        listed,
        _try("version", lambda: _version(link, cloud)),
        _try("image", lambda: _image(names, cloud)),
        _shape(names, cloud),
        *(_try(f"network {name}", lambda name=name: names.network(name)) for name in cloud.networks),  # type: ignore[misc]
        *groups,
        _quota(link, names, cloud),
        Finding(
            what="launch", ok=None, text="not tried, Nova can only be asked for real: see the image, networks, quota"
        ),
    )


def _of_ours(listed: Listed) -> str:
    return f"{sum(not one.dead for one in listed.instances)} servers of ours"


def _version(link: OpenStackLink, cloud: OpenStackCloud) -> str:
    needed = WITH_VOLUME_TYPE if cloud.volume_type else MICROVERSION
    most = str(required(required(link.get("compute", "/"), "version"), "version"))
    if _number(most) < _number(needed):
        raise Refused(
            f"Nova speaks up to {most or 'none'}, and {needed} is needed: servers get their tags at birth by it"
        )
    return f"Nova speaks up to {most}, {needed} is needed"


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _image(names: Names, cloud: OpenStackCloud) -> str:
    found = names.image(cloud.image)
    return f"{found.get('id')} ({found.get('name')}, of {found.get('created_at')})"


def _shape(names: Names, cloud: OpenStackCloud) -> Finding:
    """The shape that jobs are promised beside what the flavour has. Of gpus a flavour says nothing that is the same
    everywhere."""
    what, said = "shape", cloud.shape
    try:
        flavor = names.flavor(cloud.flavor)
        cpus, memory_mib = int(required(flavor, "vcpus")), int(required(flavor, "ram"))
    except (CloudError, ValueError) as error:
        return Finding(what=what, ok=False, text=f"{type(error).__name__}: {error}")
    real = Shape(cpus=cpus, memory_mib=memory_mib, gpus=said.gpus)
    promised = Shape(cpus=said.cpus, memory_mib=said.memory_mib, gpus=said.gpus)
    if less := real.smaller_than(promised):
        return Finding(what=what, ok=False, text=f"{cloud.flavor} has {less}: VMs would be bought in vain")
    if more := real.larger_than(promised):
        return Finding(what=what, ok=None, text=f"{cloud.flavor} has {more}: more VMs would be bought than jobs need")
    return Finding(what=what, ok=True, text=f"{cloud.flavor} has all that it says")


def _quota(link: OpenStackLink, names: Names, cloud: OpenStackCloud) -> Finding:
    """What the project may have and has, in servers, cores and memory, beside what this cloud may grow to."""
    what = "quota"
    try:
        limits = required(required(link.get("compute", "/limits"), "limits"), "absolute")
        flavor = names.flavor(cloud.flavor)
        rooms = [_room(limits, name, used, int(flavor.get(key, 1))) for name, used, key in _LIMITED]
    except (CloudError, ValueError, TypeError) as error:
        return Finding(what=what, ok=None, text=f"not compared: {error}")
    told = ", ".join(text for text, _ in rooms)
    room = min((most for _, most in rooms if most is not None), default=None)
    if room is not None and room < cloud.max_vms:
        return Finding(what=what, ok=None, text=f"{told}: room for {room} more servers, max_vms is {cloud.max_vms}")
    return Finding(what=what, ok=True, text=told)


_LIMITED = (
    ("maxTotalInstances", "totalInstancesUsed", "one"),
    ("maxTotalCores", "totalCoresUsed", "vcpus"),
    ("maxTotalRAMSize", "totalRAMUsed", "ram"),
)
_UNITS = {"one": "servers", "vcpus": "cores", "ram": "MiB"}


def _room(limits: Mapping[str, Any], most: str, used: str, each: int) -> tuple[str, int | None]:
    """In words, and how many more servers fit; None: no limit."""
    unit = next(_UNITS[key] for name, _, key in _LIMITED if name == most)
    limit, now = int(required(limits, most)), int(required(limits, used))
    if limit < 0:
        return f"{now} {unit} in use, no limit", None
    return f"{now} of {limit} {unit} in use", max(0, limit - now) // max(1, each)


def _try(what: str, attempt: Callable[[], str]) -> Finding:
    try:
        return Finding(what=what, ok=True, text=attempt())
    except CloudError as error:
        return Finding(what=what, ok=False, text=f"{type(error).__name__}: {error}")
