"""Instances with our tags and no row: found after rows were lost, or after a launch that nobody remembers.

An adopted VM has the cloud's own launch time as its birth, so its boot deadline has been running all along; and it is
held, if its tag says so. A listing older than the row it disagrees with proves nothing; and an instance whose launch is
still being resolved has a row.

What was launched while these rows lost nothing, by an intent that none of them ever named, another factory of our name
launched, with another database. It is none of ours: it is not adopted (its owner would drain and end it, and we too).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from actors.fleet.hold_tags import heeded
from actors.fleet.lifecycle import Event, move
from actors.fleet.observations import Instance, Listed
from actors.fleet.vm import State, Vm

STRANGE_S = 120.0  # clocks differ, and a launch may be under way while rows are lost
SETTLE_S = 60.0  # clouds list with a delay: an instance may be listed as running for a while after it ended


def births(vms: Iterable[Vm], listed: Listed) -> list[Vm]:
    """Launching VMs whose instance the listing shows, by intent and index."""
    launching = {vm.id: vm for vm in vms if vm.state is State.LAUNCHING}
    return [
        started(launching[row_id(instance)], instance, listed.at)
        for instance in listed.instances
        if row_id(instance) in launching
    ]


def orphans(vms: Collection[Vm], listed: Listed, cloud: str, usd_per_hour: float) -> list[Vm]:
    """Rows for living instances that no living VM accounts for."""
    known = {vm.instance_id for vm in vms if vm.instance_id and (vm.alive or listed.at <= vm.since + SETTLE_S)}
    pending = {vm.id for vm in vms if vm.state is State.LAUNCHING}
    rows = {vm.id for vm in vms}
    return [
        _adopt(instance, listed.at, cloud, usd_per_hour, rows)
        for instance in listed.instances
        if not instance.dead
        and instance.state != "ending"
        and instance.id not in known
        and row_id(instance) not in pending
    ]


def without_row(vm: Vm) -> bool:
    """Whether nothing is known of its launch: it was adopted, and no row of it was lost that could be named."""
    return vm.id == _adopted_id(vm.instance_id) or not vm.intent


def _adopted_id(instance_id: str) -> str:
    return f"adopted-{instance_id}"


def strangers(
    found: Iterable[Vm], listed: Listed, knows: Callable[[Vm], bool], unbroken_since: float
) -> dict[str, str]:
    """Of those that `orphans` found the ones that another factory launched: by instance id, why.

    `knows`: whether rows, intents or history ever named this VM or its launch. `unbroken_since`: since when nothing was
    lost, 0 where that is not known. A cloud that does not tell when it launched an instance proves nothing.
    """
    launched = {one.id: one.launched_at for one in listed.instances}
    if not unbroken_since:
        return {}
    late = (vm for vm in found if vm.intent and launched[vm.instance_id] > unbroken_since + STRANGE_S)
    return {vm.instance_id: _strange(vm) for vm in late if not knows(vm)}


def _strange(vm: Vm) -> str:
    return f"instance {vm.instance_id} carries our tags, and its launch {vm.intent} was never written in this database"


def row_id(instance: Instance) -> str:
    return f"{instance.intent}-{instance.index}"


def started(vm: Vm, instance: Instance, now: float) -> Vm:
    """A launching VM whose instance is known now."""
    told = f"instance {instance.id} started"
    return move(
        vm,
        Event.STARTED,
        now,
        told,
        instance_id=instance.id,
        address=instance.address,
        market=instance.market,
    )


def _adopt(instance: Instance, now: float, cloud: str, usd_per_hour: float, rows: set[str]) -> Vm:
    """It gets the id of the row that was lost, so that an operator's wish for that row still is for this VM."""
    lost = row_id(instance)
    vm = Vm(
        id=lost if instance.intent and lost not in rows else _adopted_id(instance.id),
        cloud=cloud,
        queue=instance.queue,
        state=State.BOOTING,
        since=now,
        born=instance.launched_at or now,
        reason=f"instance {instance.id} carries our tags and had no row: adopted",
        intent=instance.intent,
        instance_id=instance.id,
        address=instance.address,
        usd_per_hour=usd_per_hour,
        market=instance.market,
        pool=instance.pool,
    )
    return heeded(vm, instance.held, now, now)
