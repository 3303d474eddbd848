"""What the workers of one cloud really offer, as those that joined told: held against the shape that was promised.

A shape is a promise of a person. Where the VMs are smaller, every job that asks for more than they have would buy one
after the other in vain. So the holder of the cloud's post keeps, for what its VMs are made from now (`promise`), what
the newest few that joined offered; from then on the smaller of promise and offer counts.

The rules it keeps:
- Never the larger: a worker's word may make us buy for fewer jobs, never leave jobs without a VM because one says that
  it has a million cpus. That more came than was promised is only said.
- Of the newest few the middle one counts, of two the smaller: a single worker that is broken, or lies, is outvoted.
- What they advertise beyond that is what most of the newest say, and replaces what was assumed of them.
- Another image, machine type, shape or worker's configuration is another promise: what was learned of the former says
  nothing about it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from actors.fleet.observations import Machine
from actors.fleet.shape import Shape
from actors.fleet.vm import State, Vm

NEWEST = 5  # workers whose words are kept
FEW = 3
NEARLY = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """All that one VM has for jobs, over its slots, in the units of Shape; `joined` in Redis seconds."""

    vm: str
    joined: float
    cpus: int
    memory_mib: int = 0
    disk_mib: int = 0
    gpus: int = 0

    @property
    def shape(self) -> Shape:
        return Shape(cpus=self.cpus, memory_mib=self.memory_mib, disk_mib=self.disk_mib, gpus=self.gpus)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What joined of one cloud for one promise. `offers`: the newest last, each VM once.

    `attributes`: by name, the ClassAd expression of what these workers advertise and only they could tell.
    """

    promise: str
    offers: tuple[Offer, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def shape(self) -> Shape | None:
        """Of one VM, each amount by itself; None before one joined."""
        if not self.offers:
            return None
        middle = (len(self.offers) - 1) // 2
        amounts = zip(*(_amounts(offer.shape) for offer in self.offers), strict=True)
        cpus, memory_mib, disk_mib, gpus = (sorted(values)[middle] for values in amounts)
        return Shape(cpus=cpus, memory_mib=memory_mib, disk_mib=disk_mib, gpus=gpus)


def taught(before: Joined, workers: Iterable[tuple[Vm, Machine]]) -> Joined:
    """With what these workers offer; the same object where they tell nothing new."""
    known = {offer.vm: offer for offer in before.offers}
    for vm, machine in workers:
        if vm.promise == before.promise and vm.state is State.READY and machine.whole and vm.id not in known:
            known[vm.id] = _offer(vm, machine.whole)
    newest = tuple(sorted(known.values(), key=lambda offer: (offer.joined, offer.vm))[-NEWEST:])
    return before if newest == before.offers else replace(before, offers=newest)


def agreed(before: Mapping[str, str], ads: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What workers say, by attribute: what most of the newest `ads` say, the oldest first.

    While they are few, what was learned `before` has a voice, the first: one worker alone changes nothing of it.
    """
    voices = [*([before] if before and len(ads) < FEW else []), *ads]
    spelled = {name.lower(): name for voice in reversed(voices) for name in voice}
    said = [{name.lower(): text for name, text in voice.items()} for voice in voices]
    found = {name: _most_said([voice.get(key) for voice in said]) for key, name in sorted(spelled.items())}
    return {name: text for name, text in found.items() if text is not None}


def _most_said(texts: Sequence[str | None]) -> str | None:
    """Of equally many the first; numbers that differ a little everywhere stay what they were."""
    return Counter(texts).most_common(1)[0][0]


def counted(promised: Shape, joined: Joined | None) -> Shape:
    """What a new VM is to be counted as."""
    real = joined.shape if joined else None
    if real is None:
        return promised
    cpus, memory_mib, disk_mib, gpus = map(min, _amounts(promised), _amounts(real))
    return Shape(cpus=cpus, memory_mib=memory_mib, disk_mib=disk_mib, gpus=gpus)


def short(promised: Shape, joined: Joined | None) -> str:
    """What the real workers have less of than was promised, as a phrase; empty where it is nothing."""
    real = joined.shape if joined else None
    return real.smaller_than(promised) if real else ""


def beyond(promised: Shape, joined: Joined | None) -> str:
    """The same of what they have more of."""
    real = joined.shape if joined else None
    return real.larger_than(promised) if real else ""


def far_short(promised: Shape, joined: Joined | None) -> bool:
    """Whether it is more than what a system keeps for itself of its memory, or a file system of its disk."""
    real = joined.shape if joined else None
    if real is None:
        return False
    less = (real.memory_mib < NEARLY * promised.memory_mib, real.disk_mib < NEARLY * promised.disk_mib)
    return real.cpus < promised.cpus or real.gpus < promised.gpus or any(less)


def _offer(vm: Vm, whole: Shape) -> Offer:
    cpus, memory_mib, disk_mib, gpus = _amounts(whole)
    return Offer(vm=vm.id, joined=vm.joined, cpus=cpus, memory_mib=memory_mib, disk_mib=disk_mib, gpus=gpus)


def _amounts(shape: Shape) -> tuple[int, int, int, int]:
    return shape.cpus, shape.memory_mib, shape.disk_mib, shape.gpus
