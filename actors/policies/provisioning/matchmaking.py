"""Which job classes can run on which cloud, and what is said of those that no cloud of the queue can run.

A class can run on a cloud when one job of it fits into a free slot of that cloud's workers, and both Requirements hold:
the job's, and the slot's START. `classad2` answers, as the negotiator would. A pair costs some 30 us; classes come back
from round to round, so answers are remembered by (class, slots), and a round costs look-ups.

A job's Rank says where it had rather run, and the negotiator heeds it. Money comes first: Rank decides only between the
clouds of one tier, before their weights. So of a class with a Rank, new VMs are bought on those of the tier's clouds
whose slots it ranks highest, and on the others only when these have no room.

Buying a VM for a job that cannot run there is the worst of both: it costs, and the job still waits. So a class without
a cloud buys nothing and is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter

import classad2

from actors.fleet.number_of import number_of
from actors.fleet.observations import Answer, JobClass, JobsSeen
from actors.fleet.reasons import Unmatched
from actors.fleet.shape import AMOUNTS, Shape
from actors.policies.rules import CloudRules, QueueRules

Size = tuple[int, int, int, int]
Attributes = tuple[tuple[str, str], ...]
Key = tuple[int, int, int, int, str, Attributes, str, tuple[Answer, ...], str]  # as _key


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmet:
    """Jobs that no cloud of their queue can run, and why: a sentence."""

    jobs: int
    why: str
    code: Unmatched = Unmatched.NO_CLOUD


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A queue's demand, ready for packing. Classes are numbered in packing order: those that the fewest clouds suit
    first, then the largest first.

    `left[i]` counts waiting jobs of class i that some cloud suits. `suits[cloud]` has bit i set when the cloud suits
    class i and jobs of it wait or run; `prefers[cloud]` the same without those that rank another cloud of its tier
    higher, and empty where none does. `bits[k]` has a bit for each class that asks for at most `cpus[k]` cpus.
    `on[cloud]` is what the classes ask for there, where that is not `asks` everywhere.
    """

    asks: tuple[Size, ...]
    left: tuple[int, ...]
    suits: Mapping[str, int]
    prefers: Mapping[str, int] = field(default_factory=dict)
    cpus: tuple[int, ...] = ()
    bits: tuple[int, ...] = ()
    on: Mapping[str, tuple[Size, ...]] = field(default_factory=dict)
    idle: int = 0
    young: int = 0
    running: int = 0
    held: int = 0
    unmet: tuple[Unmet, ...] = ()
    order: tuple[int, ...] = ()  # by class here, its number in the demand


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """What does not change from round to round: the packing order of some classes, and which clouds suit them."""

    order: tuple[int, ...]
    asks: tuple[Size, ...]
    suits: tuple[int, ...]  # by cloud
    prefers: tuple[int, ...]  # by cloud
    cpus: tuple[int, ...]
    bits: tuple[int, ...]
    lost: tuple[int, ...]  # classes that no cloud suits
    on: tuple[tuple[Size, ...], ...] = ()  # by cloud, what classes ask for there; empty where that is `asks`


def load(queue: QueueRules, demand: JobsSeen, clouds: Sequence[CloudRules]) -> Load:
    """What waits, by class. Classes that no cloud suits are only named, in `unmet`."""
    classes = demand.classes
    idle, young, running, held = zip(*map(_counts, classes), strict=True) if classes else ((),) * 4
    matching = _matching(
        tuple(map(_key, classes)),
        tuple(cloud.name for cloud in clouds),
        tuple(cloud.slot for cloud in clouds),
        tuple(cloud.size for cloud in clouds),
        tuple(queue.tier(cloud.name) for cloud in clouds),
    )
    waiting = [sum(both) for both in zip(idle, held, strict=True)] if queue.count_held else idle
    apart = sum(n for n, one in zip(waiting, classes, strict=True) if one.apart)
    present = sum(1 << at for at, i in enumerate(matching.order) if waiting[i] or running[i])
    return Load(
        asks=matching.asks,
        left=tuple(map(waiting.__getitem__, matching.order)),
        suits=_by_name(clouds, matching.suits, present),
        prefers={} if matching.prefers == matching.suits else _by_name(clouds, matching.prefers, present),
        cpus=matching.cpus,
        bits=matching.bits,
        on={cloud.name: asks for cloud, asks in zip(clouds, matching.on, strict=True)} if matching.on else {},
        idle=sum(waiting) - apart,
        young=sum(young),
        running=sum(running),
        held=sum(held),
        order=matching.order,
        unmet=tuple(
            Unmet(jobs=waiting[i], why=reason(classes[i], waiting[i], clouds)) for i in matching.lost if waiting[i]
        ),
    )


