"""Instances with our tags and no row: found after rows were lost, or after a launch that nobody remembers.

An adopted VM has the cloud's own launch time as its birth, so its boot deadline has been running all along; and it is
held, if its tag says so. A listing older than the row it disagrees with proves nothing; and an instance whose launch is
still being resolved has a row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from actors.fleet.hold_tags import heeded
from actors.fleet.lifecycle import Event, move
from actors.fleet.observations import Instance, Listed
from actors.fleet.vm import State, Vm

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
