"""From a want to VMs: which of a cloud's VMs are given up, taken back, or drained because an operator said so.

Pure. An operator's wish comes before policy. When a queue wants more than it has, what was given up while it boots is
wanted again first, then drains whose last job still runs are taken back; only the rest is bought (by the submitter,
which counts those two as coming back). When it wants less, `release_order.choose` says who goes: never on a frozen
cloud, and no more than the disruption budget allows. A VM that has lived its time (`fleet.max_life`) is given up
however much it is wanted. What goes so, or by an operator's drain, is not replaced until the want that knows of it has
been decided: its jobs may be the last, and it may have had none.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from actors.fleet.drain_and_hold import AGE, POLICY, POLICY_FINAL, DrainFor, DrainWhy, VmHold, by_wish
from actors.fleet.fleet_view import cancellable, claims, left_at
from actors.fleet.hold_tags import released
from actors.fleet.lifecycle import KILLABLE, Event, move
from actors.fleet.max_life import FOREVER, Life
from actors.fleet.observations import Machine
from actors.fleet.reconcile import drain
from actors.fleet.spot_notice import Notice, noticed, urgent
from actors.fleet.vm import State, Vm
from actors.fleet.wish import Wish, for_vm, told
from actors.policies.disruption.black_hole import looked_at, taken_out
from actors.policies.disruption.drain_budget import UNLIMITED, DrainBudget, DrainRules
from actors.policies.disruption.release_order import Candidate, choose, paid_left_s

DECIDED_WITHIN_S = 30.0  # after a VM was taken out of service, its queue's want has been decided anew
REFUSED_FOR_S = 300.0  # a startd that refused a drain is not asked by policy again before this


@dataclass(slots=True, kw_only=True)
class Changes:
    """`rows` are the VMs that change, by id; `cancel` those whose drain is to be taken back."""

    rows: dict[str, Vm] = field(default_factory=dict)
    cancel: list[Vm] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is known of one cloud. `wants`: by queue; a queue that is absent keeps what it has.

    `frozen`: why nothing is released, or empty. `wishes`: the living ones, the oldest first.
    """

    wants: Mapping[str, int]
    heard: Mapping[str, float] = field(default_factory=dict)  # by queue: its want knows of what went until then
    machines: Mapping[str, Machine]  # by VM id, as last seen
    wishes: tuple[Wish, ...]
    idle_since: Mapping[str, float]
    frozen: str
    now: float
    billed_s: float = 0.0  # the period that the cloud bills
    min_life_s: float = 0.0  # before that age policy gives no VM up
    life: Life = FOREVER  # after which it gives every VM up
    notices: Mapping[str, Notice] = field(default_factory=dict)  # by instance id
    drains: DrainRules = UNLIMITED  # of the cloud
    queue_drains: Mapping[str, DrainRules] = field(default_factory=dict)
    black_holes: Mapping[str, str] = field(default_factory=dict)  # VM id -> why it is one
    joins: bool = True  # its VMs are workers of a pool; else pilots, of which one that runs is left alone


def follow(vms: Sequence[Vm], scene: Scene) -> Changes:
    changes = Changes()
    budget = DrainBudget(scene.drains, scene.queue_drains, vms, scene.now)
    by_queue: dict[str, list[Vm]] = defaultdict(list)
    supply: Counter[str] = Counter()
    gone: list[Vm] = []
    for vm in vms:
        after, policys = _wished(vm, scene, budget)
        if policys and vm.id in scene.black_holes:
            after = _eats_jobs(after, scene, budget)
        if policys and scene.joins and scene.life.ends and scene.life.short(vm.id, vm.born, scene.now):
            after = _ages(after, scene, budget)
        if after is not vm:
            changes.rows[vm.id] = after
        if policys:
            by_queue[vm.queue].append(after)
        if after.supply:
            supply[vm.queue] += 1
        elif left_at(after):
            gone.append(after)
    leaving = Counter(vm.queue for vm in unheard(gone, scene.heard, scene.now))
    for queue, want in scene.wants.items():
        missing = want - supply[queue]
        _serve(by_queue[queue], max(0, missing - leaving[queue]) if missing > 0 else missing, scene, changes, budget)
    _say_who_waits(vms, changes, budget)
    return changes


