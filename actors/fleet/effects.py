"""What a wish will do, and what it will not, in sentences: said before it is sent, and in its answer.

Pure, from rows alone. It promises nothing that `disruption.converge` and the holders of clouds would not do: whom a
wish decides for is asked of the same functions. Whether a job still runs on a VM is not in its row; so where that
decides, the sentence says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from actors.fleet.vm import State, Vm
from actors.fleet.wish import Wish, for_cloud, for_queue, for_vm, told

NOTHING = "changes nothing"
REPLACED = ("drain", "kill")  # what takes VMs out of service, so that others may be bought instead
OVER = (State.DRAINED, State.ENDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class WishScene:
    """`vms`: those that have not ended. `wishes`: the living ones, the oldest first.

    `queues`: by cloud, whom it serves. `frozen`: by cloud, why nothing at all is done there now, whoever said so.
    """

    vms: Sequence[Vm]
    wishes: tuple[Wish, ...]
    queues: Mapping[str, tuple[str, ...]]
    frozen: Mapping[str, str]


def effects(wish: Wish, scene: WishScene) -> tuple[str, ...]:
    """One sentence for each thing that follows, or does not; first what is done."""
    said = tuple(_VERBS[wish.verb](wish, scene))
    return said or (f"it {NOTHING}: no VM is there that it concerns",)


def _drain(wish: Wish, scene: WishScene) -> Iterator[str]:
    vms = [vm for vm in scene.vms if wish.concerns(vm)]
    free = [vm for vm in vms if not vm.held]
    joined = [vm for vm in free if vm.state is State.READY]
    young = [vm for vm in free if vm.state in (State.LAUNCHING, State.BOOTING)]
    draining = [vm for vm in free if vm.state is State.DRAINING]
    if joined:
        yield f"{_vms(joined)} will drain: {_their(joined)} jobs end in peace, then {_they(joined)} ended"
    if young:
        yield f"{_vms(young)} not joined yet: drained as {_it(young)} join{'s' * (len(young) == 1)}"
    if draining:
        yield f"{_vms(draining)} drain{'s' * (len(draining) == 1)} already, and now for this wish"
    yield from _bought(wish, [*joined, *young, *draining])
    yield from _closed(wish, scene)
    yield from _left(vms, lambda vm: bool(vm.held), "held: left alone until released")
    yield from _left(free, lambda vm: vm.state in OVER, "drained or ending already")
    yield from _waits(scene, [*joined, *draining], "its drain begins")


def _kill(wish: Wish, scene: WishScene) -> Iterator[str]:
    vms = [vm for vm in scene.vms if wish.concerns(vm)]
    ended = [vm for vm in vms if vm.state not in (State.ENDING, State.LAUNCHING)]
    if ended:
        yield f"{_vms(ended)} will be ended at once, with the jobs on {_it(ended, 'them')}"
    yield from _left(vms, lambda vm: vm.state is State.LAUNCHING, "being started: ended as soon as the cloud names it")
    yield from _left(ended, lambda vm: bool(vm.held), "held: a kill comes before a hold")
    yield from _bought(wish, vms)
    yield from _left(vms, lambda vm: vm.state is State.ENDING, "ending already")
    yield from _waits(scene, ended, "it is killed")


def _hold(wish: Wish, scene: WishScene) -> Iterator[str]:
    vms = [vm for vm in scene.vms if wish.concerns(vm)]
    kept = [vm for vm in vms if vm.state is not State.ENDING and not vm.killed]
    if kept:
        yield f"{_vms(kept)} will be kept: nothing drains or ends {_it(kept, 'them')} but a kill or the cloud"
    drained = (State.DRAINING, State.DRAINED)
    yield from _left(kept, lambda vm: vm.state in drained, "draining already: not ended, and takes no new jobs")
    yield from _left(vms, lambda vm: vm.state is State.ENDING or bool(vm.killed), "ending already: too late")
    if wish.selector != "vm":
        yield "VMs that come later are not held"


def _release(wish: Wish, scene: WishScene) -> Iterator[str]:
    vms = [vm for vm in scene.vms if wish.concerns(vm)]
    held = [vm for vm in vms if vm.held or for_vm(scene.wishes, "hold", vm)]
    if held:
        yield f"{_vms(held)} will be held no longer: policy decides about {_it(held, 'them')} again"
    else:
        yield f"it {NOTHING}: no VM is held that it concerns"


def _undrain(wish: Wish, scene: WishScene) -> Iterator[str]:
    vms = [vm for vm in scene.vms if wish.concerns(vm)]
    wished = [vm for vm in vms if for_vm(scene.wishes, "drain", vm)]
    back = [vm for vm in wished if vm.state is State.DRAINING]
    kept = [vm for vm in wished if vm.state in (State.READY, State.LAUNCHING, State.BOOTING)]
    opened = [cloud for cloud in _clouds(wish, scene) if for_cloud(scene.wishes, "drain", cloud)]
    if back:
        yield f"the drain of {_vms(back)} is taken back, if the queue wants {_it(back, 'them')} and a job runs there"
    if kept:
        yield f"{_vms(kept)} not drained yet: kept"
    if opened:
        yield f"{', '.join(opened)}: open for buying again"
    if not (back or kept or opened):
        yield f"it {NOTHING}: no operator's drain concerns what it names, and a drain of policy's is not for it"
    yield from _left(wished, lambda vm: vm.state in OVER, "drained or ending already: it never comes back")


def _freeze(wish: Wish, scene: WishScene) -> Iterator[str]:
    if wish.selector == "queue":
        names = ", ".join(wish.names)
        yield f"queue {names}: no VM is bought for it, and none given up for fewer jobs; drain and kill still do"
        return
    for cloud in _clouds(wish, scene):
        already = scene.frozen.get(cloud, "")
        was = f"frozen already ({already})" if already else "nothing is started, drained or ended there until the thaw"
        yield f"{cloud}: {was}"
    yield "jobs go on, and the cloud and a worker's own switch may still end VMs"


def _thaw(wish: Wish, scene: WishScene) -> Iterator[str]:
    if wish.selector == "queue":
        frozen = [cloud for cloud in scene.queues if for_queue(scene.wishes, "freeze", cloud, wish.names[0])]
        yield f"queue {wish.names[0]}: served again" if frozen else f"it {NOTHING}: queue {wish.names[0]} is not frozen"
        return
    for cloud in _clouds(wish, scene):
        by = for_cloud(scene.wishes, "freeze", cloud)
        if by:
            yield f"{cloud}: served again, after {told(by)}"
            yield from _pending(cloud, scene)
        elif why := scene.frozen.get(cloud):
            yield f"{cloud}: stays frozen, {why}: no wish takes that back"
        else:
            yield f"{cloud}: not frozen; its breaker closes if it is open, and what its readings miss counts as gone"


_VERBS: Mapping[str, Callable[[Wish, WishScene], Iterator[str]]] = {
    "drain": _drain,
    "kill": _kill,
    "hold": _hold,
    "release": _release,
    "undrain": _undrain,
    "freeze": _freeze,
    "thaw": _thaw,
}


def _pending(cloud: str, scene: WishScene) -> Iterator[str]:
    """What was asked for during the freeze, and happens at the thaw."""
    of_cloud = [vm for vm in scene.vms if vm.cloud == cloud]
    killed = [vm for vm in of_cloud if vm.killed or for_vm(scene.wishes, "kill", vm)]
    drained = [vm for vm in of_cloud if vm not in killed and for_vm(scene.wishes, "drain", vm)]
    if killed:
        yield f"{cloud}: then {_vms(killed)} will be killed, as was wished meanwhile"
    if drained:
        yield f"{cloud}: then {_vms(drained)} will drain, as was wished"


def _waits(scene: WishScene, vms: Iterable[Vm], what: str) -> Iterator[str]:
    for cloud, number in Counter(vm.cloud for vm in vms if vm.cloud in scene.frozen).items():
        many = f"{number} VM{'s' * (number > 1)}"
        yield f"{many} on {cloud}, which is frozen ({scene.frozen[cloud]}): {what} at the thaw, and not before"


def _bought(wish: Wish, vms: Iterable[Vm]) -> Iterator[str]:
    """Of a VM that policy had given up already nobody buys another."""
    if not any(vm.supply for vm in vms):
        return
    if wish.replace:
        yield "others may be bought instead, as jobs need them"
    else:
        yield "no others are bought instead while the wish lives"


def _closed(wish: Wish, scene: WishScene) -> Iterator[str]:
    for cloud in _clouds(wish, scene) if wish.selector in ("cloud", "all") else ():
        yield f"{cloud}: closed for buying while the wish lives, until it is taken back"


def _left(vms: Iterable[Vm], is_so: Callable[[Vm], bool], why: str) -> Iterator[str]:
    found = [vm for vm in vms if is_so(vm)]
    if found:
        yield f"{_vms(found)} {why}"


def _clouds(wish: Wish, scene: WishScene) -> list[str]:
    """Those that it concerns as a whole."""
    return [cloud for cloud in scene.queues if wish.concerns_group(cloud, "")]


def _vms(vms: Sequence[Vm]) -> str:
    return f"{len(vms)} VM{'s' * (len(vms) > 1)}"


def _their(vms: Sequence[Vm]) -> str:
    return "its" if len(vms) == 1 else "their"


def _they(vms: Sequence[Vm]) -> str:
    return "it is" if len(vms) == 1 else "they are"


def _it(vms: Sequence[Vm], several: str = "they") -> str:
    return "it" if len(vms) == 1 else several
