"""What all acts have in common: what is checked right before a call, and what becomes of its answer.

An answer becomes the row's next state, unless the row moved on meanwhile. A call that failed is made again after a
pause, longer each time; what nobody expected is raised, and sets the post aside.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

import structlog

from actors.clouds.port import CloudError
from actors.fleet.history import Because
from actors.fleet.vm import Vm
from actors.pools.port import PoolDenied, PoolError, PoolWrong
from actors.retirement.seat import CloudSeat
from actors.runtime.calls import Lane
from actors.runtime.freeze_file import FreezeFile, FrozenHere
from actors.runtime.pauses import pause_s
from actors.runtime.services import Services
from actors.store.vms import Registries, Registry
from broker.posts.leases import Term

PAUSES_S = (2.0, 5.0, 15.0, 60.0)  # after a call about one VM that did not work

R = TypeVar("R")

log = structlog.get_logger("retirement")


class Caller(Protocol):
    """What acts need of the actor: see `PostActor.call`."""

    def call(
        self, seat: CloudSeat, lane: Lane, key: str, call: Callable[[], R], then: Callable[[R | Exception], None]
    ) -> bool: ...


class Answers:
    def __init__(self, services: Services, registries: Registries) -> None:
        self._terms, self._gauges, self._registries = services.terms, services.gauges, registries
        self._freeze = FreezeFile.of(services.config)

    def allowed(self, seat: CloudSeat) -> Callable[[], object]:
        """Checked right before each call that changes the world: a stale holder or a former term sends nothing, nor
        does a host whose freeze file is there.
        """
        term = self._terms.need(seat.post)

        def allowed() -> None:
            self._terms.still(term)
            self._freeze.check()

        return allowed

    def registry(self, seat: CloudSeat) -> Registry:
        return self._registries.of(self._terms.need(seat.post))

    def change(self, seat: CloudSeat, before: Vm, after: Vm, saw: str = "") -> None:
        """An answer about a VM, and what was seen in it. If its row moved on meanwhile, the next look decides anew."""
        term = self._terms.need(seat.post)
        self._answered(seat, before)
        because = {after.id: Because(evidence=(saw,))} if saw else {}
        self._registries.of(term).change(term, [(before, after)], because=because)

    def write_empty(self, seat: CloudSeat, term: Term) -> None:
        """Those that were verified since the last look: written down together, to be ended in this one."""
        found, seat.state.empty = seat.state.empty, []
        because = {after.id: Because(evidence=(saw,)) for _, after, saw in found if saw}
        self._registries.of(term).change(term, [(before, after) for before, after, _ in found], because=because)
        for before, _, _ in found:
            self._answered(seat, before)
            seat.state.verified.add(before.id)

    def failed(self, seat: CloudSeat, vm: Vm, error: Exception) -> None:
        """Raises what is no pool's, no cloud's and no freeze's word."""
        if isinstance(error, PoolDenied):
            log.error("pool denies us", vm=vm.id, why=str(error))
        if isinstance(error, PoolWrong):
            seat.state.wrong[vm.id] = str(error)
        if isinstance(error, CloudError):
            self._gauges.errors.labels(vm.cloud, type(error).__name__).inc()
        if not isinstance(error, (PoolError, CloudError, FrozenHere)):
            raise error
        self.pause(seat, vm, error)

    def pause(self, seat: CloudSeat, vm: Vm, why: Exception) -> None:
        tries = seat.state.pauses.get(vm.id, (0.0, 0))[1]
        seat.state.pauses[vm.id] = (time.monotonic() + pause_s(PAUSES_S, tries), tries + 1)
        if tries == 0:
            log.warning("call failed", vm=vm.id, state=vm.state.value, why=f"{type(why).__name__}: {why}")

    def paused(self, seat: CloudSeat, vm: Vm) -> bool:
        return time.monotonic() < seat.state.pauses.get(vm.id, (0.0, 0))[0]

    def _answered(self, seat: CloudSeat, vm: Vm) -> None:
        seat.state.pauses.pop(vm.id, None)
        seat.state.wrong.pop(vm.id, None)
