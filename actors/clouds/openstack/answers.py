"""Nova's answers as readings. Pure.

The rule it keeps: what may still run a job is no dead server. A server in ERROR may run on (a resize failed, a host was
evacuated in vain); it is `defunct` only where Nova says that no power is on, or that it never ran. One that was powered
off, from inside or by anybody, is `defunct` too: it runs nothing, and holds quota until it is deleted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from actors.clouds.openstack.request import ServerMarks
from actors.clouds.port import Unknown
from actors.fleet.observations import Instance

HELD = "apf:held"  # the item of metadata with the words of a hold
_STATES = {
    "ACTIVE": "running",
    "BUILD": "pending",
    "SHUTOFF": "defunct",
    "STOPPED": "defunct",
    "DELETED": "terminated",
    "SOFT_DELETED": "terminated",
}
_NAME = re.compile(r"(?P<intent>[0-9A-Za-z-]+)-(?P<index>[0-9]+)-(?P<token>[0-9A-Za-z]+)")
_RUNS = (1, 3)  # power states: running, paused
_POWER = "OS-EXT-STS:power_state"
_TASK = "OS-EXT-STS:task_state"


def required(answer: Any, key: str) -> Any:
    """A part that Nova always sends. Unknown: it is missing, so this is not Nova's answer."""
    if not isinstance(answer, Mapping) or key not in answer:
        raise Unknown(f"the answer has no {key}; is the endpoint OpenStack's?", "unparsable")
    return answer[key]


def instance(server: Mapping[str, Any], marks: ServerMarks) -> Instance:
    """One server. A status that Nova's reference does not have counts as running: it holds quota and is not buried."""
    known, name = _metadata(server), told_by_name(str(server.get("name", "")), marks)
    state = state_of(server)
    return Instance(
        id=str(required(server, "id")),
        state=state,
        launched_at=_seconds(server.get("created")),
        address=_address(server.get("addresses")),
        intent=known.get("apf:intent", name.get("intent", "")),
        queue=known.get("apf:queue", ""),
        index=_index(known.get("apf:index", name.get("index", ""))),
        token=known.get("apf:token", name.get("token", "")),
        market="on-demand",
        reason=_reason(server, state),
        held=known.get(HELD, ""),
        pool=known.get("apf:pool", ""),
    )


def state_of(server: Mapping[str, Any]) -> str:
    status = str(required(server, "status"))
    if status == "ERROR":
        return "running" if not never_ran(server) and server.get(_POWER) in _RUNS else "defunct"
    if str(server.get(_TASK)) in ("deleting", "soft-deleting") and status != "DELETED":
        return "ending"
    return _STATES.get(status, "running")


def never_ran(server: Mapping[str, Any]) -> bool:
    """It is in ERROR, and was since it was asked for."""
    return str(required(server, "status")) == "ERROR" and server.get("OS-SRV-USG:launched_at") is None


def is_settled(server: Mapping[str, Any]) -> bool:
    """Whether Nova has found a place for it, or has not and says so."""
    return str(required(server, "status")) != "BUILD" or str(server.get(_TASK)) not in ("scheduling", "None")


def digest(server: Mapping[str, Any]) -> str:
    """Of the request that it was started by; empty where a deleted server tells no more."""
    return _metadata(server).get("apf:request", "")


def cores(server: Mapping[str, Any]) -> int:
    flavor = server.get("flavor")
    found = flavor.get("vcpus") if isinstance(flavor, Mapping) else None
    return found if isinstance(found, int) and found > 0 else 1


def is_of(server: Mapping[str, Any], factory: str, clouds: frozenset[str]) -> bool:
    known = _metadata(server)
    return known.get("apf:factory") == factory and known.get("apf:cloud") in clouds


def told_by_name(name: str, marks: ServerMarks) -> dict[str, str]:
    """The intent, index and token of a server's name; empty where it is none of these marks."""
    found = _NAME.fullmatch(name.removeprefix(marks.prefix)) if name.startswith(marks.prefix) else None
    return found.groupdict() if found else {}


def each_once(servers: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """By id: one may have moved between pages meanwhile."""
    return list({str(required(one, "id")): one for one in servers}.values())


def _metadata(server: Mapping[str, Any]) -> Mapping[str, str]:
    found = server.get("metadata")
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, Mapping) else {}


def _index(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else -1


def _seconds(text: Any) -> float:
    try:
        return datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


def _address(networks: Any) -> str:
    """The first address of its own that it has."""
    found = networks.values() if isinstance(networks, Mapping) else ()
    each = [one for addresses in found if isinstance(addresses, list) for one in addresses if isinstance(one, Mapping)]
    own = [str(one.get("addr", "")) for one in each if one.get("OS-EXT-IPS:type", "fixed") == "fixed"]
    return next((one for one in own if ":" not in one), own[0] if own else "")


def _reason(server: Mapping[str, Any], state: str) -> str:
    fault = server.get("fault")
    if isinstance(fault, Mapping) and fault.get("message"):
        return str(fault["message"]).strip()[:300]
    status = str(server.get("status"))
    if state == "defunct":
        return f"its status is {status}"
    return "" if status in _STATES else f"its status is {status}"
