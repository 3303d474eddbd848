"""Asks the schedds, once in some readings, whether they know of what busy VMs run; see `fleet.orphan_claims`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from actors.fleet.observations import Machine
from actors.fleet.orphan_claims import noted, suspected, told
from actors.fleet.vm import Vm
from actors.pools.port import Pool, PoolError
from actors.retirement import vm_calls
from actors.retirement.answers import Caller
from actors.retirement.observe import Observed
from actors.retirement.seat import CloudSeat
from actors.runtime.services import Services

READINGS = 10  # of a pool, between two asks


class Orphans:
    def __init__(self, caller: Caller, services: Services, pools: Mapping[str, Pool]) -> None:
        self._caller, self._config, self._now, self._pools = caller, services.config, services.now, pools

    def __call__(self, seen: Observed) -> None:
        machines, alive = seen.sightings.machines(), {vm.id: vm for vm in seen.registry.vms() if vm.alive}
        busy = {key: machines[key] for key, vm in alive.items() if suspected(vm, machines.get(key))}
        state = seen.seat.state
        state.orphaned = {key: one for key, one in state.orphaned.items() if key in busy}
        seen.registry.judged.orphaned = {
            key: why for key, one in state.orphaned.items() if (why := told(alive[key], one))
        }
        for name, pool in self._pools.items():
            of_pool = [alive[key] for key in busy if seen.sightings.pool_of(alive[key]) == name]
            asked_for = {vm.id: vm for vm in of_pool if seen.sightings.is_told(vm)}
            every_s = READINGS * self._config.pools[name].interval_s
            if asked_for and seen.now - state.asked_of.get(name, 0.0) >= every_s:
                state.asked_of[name] = seen.now
                self._ask(seen.seat, name, pool, list(asked_for.values()), {key: busy[key] for key in asked_for})

    def _ask(self, seat: CloudSeat, name: str, pool: Pool, vms: list[Vm], busy: Mapping[str, Machine]) -> None:
        call, then = partial(vm_calls.jobs_of, pool, vms), partial(self._answered, seat, busy)
        self._caller.call(seat, "drain", f"orphans {seat.name} {name}", call, then)

    def _answered(self, seat: CloudSeat, busy: Mapping[str, Machine], got: Mapping[str, int] | Exception) -> None:
        """A schedd that did not answer proves nothing, in either way."""
        if isinstance(got, PoolError):
            return
        if isinstance(got, Exception):
            raise got
        others = {key: one for key, one in seat.state.orphaned.items() if key not in busy}
        seat.state.orphaned = others | noted(seat.state.orphaned, busy, got, self._now())
