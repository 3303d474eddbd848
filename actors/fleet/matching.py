"""Which startd is which VM: by the instance id in its ClassAd, and by nothing else.

An ad is a worker's word. So an ad with our id that another user advertised is not ours, and two startds with one id are
no evidence for either: the VM then counts as seen and busy, and nothing ends it. Nor is the only one, where the VM
joined as another machine or at another host: the true startd's ad may just be missing, and a liar's says whatever ends
the VM. What the cloud says settles it: of several, the one at the instance's own address is the VM's, if it has the
name that the VM joined by. Under another name it is none either: schedds know the VM's jobs by the name that it had.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from actors.fleet.number_of import number_of
from actors.fleet.observations import Machine
from actors.fleet.vm import Vm
from actors.fleet.worker_identity import LAUNCH, may_advertise


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A startd that is not matched, and why."""

    machine: Machine
    why: str
    other: bool = False  # it says that it is another factory's, or nobody who may advertised it: it is no VM of ours
    vm: str = ""  # the id of our VM in whose place it speaks


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    machines: Mapping[str, Machine]  # by VM id
    doubtful: Mapping[str, str]  # VM id -> why its ads prove nothing
    strays: tuple[Stray, ...]

    @property
    def impostors(self) -> dict[str, str]:
        """VM id -> who speaks in its place, and may not. That counts as nothing, and a person should know."""
        return {stray.vm: f"startd {stray.machine.name} is {stray.why}" for stray in self.strays if stray.vm}

    def unmatched_of(self, queue: str) -> int:
        """Startds of this queue that are no VM we know: one may be a VM that seems not to have joined."""
        return sum(1 for stray in self.strays if stray.machine.queue == queue and not stray.other)


def match(
    machines: Iterable[Machine], vms: Iterable[Vm], identities: tuple[str, ...] = (), factory: str = ""
) -> Matched:
    """`identities` say who may advertise a worker (see `worker_identity`). Ads of ended VMs linger: no strays.

    `factory` is our name: another one may have a queue of the same name in this pool. Empty: not looked at.

    An instance that was stopped and runs again has two rows, an ended and an adopted one: the ad is the living one's.
    """
    by_instance = {vm.instance_id: vm for vm in sorted(vms, key=lambda vm: vm.alive) if vm.instance_id}
    claims: dict[str, list[Machine]] = defaultdict(list)  # by instance id
    strays: list[Stray] = []
    for machine in machines:
        vm = by_instance.get(machine.instance_id)
        if vm is not None and not vm.alive:
            continue
        why = _why_not(machine, vm, identities)
        if why:
            other = _of_others(machine, identities, factory)
            strays.append(Stray(machine=machine, why=why, other=other, vm=vm.id if vm else ""))
        else:
            claims[machine.instance_id].append(machine)
    return _settled([(by_instance[instance_id], claim) for instance_id, claim in claims.items()], strays)


def _settled(claims: Iterable[tuple[Vm, list[Machine]]], strays: Iterable[Stray]) -> Matched:
    found: dict[str, Machine] = {}
    doubtful: dict[str, str] = {}
    for vm, claim in claims:
        one = _the_one(vm, claim)
        if one and one.damaged:
            doubtful[vm.id] = f"startd {one.name} of instance {vm.instance_id} {one.damaged}"
        elif one:
            found[vm.id] = one
        else:
            doubtful[vm.id] = _doubt(vm, claim)
    return Matched(machines=found, doubtful=doubtful, strays=tuple(strays))


def _the_one(vm: Vm, claim: list[Machine]) -> Machine | None:
    """The startd that is this VM's beyond doubt."""
    at_home = [machine for machine in claim if vm.address and host_of(machine.address) == vm.address]
    known = claim if len(claim) == 1 and (at_home or _where_it_joined(vm, claim[0])) else at_home
    return known[0] if len(known) == 1 and vm.machine in ("", known[0].name) else None


def _where_it_joined(vm: Vm, machine: Machine) -> bool:
    """Another port is no other place: a startd that restarted has one."""
    return not vm.machine_address or host_of(machine.address) == host_of(vm.machine_address)


def host_of(sinful: str) -> str:
    """The address in "<10.0.0.5:9618?...>"; of IPv6 with its brackets."""
    place = sinful.lstrip("<").rstrip(">").partition("?")[0]
    return place.partition("]")[0] + "]" if place.startswith("[") else place.partition(":")[0]


def _why_not(machine: Machine, vm: Vm | None, identities: tuple[str, ...]) -> str:
    if not machine.instance_id:
        return "advertises no instance id"
    if vm is None:
        return f"instance {machine.instance_id} is no VM of this cloud"
    if not may_advertise(machine.identity, identities, vm.intent):
        allowed = ", ".join(glob.replace(LAUNCH, vm.intent or "*") for glob in identities)
        return f"advertised by {machine.identity or 'nobody known'}; allowed: {allowed}"
    return ""


def _of_others(machine: Machine, identities: tuple[str, ...], factory: str) -> bool:
    """A worker that does not say whose it is may be ours."""
    return not may_advertise(machine.identity, identities) or bool(factory and machine.factory not in ("", factory))


def _doubt(vm: Vm, claim: list[Machine]) -> str:
    if len(claim) == 1:
        other, place = claim[0], ""
        if vm.machine == other.name:
            place = f" at {host_of(vm.machine_address)}, not {host_of(other.address)}"
        return f"startd {other.name} advertises instance {vm.instance_id}, which joined as {vm.machine}{place}"
    names = " and ".join(sorted(machine.name for machine in claim))
    return f"{number_of(len(claim), 'startd', 'advertise')} instance {claim[0].instance_id}: {names}"
