"""What is told of a VM each time that its row changes: what happened, why, on which evidence, by which decision.

A row keeps what later decisions rest on; its history keeps what earlier ones rested on. A moment is made from the row
before and after, in one place, so that no transition can be forgotten by who makes it. Evidence is what was in hand at
that time: how old the readings were, whether they were trusted, and what the ad itself said. Afterwards nobody can ask
for it again.

Every text is cut at a length, so that the memory that history takes is known from the number of its moments.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from actors.fleet.drain_and_hold import POLICY
from actors.fleet.observations import Machine
from actors.fleet.reconcile import World, astray_because
from actors.fleet.vm import State, Vm

MOST_EVIDENCE = 8  # sentences
MOST_TEXT = 240  # characters of each
SLOTS_TOLD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Because:
    """What a change rests on: sentences about what was seen, and the id of the decision or wish that asked for it.

    `shown`: that of the sentences which is what its startd showed.
    """

    evidence: tuple[str, ...] = ()
    decision: str = ""
    shown: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One change of one VM. `was` is empty for a new row; `was` = `now`: something else than its state changed.

    `at`: Redis seconds. `by`: the host incarnation whose term wrote it. `usd_per_hour`: its price then.
    `shown`: which of `evidence`, counted from 0, is what its startd showed; -1: none, or it is not known which.
    """

    vm: str
    at: float
    was: str
    now: str
    why: str
    evidence: tuple[str, ...] = ()
    decision: str = ""
    by: str = ""
    cloud: str = ""
    queue: str = ""
    instance_id: str = ""
    machine: str = ""
    usd_per_hour: float = 0.0
    born: float = 0.0
    shown: int = -1

    @property
    def startd_showed(self) -> str:
        return self.evidence[self.shown] if self.shown in range(len(self.evidence)) else ""

    def is_about(self, name: str) -> bool:
        """Whether `name` is this VM's id, its instance id or its startd's machine name."""
        return bool(name) and name in (self.vm, self.instance_id, self.machine)


NOTHING = Because()


def moment(before: Vm | None, after: Vm, at: float, by: str, because: Because = NOTHING) -> Moment | None:
    """What to tell of a change; None where nothing changed that anybody would ask for."""
    moved = before is None or before.state is not after.state
    why = after.reason if moved else "; ".join(_changed(before or after, after))
    if not why:
        return None
    return Moment(
        vm=after.id,
        at=at,
        was=before.state.value if before else "",
        now=after.state.value,
        why=_cut(why),
        evidence=tuple(_cut(line) for line in because.evidence[:MOST_EVIDENCE]),
        decision=because.decision,
        by=by,
        cloud=after.cloud,
        queue=after.queue,
        instance_id=after.instance_id,
        machine=after.machine,
        usd_per_hour=after.usd_per_hour,
        born=after.born,
        shown=because.evidence.index(because.shown) if because.shown in because.evidence[:MOST_EVIDENCE] else -1,
    )


def _changed(before: Vm, after: Vm) -> Iterator[str]:
    """What changed in a row whose state did not."""
    yield from _life(before, after)
    yield from _drain(before, after)
    yield from _end(before, after)


def _life(before: Vm, after: Vm) -> Iterator[str]:
    if after.unwanted != before.unwanted:
        yield "given up while it boots" if after.unwanted else "wanted again"
    if after.silent and not before.silent:
        yield "its launch gets no answer: others are bought elsewhere"
    if after.astray != before.astray:
        yield astray_because(after) or "its startd is seen again"
    if after.notice and after.notice != before.notice:
        yield f"the cloud gave notice: {after.notice}"
    if after.held != before.held:
        yield f"held: {after.held}" if after.held else "no longer held"
    if after.killed and not before.killed:
        yield f"killed by wish {after.killed}"
    if after.drain_waits and after.drain_waits != before.drain_waits:
        yield f"its drain waits: {after.drain_waits}"


