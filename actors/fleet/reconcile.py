"""What follows for each VM from what was seen: small steps in fixed order, pure, with time as an argument.

Same VM, same world, same outcome. A step moves the VM along the lifecycle table or leaves it; then, what it is now asks
for an act in the world (drain, verify, end). Acts are idempotent and are asked for again until a reading or an answer
shows that they worked; so a host may die between any two lines of this, and the next one goes on from the rows.

Three witnesses, never absence alone:
- `ended` needs the cloud: the listing shows the instance stopped or terminated, or, once the end call was accepted, a
  complete listing begun after that does not show it any more.
- `drained` needs the startd: every slot Drained, Idle and with our nonce. Right before the end call it is asked again.
- `late` (never joined) needs a pool that was healthy for the whole deadline, no unmatched startd of the queue, and that
  it is the pool that the VM was told to join. Of another one it may be absent for ever: it is astray then, which ends
  nothing, and an operator or its own switch has to.
For both, right before the end call, no schedd may have a job there: a startd's ad and answer can be forged by whoever
holds a worker's token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from actors.fleet.drain_and_hold import POLICY, POLICY_FINAL, DrainFor
from actors.fleet.evidence import Health
from actors.fleet.lifecycle import Event, move
from actors.fleet.matching import Matched
from actors.fleet.observations import Instance, Listed, Machine
from actors.fleet.pilots import STEPS as PILOT_STEPS
from actors.fleet.pilots import run_of
from actors.fleet.told import place_of, same_pool
from actors.fleet.vm import State, Vm

ASK_AGAIN_S = 60.0  # an end call without effect, or a refused drain, is repeated after this long
FRESH_S = 5.0  # a verified VM whose end call was not made within this is ended only as it is asked once more
LATE_S = 60.0  # a call that got no answer is carried out within this, or never: a frozen startd may still read it
FINAL = "its last job ended as its drain was taken back, and a later drain would evict: drained again while it is idle"
SETTLE_S = 15.0  # the collector trails the startd: an ad older than this after our drain still counts as "before"


class Act(StrEnum):
    """What is to be done in the world for one VM. Each is safe to repeat."""

    DRAIN = "drain"
    VERIFY = "verify"  # drained: ask the startd itself, or all schedds, then release
    EVICT = "evict"  # its tier's drain deadline is over: the jobs that still run are ended
    END = "end"
    END_ASKED = "end-asked"  # what was verified is too old: ask once more, and end it in the same breath
    END_UNJOINED = "end-unjoined"  # look for its ad once more, then end


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is known outside, at `now` (Redis seconds), for the VMs of one cloud whose queues use one pool."""

    now: float
    boot_deadline_s: float
    listed: Listed | None = None  # the last complete listing
    instances: Mapping[str, Instance] = field(default_factory=dict)  # of `listed`, by instance id
    listing_short: str = ""  # why what `listed` lacks proves nothing
    matched: Matched | None = None  # the last good reading of startds, matched
    read_at: float = 0.0  # when that reading began
    health: Health | None = None
    told: str = ""  # of which pool that reading is (see `told`); empty: not known
    joins: bool = True  # whether its VMs' startds join a pool: see `pilots`
    short_run_s: float = 0.0  # what ends by itself sooner was of no use

    def machine(self, vm: Vm) -> Machine | None:
        return self.matched.machines.get(vm.id) if self.matched else None


Step = Callable[[Vm, World], Vm | None]


def died(vm: Vm, world: World) -> Vm | None:
    """The cloud says that the instance is gone."""
    instance = world.instances.get(vm.instance_id) if vm.instance_id else None
    if instance is None or not instance.dead or not vm.alive:
        return None
    told = f"the cloud says {instance.state}" + (f": {instance.reason}" if instance.reason else "")
    lost = "" if instance.finished or vm.state in (State.DRAINED, State.ENDING) else told
    return move(vm, Event.GONE, world.now, told, lost=lost, **run_of(vm, instance, world.short_run_s, world.now))


def unlisted(vm: Vm, world: World) -> Vm | None:
    """After the cloud accepted the end, a complete listing begun later does not show it."""
    if vm.state is not State.ENDING or not vm.end_asked or world.listed is None or world.listing_short:
        return None
    if world.listed.at <= vm.end_asked or vm.instance_id in world.instances:
        return None
    return move(vm, Event.GONE, world.now, "ended, and no longer listed")


