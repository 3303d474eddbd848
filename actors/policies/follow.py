"""From a want to VMs: which of a cloud's VMs are given up, taken back, or drained because an operator said so.

Pure. An operator's wish comes before policy. When a queue wants more than it has, what was given up while it boots is
wanted again first, then drains whose last job still runs are taken back; only the rest is bought (by the submitter,
which counts those two as coming back). When it wants less, `release.choose` says who goes: never on a frozen cloud.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from actors.fleet.reconcile import drain
from actors.fleet.seen import Machine
from actors.fleet.supply import cancellable, claims
from actors.fleet.vm import State, Vm
from actors.fleet.wish import Wish, concerning
from actors.policies.release import Candidate, choose

REFUSED_FOR_S = 300.0  # a startd that refused a drain is not asked by policy again before this


@dataclass(slots=True, kw_only=True)
class Changes:
    """`rows` are the VMs that change, by id; `cancel` those whose drain is to be taken back."""

    rows: dict[str, Vm] = field(default_factory=dict)
    cancel: list[Vm] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is known of one cloud. `wants`: by queue; a queue that is absent keeps what it has."""

    wants: Mapping[str, int]
    machines: Mapping[str, Machine]  # by VM id, as the last good readings show
    wishes: tuple[Wish, ...]
    idle_since: Mapping[str, float]
    frozen: bool
    now: float


def follow(vms: Iterable[Vm], scene: Scene) -> Changes:
    changes = Changes()
    by_queue: dict[str, list[Vm]] = defaultdict(list)
    for vm in vms:
        wish = concerning(scene.wishes, vm) if scene.wishes else None
        after = _wished(vm, wish, scene.now) if wish else vm
        if after is not vm:
            changes.rows[vm.id] = after
        elif not wish:
            by_queue[vm.queue].append(vm)
    for queue, want in scene.wants.items():
        _serve(by_queue[queue], want - _supply(vms, queue, changes), scene, changes)
    return changes


def _supply(vms: Iterable[Vm], queue: str, changes: Changes) -> int:
    return sum(changes.rows.get(vm.id, vm).supply for vm in vms if vm.queue == queue)


def _wished(vm: Vm, wish: Wish, now: float) -> Vm:
    told = f"drained by {wish.by}: {wish.reason}"
    if vm.state is State.READY and now - vm.refused_at >= REFUSED_FOR_S:
        return drain(vm, now, f"wish:{wish.id}", told)
    if vm.state is State.DRAINING and vm.drain_for.startswith("policy"):
        return replace(vm, drain_for=f"wish:{wish.id}")
    if vm.state in (State.LAUNCHING, State.BOOTING) and not vm.unwanted:
        return replace(vm, unwanted=now)
    return vm


def _serve(vms: list[Vm], missing: int, scene: Scene, changes: Changes) -> None:
    if missing > 0:
        _take_back(vms, missing, scene, changes)
    elif missing < 0 and not scene.frozen:
        _give_up(vms, -missing, scene, changes)


def _take_back(vms: list[Vm], missing: int, scene: Scene, changes: Changes) -> None:
    given_up = [vm for vm in vms if vm.unwanted and vm.state in (State.LAUNCHING, State.BOOTING)]
    for vm in sorted(given_up, key=lambda vm: vm.born)[:missing]:
        changes.rows[vm.id] = replace(vm, unwanted=0.0)
        missing -= 1
    changes.cancel += [vm for vm in vms if cancellable(vm, scene.machines.get(vm.id))][:missing]


def _give_up(vms: list[Vm], surplus: int, scene: Scene, changes: Changes) -> None:
    by_id = {vm.id: vm for vm in vms if vm.supply and scene.now - vm.refused_at >= REFUSED_FOR_S}
    for vm_id in choose(surplus, [_candidate(vm, scene) for vm in by_id.values()]):
        vm = by_id[vm_id]
        why = f"{vm.queue} wants fewer VMs of {vm.cloud}"
        ready = vm.state is State.READY
        changes.rows[vm_id] = drain(vm, scene.now, "policy", why) if ready else replace(vm, unwanted=scene.now)


def _candidate(vm: Vm, scene: Scene) -> Candidate:
    machine = scene.machines.get(vm.id)
    return Candidate(
        id=vm.id,
        born=vm.born,
        joined=vm.state is State.READY,
        seen=machine is not None,
        jobs=claims(machine) if machine else 0,
        idle_since=scene.idle_since.get(vm.id, 0.0),
        held=bool(vm.held),
    )