def _say_who_waits(vms: Sequence[Vm], changes: Changes, budget: DrainBudget) -> None:
    if not budget.waiting and not any(vm.drain_waits for vm in vms):
        return
    for vm in vms:
        after = changes.rows.get(vm.id, vm)
        why = budget.waiting.get(vm.id, "")
        if after.drain_waits != why:
            changes.rows[vm.id] = replace(after, drain_waits=why)


def withheld(vms: Collection[Vm], wishes: tuple[Wish, ...], heard: Mapping[str, float], now: float) -> Counter[str]:
    """By queue: VMs that are not replaced: an operator took them out of service and does not want it while the wish
    lives, or they were taken out so lately that the want does not know it yet.
    """
    there = {vm.id: vm for vm in (*not_replaced(vms, wishes), *unheard(filter(left_at, vms), heard, now))}
    return Counter(vm.queue for vm in there.values())


def not_replaced(vms: Iterable[Vm], wishes: tuple[Wish, ...]) -> list[Vm]:
    """Those that an operator drained or killed and does not want replaced, ended ones too. What policy had given up
    before is not among them: its queue wants so many fewer already.
    """
    drains = {wish.id for wish in wishes if wish.verb == "drain" and not wish.replace}
    kills = {wish.id for wish in wishes if wish.verb == "kill" and not wish.replace}
    if not (drains or kills):
        return []
    return [
        vm
        for vm in vms
        if (vm.drain_wish in drains and vm.state is not State.READY)
        or (vm.killed in kills and not (vm.unwanted or vm.given_up))
    ]


def unheard(gone: Iterable[Vm], heard: Mapping[str, float], now: float) -> list[Vm]:
    """Those that were taken out of service after what their queue's want knows of (`heard`, by queue), and lately: a
    want that is long not decided anew, as a host of another version decides, holds nothing up.
    """
    return [vm for vm in gone if heard.get(vm.queue, 0.0) < left_at(vm) and now - left_at(vm) < DECIDED_WITHIN_S]


def _wished(vm: Vm, scene: Scene, budget: DrainBudget) -> tuple[Vm, bool]:
    """The VM after the operator's wishes and its cloud's notice, and whether policy may decide about it:
    kill > hold > notice > drain > policy.
    """
    if not vm.alive:
        return vm, False
    vm = noticed(vm, scene.notices.get(vm.instance_id)) if scene.notices else vm
    if not scene.wishes and vm.hold is None and not vm.notice and not vm.drain_wish:
        return vm, True
    kill = for_vm(scene.wishes, "kill", vm)
    if kill:
        return _killed(vm, kill, scene.now), False
    release = for_vm(scene.wishes, "release", vm)
    vm = _held(released(looked_at(vm, release), release, scene.now), for_vm(scene.wishes, "hold", vm))
    if vm.notice:
        return _leaving(vm, scene.now, budget), False
    if not scene.joins and vm.state is State.READY:
        return _no_longer_drained(vm), True  # nobody can drain a pilot: it ends by itself
    drain_wish = None if vm.held else for_vm(scene.wishes, "drain", vm)
    if drain_wish:
        return _drained(vm, drain_wish, scene.now, budget), False
    return _no_longer_drained(vm), True


def _killed(vm: Vm, wish: Wish, now: float) -> Vm:
    if vm.state in KILLABLE:
        return move(vm, Event.KILLED, now, told(wish), killed=wish.id)
    if vm.state is State.ENDING and not vm.killed:
        return replace(vm, killed=wish.id, drain_for=vm.drain_for or POLICY)  # nobody misses it
    return vm


def _eats_jobs(vm: Vm, scene: Scene, budget: DrainBudget) -> Vm:
    """A black hole. What an operator holds, or what refused a drain lately, stays; a frozen cloud drains nothing."""
    if vm.state is not State.READY or vm.held or scene.frozen or scene.now - vm.refused_at < REFUSED_FOR_S:
        return vm
    return taken_out(vm, scene.black_holes[vm.id], scene.now) if budget.may(vm) else vm