# In C, and a key of plain numbers and texts: a round asks this of 100,000 classes.
_counts = attrgetter("idle", "young", "running", "held")
_key = attrgetter(
    *(f"request.{amount}" for amount in ("cpus", "memory_mib", "disk_mib", "gpus")),
    "requirements",
    "attributes",
    "rank",
    "answers",
    "apart",
)


def _by_name(clouds: Sequence[CloudRules], bits: Sequence[int], present: int) -> dict[str, int]:
    return {cloud.name: one & present for cloud, one in zip(clouds, bits, strict=True)}


@lru_cache(maxsize=8_192)
def _matching(
    classes: tuple[Key, ...],
    names: tuple[str, ...],
    slots: tuple[str, ...],
    sizes: tuple[Size, ...],
    tiers: tuple[int, ...],
) -> Matching:
    judged = [_judged(one, names, slots, sizes, tiers) for one in classes]
    takers, liked = [one.takers for one in judged], [one.liked for one in judged]
    asks = [tuple(map(max, *one.asks, one.asks[0])) for one in judged]
    least = [min(ask[0] for ask in one.asks) for one in judged]
    largest = [max(1, *amounts) for amounts in zip(*sizes, strict=True)]

    def rank(i: int) -> tuple[int, float]:
        return takers[i].bit_count(), -max(ask / most for ask, most in zip(asks[i], largest, strict=True))

    cpus = tuple(sorted(set(least)))
    order = sorted((i for i, taker in enumerate(takers) if taker), key=rank)
    return Matching(
        order=tuple(order),
        asks=tuple(asks[i] for i in order),
        suits=_by_cloud(takers, order, len(slots)),
        prefers=_by_cloud(liked, order, len(slots)),
        cpus=cpus,
        bits=tuple(sum(1 << at for at, i in enumerate(order) if least[i] <= most) for most in cpus),
        lost=tuple(i for i, taker in enumerate(takers) if not taker),
        on=tuple(tuple(judged[i].on(cloud) for i in order) for cloud in range(len(slots)))
        if any(len(one.asks) > 1 for one in judged)
        else (),
    )


@dataclass(frozen=True, slots=True)
class _Judged:
    """A class: bits of the clouds that suit it and that it prefers, and what it asks for: of each, or everywhere."""

    takers: int
    liked: int
    asks: tuple[Size, ...]

    def on(self, cloud: int) -> Size:
        return self.asks[cloud] if len(self.asks) > 1 else self.asks[0]


def _judged(
    one: Key, names: tuple[str, ...], slots: tuple[str, ...], sizes: tuple[Size, ...], tiers: tuple[int, ...]
) -> _Judged:
    *amounts, needs, has, rank, answers, apart = one
    request = Shape(cpus=amounts[0], memory_mib=amounts[1], disk_mib=amounts[2], gpus=amounts[3])
    if apart:
        return _Judged(0, 0, (_size(request),))
    if answers:
        return _answered(answers, names, sizes)
    taker = suiting(request, needs, has, slots, sizes)
    return _Judged(taker, preferring(request, needs, has, rank, slots, tiers, taker), (_size(request),))


@lru_cache(maxsize=100_000)
def _answered(answers: tuple[Answer, ...], names: tuple[str, ...], sizes: tuple[Size, ...]) -> _Judged:
    """A cloud that gave no answer yet suits nothing: the next reading has its answer."""
    by_name = {answer.cloud: answer for answer in answers}
    takers = liked = 0
    asks = []
    for at, (name, size) in enumerate(zip(names, sizes, strict=True)):
        answer = by_name.get(name)
        ask = (max(1, answer.cpus), answer.memory_mib, answer.disk_mib, answer.gpus) if answer else (1, 0, 0, 0)
        asks.append(ask)
        if answer and answer.suits and _fits(ask, size):
            takers |= 1 << at
            liked |= answer.best << at
    same = {ask for at, ask in enumerate(asks) if takers >> at & 1} or {asks[0] if asks else (1, 0, 0, 0)}
    return _Judged(takers, liked or takers, tuple(same) if len(same) == 1 else tuple(asks))