def _drain(before: Vm, after: Vm) -> Iterator[str]:
    if after.nonce != before.nonce and after.state is State.DRAINING and not after.evict_asked:
        yield f"{after.reason} (drain {after.drains})"
    if after.drain_refused and after.drain_refused != before.drain_refused and after.state is State.DRAINING:
        yield f"its startd refused: {after.drain_refused}"
    if after.evicted and not before.evicted:
        yield "its drain deadline is over: the jobs that still run are to be evicted"
    if after.evict_asked and after.evict_asked != before.evict_asked:
        yield f"its startd took the request to evict its jobs, {after.request_id or '(not said)'}"
    elif after.drain_asked and after.drain_asked != before.drain_asked:
        yield f"its startd took drain {after.drains} as request {after.request_id or '(not said)'}"
    if after.cancel_unknown and not before.cancel_unknown:
        yield "its drain was asked to be taken back"
    if after.drain_for != before.drain_for and after.state is State.DRAINING:
        yield f"the drain is now for {after.drain_for or ''}"


def _end(before: Vm, after: Vm) -> Iterator[str]:
    if after.state is State.ENDING and after.since != before.since:
        yield f"looked at once more: {after.reason}"
    if after.end_asked and after.end_asked != before.end_asked:
        yield "the cloud accepted the call to end it" + (", again" if before.end_asked else "")
    if after.machine_address != before.machine_address:
        yield f"its startd answers at {after.machine_address} now"


def because(before: Vm, after: Vm, world: World, idle_since: float, decision: str) -> Because:
    """What a change that a look made rests on. `decision`: the one that its queue's want is of; else see `evidence`."""
    machine = world.machine(before)
    return Because(
        evidence=evidence(before, world, idle_since),
        decision=asked_by(before, after, decision),
        shown=shown(machine) if machine else "",
    )


def asked_by(before: Vm, after: Vm, decision: str) -> str:
    """Who asked for this change: the wish, or else the decision that its queue's want is of, where policy made it.

    What follows from sight alone (it joined, it is empty, it is gone) nobody asked for.
    """
    if after.killed != before.killed or after.held != before.held:
        hold = after.hold or before.hold
        return after.killed or (hold.word if hold else "")
    if after.drain_for != before.drain_for and after.drain_wish:
        return after.drain_wish
    if after.drain_for == POLICY and before.state is State.READY:
        return decision
    return decision if after.unwanted != before.unwanted and after.state is before.state else ""


def evidence(vm: Vm, world: World, idle_since: float = 0.0) -> tuple[str, ...]:
    """What was known of this VM when a step moved it: the pool's reading, its startd's ad, the cloud's listing.

    `idle_since`: Redis seconds, since when no reading showed a claim on it; 0: it is busy or was not seen.
    """
    idle = (f"it had no job for {_age(world.now, idle_since)}",) if idle_since else ()
    return (*_of_pool(vm, world), *idle, *_of_cloud(vm, world))


def _of_pool(vm: Vm, world: World) -> Iterator[str]:
    if world.matched is None:
        return
    told = f"the pool was read {_age(world.now, world.read_at)} before"
    if world.health is not None:
        healthy = f"healthy for {_age(world.now, world.health.since)}"
        told += f", {healthy}" if world.health.good else f", not trusted: {world.health.why}"
    yield told
    machine = world.machine(vm)
    if machine is not None:
        yield shown(machine)
    else:
        yield world.matched.doubtful.get(vm.id, "that reading does not show its startd")


def _of_cloud(vm: Vm, world: World) -> Iterator[str]:
    if world.listed is None or not vm.instance_id:
        return
    instance = world.instances.get(vm.instance_id)
    told = f"{instance.state}" + (f" ({instance.reason})" if instance.reason else "") if instance else "not there"
    yield f"the cloud was listed {_age(world.now, world.listed.at)} before: {vm.instance_id} {told}"


def shown(machine: Machine) -> str:
    """A startd's slots in its own words: what it ran, and whose drain it shows."""
    told = [
        f"{slot.name} {slot.state}/{slot.activity}"
        + (f" with {slot.children} job{'s' * (slot.children > 1)}" if slot.children else "")
        + (f" '{slot.drain_reason}'" if slot.drain_reason else "")
        for slot in machine.slots[:SLOTS_TOLD]
    ]
    more = len(machine.slots) - SLOTS_TOLD
    return f"its startd {machine.name} showed " + ", ".join(told or ["no slot"]) + f" and {more} more" * (more > 0)


def _age(now: float, then: float) -> str:
    return f"{max(0.0, now - then):.0f} s"


def _cut(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 3]}..."
