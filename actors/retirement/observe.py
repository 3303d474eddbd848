"""The first phase of a look: what is there. The newest readings, matched and judged; the rows as they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from actors.fleet.vm import Vm
from actors.retirement.seat import CloudSeat
from actors.retirement.sightings import Sightings
from actors.runtime.services import Services
from actors.store.vms import Registries, Registry
from broker.posts.leases import Term


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What one look at one cloud begins from. `now`: Redis seconds; `rows`: all its VMs by id, as they stand."""

    seat: CloudSeat
    term: Term
    registry: Registry
    now: float
    rows: Mapping[str, Vm]

    @property
    def cloud(self) -> str:
        return self.registry.cloud

    @property
    def sightings(self) -> Sightings:
        return self.seat.state.sightings


class Observe:
    def __init__(self, services: Services, registries: Registries) -> None:
        self._now, self._gauges, self._registries = services.now, services.gauges, registries

    def __call__(self, seat: CloudSeat, term: Term) -> Observed:
        """May raise Unreachable, LeaseLost, DamagedRow."""
        registry, now, state = self._registries.of(term), self._now(), seat.state
        was_frozen = registry.judged.frozen
        state.sightings.take_in(term, registry, now)
        if was_frozen and not registry.judged.frozen:
            state.pauses.clear()  # what calls failed by is over: a VM that drains need not wait a minute more
        self._gauges.sources(registry.cloud, state.sightings.troubles(now))
        return Observed(seat=seat, term=term, registry=registry, now=now, rows={vm.id: vm for vm in registry.vms()})