def _by_cloud(of_class: Sequence[int], order: Sequence[int], clouds: int) -> tuple[int, ...]:
    """A bit for each cloud, by class, as a bit for each class, by cloud."""
    return tuple(sum((of_class[i] >> cloud & 1) << at for at, i in enumerate(order)) for cloud in range(clouds))


def _size(shape: Shape) -> Size:
    """A job always takes at least one cpu, so that no place holds jobs without end."""
    return (max(1, shape.cpus), shape.memory_mib, shape.disk_mib, shape.gpus)


@lru_cache(maxsize=200_000)
def suiting(
    request: Shape,
    requirements: str,
    attributes: tuple[tuple[str, str], ...],
    slots: tuple[str, ...],
    sizes: tuple[Size, ...],
) -> int:
    """A bit for each slot on which a job of this class can run."""
    ask = _size(request)
    bits = 0
    for at, (slot, size) in enumerate(zip(slots, sizes, strict=True)):
        if _fits(ask, size) and matches(request, requirements, attributes, slot):
            bits |= 1 << at
    return bits


@lru_cache(maxsize=200_000)
def preferring(
    request: Shape,
    requirements: str,
    attributes: tuple[tuple[str, str], ...],
    rank: str,
    slots: tuple[str, ...],
    tiers: tuple[int, ...],
    suits: int,
) -> int:
    """Of the bits in `suits` those of the slots that this class ranks highest in their tier. What is no number is 0."""
    try:
        expression, ad = classad2.ExprTree(rank), _job_ad(request, requirements, attributes)
    except classad2.ClassAdException:
        return suits
    if not expression or not ad.externalRefs(expression):
        return suits  # the same everywhere, as in most jobs
    at = [i for i in range(len(slots)) if suits >> i & 1]
    ranks = {i: _number(expression.eval(ad, _slot_ad(slots[i]))) for i in at}
    best = {tier: max(ranks[i] for i in at if tiers[i] == tier) for tier in {tiers[i] for i in at}}
    return sum(1 << i for i in at if ranks[i] == best[tiers[i]])


def _number(value: object) -> float:
    """Undefined and error are integers in Python (Value is an IntEnum): they are looked for first."""
    if isinstance(value, classad2.Value) or not isinstance(value, int | float) or value != value:
        return 0.0
    return float(value)


def _fits(ask: Size, size: Size) -> bool:
    return all(a <= s for a, s in zip(ask, size, strict=True))


# The first match of a process registers HTCondor's own ClassAd functions (versionGE, split, ...) too late for itself:
# it answers false where every later one answers true (classad2 25.14). HTCondor writes versionGE into Requirements.
classad2.parseOne("Requirements = true").symmetricMatch(classad2.parseOne("Requirements = true"))


@lru_cache(maxsize=100_000)
def matches(request: Shape, requirements: str, attributes: tuple[tuple[str, str], ...], slot: str) -> bool:
    """Whether both Requirements hold. Requirements that cannot be parsed match nothing."""
    try:
        return bool(_job_ad(request, requirements, attributes).symmetricMatch(_slot_ad(slot)))
    except classad2.ClassAdException:
        return False


def _job_ad(request: Shape, requirements: str, attributes: tuple[tuple[str, str], ...]) -> classad2.ClassAd:
    ad = classad2.ClassAd()
    for name, literal in attributes:
        ad[name] = classad2.ExprTree(literal)
    ad["RequestCpus"] = request.cpus
    ad["RequestMemory"] = request.memory_mib
    ad["RequestDisk"] = request.disk_mib * 1024
    ad["RequestGPUs"] = request.gpus
    ad["Requirements"] = classad2.ExprTree(requirements)
    return ad