def joined(vm: Vm, world: World) -> Vm | None:
    """A startd advertises the instance id of a booting VM."""
    machine = world.machine(vm)
    if vm.state is not State.BOOTING or machine is None:
        return None
    told = f"startd {machine.name} joined {world.now - vm.born:.0f} s after the launch"
    return move(
        vm, Event.JOINED, world.now, told, machine=machine.name, machine_address=machine.address, joined=world.now
    )


def moved_house(vm: Vm, world: World) -> Vm | None:
    """A restarted startd has another address: calls go to the new one. Its name is for good: it is what schedds know
    its jobs by, and whoever could change it could have them asked for another's.
    """
    machine = world.machine(vm)
    if machine is None or vm.state is State.BOOTING or machine.address == vm.machine_address:
        return None
    return replace(vm, machine_address=machine.address)


def found_again(vm: Vm, world: World) -> Vm | None:
    """A startd that a reading shows reports to the pool that this reading is of, whatever it was told before."""
    if world.machine(vm) is None or vm.state is State.BOOTING:
        return None
    pool = vm.pool if not world.told or same_pool(vm.pool, world.told) else world.told
    return None if (pool, 0.0) == (vm.pool, vm.astray) else replace(vm, pool=pool, astray=0.0)


def astray(vm: Vm, world: World) -> Vm | None:
    """It should be seen by now, and the pool that is read is not the one that it was told to join."""
    waited = _missed_s(vm, world) if vm.state in (State.BOOTING, State.READY) and not vm.astray else 0.0
    if waited < world.boot_deadline_s or same_pool(vm.pool, world.told):
        return None
    return replace(vm, astray=world.now)


def astray_because(vm: Vm) -> str:
    """For a person; empty where it is not astray."""
    if not vm.astray:
        return ""
    return f"it was told to join {place_of(vm.pool)}, which cannot be asked any more: that it is missing proves nothing"


def _missed_s(vm: Vm, world: World) -> float:
    """How long its pool's readings have been good, and without it, since its launch; 0 where they tell nothing."""
    if world.health is None or world.matched is None or not world.health.good_at(world.now):
        return 0.0
    if vm.id in world.matched.doubtful or vm.id in world.matched.machines:
        return 0.0
    return max(0.0, world.read_at - max(vm.born, world.health.since))


def late(vm: Vm, world: World) -> Vm | None:
    """Its deadline is over; the pool that it was told was healthy all that time, and no stray of its queue is there."""
    if vm.state is not State.BOOTING or vm.held or not same_pool(vm.pool, world.told):
        return None
    waited = _missed_s(vm, world)
    if waited < world.boot_deadline_s or world.matched is None or world.matched.unmatched_of(vm.queue):
        return None
    return move(vm, Event.LATE, world.now, f"no startd {waited:.0f} s after the launch, though the pool was healthy")


def unwanted(vm: Vm, world: World) -> Vm | None:
    """It was given up while it booted; now it can be drained, and that taken back, as with any other."""
    if vm.state is not State.READY or not vm.unwanted or vm.held:
        return None
    return replace(drain(vm, world.now, POLICY, "given up while it booted"), unwanted=0.0)


def taken_over(vm: Vm, world: World) -> Vm | None:
    """Its startd shows a drain of ours that the row knows nothing of: rows were lost. It is gone on with, for good.

    A drain that was taken back may be shown for a moment longer; its number is not above those that the row counts.
    """
    machine = world.machine(vm)
    if vm.state is not State.READY or machine is None or not machine.draining_for(machine.nonce):
        return None
    number = _number(machine.nonce)
    if number <= vm.drains:
        return None
    told = f"its startd drains for {machine.nonce}, asked for before rows were lost"
    changes = {"nonce": machine.nonce, "drains": number, "drain_for": POLICY_FINAL, "drain_asked": world.now}
    return move(vm, Event.DRAIN, world.now, told, **changes)


def spoiled(vm: Vm, world: World) -> Vm | None:
    """It grants no retirement since a drain of it was taken back, and takes no job: it cannot serve any more.

    As `vm_calls.cancel` finds it, unless a host of an older version, or one that died, took that drain back.
    """
    machine = world.machine(vm)
    if vm.state is not State.READY or not vm.drains or vm.held or machine is None:
        return None
    if machine.max_retirement_s or machine.busy:
        return None
    return replace(drain(vm, world.now, POLICY_FINAL, FINAL), final=world.now)


