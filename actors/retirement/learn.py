"""Beside the phases: what workers that joined offer is kept for who decides what is bought (see `fleet.joined`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import structlog

from actors.config.as_policy import shape_of
from actors.fleet.joined import far_short
from actors.fleet.vm import State, Vm
from actors.pools.port import Advertises, Pool
from actors.retirement.answers import Caller
from actors.retirement.learning import Ads
from actors.retirement.observe import Observed
from actors.retirement.seat import CloudSeat
from actors.retirement.write import Changed
from actors.runtime.services import Services
from actors.store.vms import Registry

log = structlog.get_logger("retirement")


class Learn:
    def __init__(self, caller: Caller, services: Services, pools: Mapping[str, Pool]) -> None:
        self._caller, self._pools, self._config = caller, pools, services.config
        self._terms, self._now, self._gauges = services.terms, services.now, services.gauges

    def __call__(self, seen: Observed, changed: Changed) -> None:
        """What those that joined offer; once a term also what those do that joined under the holder before."""
        registry, state = seen.registry, seen.seat.state
        joined = [vm.id for before, vm in changed if vm.joined and not before.joined]
        if registry.judged.looked and not state.learned:
            state.learned = True
            joined = [vm.id for vm in registry.vms() if vm.state is State.READY]
        if joined:
            registry.learn(seen.term, joined)
            promised = shape_of(self._config.clouds[seen.cloud])
            self._gauges.shape_short.labels(seen.cloud).set(far_short(promised, registry.joined))
        self._ask_for_ads(seen)

    def _ask_for_ads(self, seen: Observed) -> None:
        """What those that joined advertise is known of the next ones."""
        by_pool: dict[str, list[Vm]] = {}
        for vm in seen.seat.state.learning.unasked(seen.registry, self._now()):
            by_pool.setdefault(seen.sightings.pool_of(vm), []).append(vm)
        for name, vms in by_pool.items():
            if isinstance(pool := self._pools[name], Advertises):
                call = partial(pool.advertised, tuple(vm.machine for vm in vms))
                then = partial(self._advertised, seen.seat, seen.registry, vms)
                self._caller.call(seen.seat, "look", f"ads {seen.cloud} {name}", call, then)

    def _advertised(self, seat: CloudSeat, registry: Registry, vms: Sequence[Vm], got: Ads | Exception) -> None:
        if isinstance(got, Exception):
            log.info("what workers advertise is not known", cloud=seat.name, why=str(got))
            return
        seat.state.learning.take(self._terms.need(seat.post), registry, vms, got)