@lru_cache(maxsize=4_096)
def _slot_ad(text: str) -> classad2.ClassAd:
    return classad2.parseOne(text)


def reason(job: JobClass, jobs: int, clouds: Sequence[CloudRules]) -> str:
    """Why no cloud suits this class: what it asks for too much of, or what its Requirements want."""
    noun = number_of(jobs, "job", "wait")
    if job.apart:
        return f"{noun} and buys nothing: {job.apart}" if jobs == 1 else f"{noun} and buy nothing: {job.apart}"
    if not clouds:
        return f"{noun}; this queue has no cloud"
    for name, ask, most in zip(AMOUNTS, _size(job.request), _most(clouds), strict=True):
        if ask > most:
            return f"{noun} for {number_of(ask, name)}; " + (
                f"the most that a cloud of this queue has in one slot is {most}"
                if most
                else "no cloud of this queue has any"
            )
    if not any(_fits(_size(job.request), cloud.size) for cloud in clouds):
        return f"{noun} for {_phrase(job.request)} together; no cloud of this queue has a slot with all of it"
    deciding = _deciding(job, clouds)
    return f"{noun} with Requirements that no cloud of this queue meets{deciding}: {_short(job.requirements)}"


def _most(clouds: Sequence[CloudRules]) -> tuple[int, ...]:
    return tuple(max(amounts) for amounts in zip(*(cloud.size for cloud in clouds), strict=True))


def _phrase(shape: Shape) -> str:
    return ", ".join(number_of(ask, name) for name, ask in zip(AMOUNTS, _size(shape), strict=True) if ask)


def _short(text: str, most: int = 160) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def _deciding(job: JobClass, clouds: Sequence[CloudRules]) -> str:
    """Which attributes of slots decided it, and who says what of them; in parentheses, empty where it is not known."""
    if not job.answers:
        return _missing(job, clouds)
    by_name = {cloud.name: cloud for cloud in clouds}
    asked = [(name, [by_name[one] for one in among if one in by_name]) for name, among in job.asks]
    said = [f"TARGET.{name}, {_said_of(name, among)}" for name, among in asked if among]
    phrases = [*([f"it asks {'; '.join(said)}"] if said else []), *([job.decided] if job.decided else [])]
    return f" ({'; '.join(phrases)})" if phrases else ""


def _said_of(name: str, clouds: Sequence[CloudRules]) -> str:
    """For example "which workers of spot say is 6, and the configuration of dear says is 7"."""
    by_phrase: dict[str, list[str]] = {}
    for cloud in clouds:
        by_phrase.setdefault(_phrase_of(name, cloud), []).append(cloud.name)
    return "which " + ", and ".join(phrase.format(", ".join(names)) for phrase, names in by_phrase.items())


def _phrase_of(name: str, cloud: CloudRules) -> str:
    """With a place for the cloud's name."""
    slot, key = _slot_ad(cloud.slot), name.lower()
    if name not in slot:
        return "workers of {} do not advertise" if cloud.learned else "workers of {} are not known to advertise"
    value = _short(str(slot.lookup(name)), 60).replace("{", "{{").replace("}", "}}")
    if key in cloud.learned:
        return f"workers of {{}} say is {value}"
    if key in cloud.said:
        return f"the configuration of {{}} says is {value}"
    return f"is taken to be {value} on {{}}" + ("" if cloud.learned else " before a worker joined")


def _missing(job: JobClass, clouds: Sequence[CloudRules]) -> str:
    """The attributes that the Requirements ask of a slot and that no cloud's slot has."""
    try:
        asked = _job_ad(job.request, job.requirements, job.attributes)
        names = {name.lower(): name for name in _asked_of_slot(asked)}
    except classad2.ClassAdException:
        return " (they cannot be parsed)"
    for cloud in clouds:
        for had in _slot_ad(cloud.slot):
            names.pop(had.lower(), None)
    return f" ({', '.join(sorted(names.values()))}: not advertised)" if names else ""


def _asked_of_slot(ad: classad2.ClassAd) -> list[str]:
    own = {name.lower() for name in ad}
    names = [name.split(".", 1)[-1] for name in ad.externalRefs(ad.lookup("Requirements"))]
    return [name for name in names if name.lower() not in own]