def emptied(vm: Vm, world: World) -> Vm | None:
    machine = world.machine(vm)
    if vm.state is not State.DRAINING or not vm.nonce or machine is None or not machine.drained_for(vm.nonce):
        return None
    return move(vm, Event.EMPTIED, world.now, "every slot is Drained and Idle with our nonce")


def forgot(vm: Vm, world: World) -> Vm | None:
    """The ad, newer than our accepted request, shows no drain of ours: the startd restarted. Ask with a new nonce."""
    machine = world.machine(vm)
    if vm.state is not State.DRAINING or not vm.drain_asked or machine is None:
        return None
    if world.read_at <= vm.drain_asked + SETTLE_S or machine.draining_for(vm.nonce):
        return None
    return ask_again(vm, "the startd shows no drain of ours: asked again")


STEPS: tuple[Step, ...] = (
    died, unlisted, joined, moved_house, found_again, astray, late, unwanted, taken_over, spoiled, emptied, forgot,
)  # fmt: skip
OF_PILOTS: tuple[Step, ...] = (died, unlisted, *PILOT_STEPS)


def advance(vm: Vm, world: World) -> Vm:
    """The VM after all steps; the same object if nothing changed. Each step sees what those before it made of it."""
    for step in STEPS if world.joins else OF_PILOTS:
        vm = step(vm, world) or vm
    return vm


def act(vm: Vm, now: float) -> Act | None:
    """What a VM in this state asks for."""
    match vm.state:
        case State.READY:
            return None
        case State.DRAINING if not vm.drain_asked:
            return Act.DRAIN
        case State.DRAINING if vm.evicted and not vm.evict_asked:
            return Act.EVICT
        case State.DRAINED if not vm.held and now - vm.cancel_unknown >= LATE_S:
            return Act.VERIFY
        case State.ENDING:
            return _end(vm, now)
    return None


def _number(nonce: str) -> int:
    """How many drains stand behind a nonce of `ask_again`."""
    number = nonce.rpartition(".")[2]
    return int(number) if number.isdecimal() else 0


def _end(vm: Vm, now: float) -> Act | None:
    """Ask the cloud to end it, again and again until a listing shows that it did."""
    if vm.end_asked:
        return Act.END if now - vm.end_asked >= ASK_AGAIN_S else None
    if vm.killed:
        return Act.END
    if not vm.joined:
        return Act.END_UNJOINED
    return Act.END if now - vm.since <= FRESH_S else Act.END_ASKED


def drain(vm: Vm, now: float, drain_for: DrainFor, reason: str) -> Vm:
    """Decide to drain a ready VM. The request goes out with a nonce that was never used before."""
    changes = {"drain_for": drain_for, "drain_begun": now, "drain_refused": "", "drain_waits": ""}
    changes |= {"evicted": 0.0, "evict_asked": 0.0}
    return ask_again(move(vm, Event.DRAIN, now, reason, **changes), reason)


def ask_again(vm: Vm, reason: str) -> Vm:
    """A new nonce, so that an old ad that still carries the last one proves nothing."""
    asked = {"drain_asked": 0.0, "request_id": "", "cancel_unknown": 0.0}  # a late cancel names the former request
    return replace(vm, reason=reason, drains=vm.drains + 1, nonce=next_nonce(vm), **asked)  # type: ignore[arg-type]


def last_drain(vm: Vm, now: float) -> Vm:
    """Its drain was taken back too late. It is drained anew, for good, as soon as nobody is there."""
    return ask_again(replace(vm, drain_for=POLICY_FINAL, final=now), FINAL)


def next_nonce(vm: Vm) -> str:
    """Of the drain request after those that were written down."""
    return f"{vm.id}.{vm.drains + 1}"


def evicting(vm: Vm, now: float, request_id: str) -> Vm:
    """Its startd took the drain that evicts, which carries the next nonce."""
    changes = {"nonce": next_nonce(vm), "drain_asked": now, "evict_asked": now, "request_id": request_id}
    return replace(vm, drains=vm.drains + 1, **changes)  # type: ignore[arg-type]