def _ages(vm: Vm, scene: Scene, budget: DrainBudget) -> Vm:
    """Its time is over, or soon and it is idle. One that drains already is not taken back any more (`cancellable`)."""
    left_s, machine = scene.life.left_s(vm.id, vm.born, scene.now), scene.machines.get(vm.id)
    if left_s > 0.0 and (machine is None or machine.busy):
        return vm
    if vm.state is State.DRAINING and vm.drain_for == POLICY and not vm.cancel_unknown:
        return replace(vm, drain_for=POLICY_FINAL)
    if vm.state is not State.READY or vm.held or scene.frozen or scene.now - vm.refused_at < REFUSED_FOR_S:
        return vm
    told = f"it has lived its time: {scene.now - vm.born:.0f} s of at most {scene.life.max_s:g}"
    if left_s > 0.0:
        told = f"it is idle, and the {left_s:.0f} s that it has left of its time are too short for new jobs"
    return drain(vm, scene.now, AGE, told) if budget.may(vm) else vm


def _held(vm: Vm, wish: Wish | None) -> Vm:
    by = vm.hold.wish_id if vm.hold else ""
    if wish and by != wish.id:
        return replace(vm, hold=VmHold(why=told(wish), wish_id=wish.id, until=wish.ends))
    return replace(vm, hold=None) if by and not wish else vm


def _leaving(vm: Vm, now: float, budget: DrainBudget) -> Vm:
    """Its cloud will take it, or may. If it drains already, that drain is not taken back any more (`cancellable`)."""
    if vm.state is not State.READY or vm.held or now - vm.refused_at < REFUSED_FOR_S:
        return vm
    if not urgent(vm) and not budget.may(vm):
        return vm
    why = DrainFor(DrainWhy.SPOT if urgent(vm) else DrainWhy.REBALANCE)
    return drain(vm, now, why, f"{vm.notice} notice from its cloud")


def _drained(vm: Vm, wish: Wish, now: float, budget: DrainBudget) -> Vm:
    if vm.state is State.READY and now - vm.refused_at >= REFUSED_FOR_S:
        return drain(vm, now, by_wish(wish.id), told(wish)) if budget.may(vm) else vm
    if vm.state is State.DRAINING and vm.given_up:
        return replace(vm, drain_for=by_wish(wish.id), reason=told(wish))
    if vm.state in (State.LAUNCHING, State.BOOTING) and not vm.unwanted:
        return replace(vm, unwanted=now)
    return vm


def _no_longer_drained(vm: Vm) -> Vm:
    """The wish ended or was taken back: policy may take the drain back too, if there is demand."""
    wished = vm.state is State.DRAINING and vm.drain_wish
    return replace(vm, drain_for=POLICY) if wished else vm


def _serve(vms: list[Vm], missing: int, scene: Scene, changes: Changes, budget: DrainBudget) -> None:
    if missing > 0:
        _take_back(vms, missing, scene, changes)
    elif missing < 0 and not scene.frozen:
        _give_up(vms, -missing, scene, changes, budget)


def _take_back(vms: list[Vm], missing: int, scene: Scene, changes: Changes) -> None:
    given_up = [vm for vm in vms if vm.unwanted and vm.state in (State.LAUNCHING, State.BOOTING)]
    given_up = [vm for vm in given_up if not (vm.astray or vm.awaits_answer)]  # wanted again, they would not come
    for vm in sorted(given_up, key=lambda vm: vm.born)[:missing]:
        changes.rows[vm.id] = replace(vm, unwanted=0.0)
        missing -= 1
    changes.cancel += [vm for vm in vms if cancellable(vm, scene.machines.get(vm.id))][:missing]


def _give_up(vms: list[Vm], surplus: int, scene: Scene, changes: Changes, budget: DrainBudget) -> None:
    able = (vm for vm in vms if scene.joins or vm.state is not State.READY)
    by_id = {vm.id: vm for vm in able if vm.supply and scene.now - vm.refused_at >= REFUSED_FOR_S}
    for vm_id in choose(surplus, [_candidate(vm, scene) for vm in by_id.values()]):
        vm = by_id[vm_id]
        if vm.state is not State.READY:
            changes.rows[vm_id] = replace(vm, unwanted=scene.now)
        elif budget.may(vm):
            changes.rows[vm_id] = drain(vm, scene.now, POLICY, f"{vm.queue} wants fewer VMs of {vm.cloud}")


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
        paid_left_s=paid_left_s(vm.born, scene.now, scene.billed_s),
        young=scene.now - vm.born < scene.min_life_s,
        old=scene.life.short(vm.id, vm.born, scene.now),
    )
