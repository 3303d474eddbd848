"""The second phase: what follows for each VM from what was seen of it, by the lifecycle table."""

from __future__ import annotations

import structlog

from actors.fleet.hold_tags import heeded
from actors.fleet.lifecycle import NotAllowed
from actors.fleet.reconcile import World, advance
from actors.fleet.shadow import watch
from actors.fleet.vm import Vm
from actors.retirement.observe import Observed
from actors.runtime.services import Services

Rows = dict[str, Vm]  # by id: all VMs of a cloud, as they are to be; one that does not change is the same object

log = structlog.get_logger("retirement")


class Advance:
    def __init__(self, services: Services) -> None:
        self._gauges, self._walk = services.gauges, watch if services.config.factory.shadow else advance

    def __call__(self, seen: Observed) -> Rows:
        worlds = seen.sightings.worlds(seen.now)
        rows = {vm.id: self._walked(seen, vm, worlds[seen.sightings.pool_of(vm)]) for vm in seen.rows.values()}
        seen.seat.state.still.forget_others(seen.rows)
        _heed_tags(seen, rows)
        return rows

    def _walked(self, seen: Observed, vm: Vm, world: World) -> Vm:
        try:
            return seen.seat.state.still.walked(self._walk, vm, world)
        except NotAllowed as refusal:
            self._gauges.refusals.labels(vm.cloud).inc()
            log.warning("event refused", vm=vm.id, why=str(refusal))
            return vm


def _heed_tags(seen: Observed, rows: Rows) -> None:
    """Holds that stand on instances, and that the rows do not know of."""
    listed, tags = seen.sightings.listed, seen.sightings.held_tags
    if not tags or listed is None:
        return
    for vm in [vm for vm in rows.values() if vm.instance_id in tags]:
        rows[vm.id] = heeded(vm, tags[vm.instance_id], listed.at, seen.now)
