"""Which startd is which VM: by the instance id in its ClassAd, and by nothing else.

An ad is a worker's word. So an ad with our id that another user advertised is not ours, and two startds with one id are
no evidence for either: the VM then counts as seen and busy, and nothing ends it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from actors.fleet.seen import Machine
from actors.fleet.vm import Vm


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A startd that is not matched, and why."""

    machine: Machine
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    machines: Mapping[str, Machine]  # by VM id
    doubtful: Mapping[str, str]  # VM id -> why its ads prove nothing
    strays: tuple[Stray, ...]

    def unmatched_of(self, queue: str) -> int:
        """Startds of this queue that are no VM we know: one may be a VM that seems not to have joined."""
        return sum(1 for stray in self.strays if stray.machine.queue == queue)


def match(machines: Iterable[Machine], vms: Iterable[Vm], identities: tuple[str, ...] = ()) -> Matched:
    """`identities` are globs of who may advertise a worker; none: not checked. Ads of ended VMs linger: no strays.

    An instance that was stopped and runs again has two rows, an ended and an adopted one: the ad is the living one's.
    """
    by_instance = {vm.instance_id: vm for vm in sorted(vms, key=lambda vm: vm.alive) if vm.instance_id}
    claims: dict[str, list[Machine]] = defaultdict(list)
    strays: list[Stray] = []
    for machine in machines:
        if machine.instance_id in by_instance and not by_instance[machine.instance_id].alive:
            continue
        why = _why_not(machine, by_instance, identities)
        if why:
            strays.append(Stray(machine=machine, why=why))
        else:
            claims[by_instance[machine.instance_id].id].append(machine)
    return Matched(
        machines={vm_id: claim[0] for vm_id, claim in claims.items() if len(claim) == 1},
        doubtful={vm_id: _twice(claim) for vm_id, claim in claims.items() if len(claim) > 1},
        strays=tuple(strays),
    )


def _why_not(machine: Machine, by_instance: Mapping[str, Vm], identities: tuple[str, ...]) -> str:
    if not machine.instance_id:
        return "advertises no instance id"
    if machine.instance_id not in by_instance:
        return f"instance {machine.instance_id} is no VM of this cloud"
    if identities and not any(fnmatchcase(machine.identity, glob) for glob in identities):
        return f"advertised by {machine.identity or 'nobody known'}; allowed: {', '.join(identities)}"
    return ""


def _twice(claim: list[Machine]) -> str:
    names = " and ".join(sorted(machine.name for machine in claim))
    return f"{len(claim)} startds advertise instance {claim[0].instance_id}: {names}"
