"""VMs, machines and worlds for these tests, with as little said as possible."""

from dataclasses import replace

from actors.fleet.evidence import Health
from actors.fleet.matching import match
from actors.fleet.observations import Instance, Listed, Machine, Slot, drain_reason
from actors.fleet.reconcile import World
from actors.fleet.shape import Shape
from actors.fleet.vm import State, Vm

NOW = 10_000.0
POOL = "local at head:9618 #0123456789ab"
HEALTHY = Health(source="pool/local", since=1.0, read_at=NOW, why="")


def vm(state: State = State.READY, **changes: object) -> Vm:
    """VM "x-0" of cloud private for queue atlas, instance i-1, born at 9,000, joined if its state says so."""
    joined = state not in (State.LAUNCHING, State.BOOTING, State.FAILED)
    made = Vm(
        id="x-0",
        cloud="private",
        queue="atlas",
        state=state,
        since=9_000.0,
        born=9_000.0,
        reason="made for a test",
        intent="x",
        instance_id="" if state is State.LAUNCHING else "i-1",
        machine="worker" if joined else "",
        machine_address="<10.0.0.5:9618>" if joined else "",
        joined=9_100.0 if joined else 0.0,
        pool=POOL,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def slot(state: str = "Unclaimed", activity: str = "Idle", **changes: object) -> Slot:
    return replace(Slot(name="slot1@worker", state=state, activity=activity, free=Shape(cpus=1)), **changes)  # type: ignore[arg-type]


def machine(*slots: Slot, **changes: object) -> Machine:
    made = Machine(
        max_retirement_s=10**9,
        name="worker",
        address="<10.0.0.5:9618>",
        instance_id="i-1",
        queue="atlas",
        cloud="private",
        identity="worker@lab",
        slots=slots or (slot(),),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def draining_slot(nonce: str, **changes: object) -> Slot:
    return slot("Claimed", "Retiring", drain_reason=drain_reason(nonce), draining=True, **changes)


def drained_slot(nonce: str, **changes: object) -> Slot:
    return slot("Drained", "Idle", drain_reason=drain_reason(nonce), draining=True, **changes)


def instance(state: str = "running", **changes: object) -> Instance:
    made = Instance(id="i-1", state=state, launched_at=9_000.0, intent="x", index=0, queue="atlas", pool=POOL)
    return replace(made, **changes)  # type: ignore[arg-type]


def listed(*instances: Instance, at: float = NOW) -> Listed:
    return Listed(source="cloud/private", at=at, instances=instances)


def world(
    *machines: Machine,
    of: Vm | None = None,
    listing: Listed | None = None,
    health: Health | None = HEALTHY,
    read_at: float = NOW,
    told: str = POOL,
) -> World:
    """A world whose last reading shows these machines, matched against `of` (the VM made by default)."""
    return World(
        now=NOW,
        boot_deadline_s=300.0,
        listed=listing,
        instances={one.id: one for one in listing.instances} if listing else {},
        matched=match(machines, [of or vm()]),
        read_at=read_at,
        health=health,
        told=told,
    )
