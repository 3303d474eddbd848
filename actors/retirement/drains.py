"""A startd is asked to drain, to evict what still runs, or to go on as before: it takes that, or says why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import structlog

from actors.fleet.drain_and_hold import POLICY_FINAL
from actors.fleet.lifecycle import Event, move
from actors.fleet.reconcile import FINAL, evicting, last_drain, next_nonce
from actors.fleet.spot_notice import urgent
from actors.fleet.vm import Vm
from actors.pools.port import Pool, PoolError, PoolRefused
from actors.retirement import vm_calls
from actors.retirement.answers import Answers, Caller
from actors.retirement.seat import CloudSeat
from actors.runtime.freeze_file import FrozenHere
from actors.runtime.services import Services

log = structlog.get_logger("retirement")


class DrainCalls:
    def __init__(self, caller: Caller, services: Services, answers: Answers, pools: Mapping[str, Pool]) -> None:
        self._caller, self._answers, self._pools = caller, answers, pools
        self._now, self._gauges = services.now, services.gauges

    def drain(self, seat: CloudSeat, vm: Vm) -> None:
        pool, allowed = self._pool(seat, vm), self._answers.allowed(seat)
        self._caller.call(
            seat,
            "urgent" if urgent(vm) else "drain",
            f"vm {vm.id}",
            lambda: vm_calls.drain(pool, vm, allowed),
            lambda got: self._drained(seat, vm, got),
        )

    def _drained(self, seat: CloudSeat, vm: Vm, got: str | Exception) -> None:
        now = self._now()
        match got:
            case str():
                self._answers.change(seat, vm, replace(vm, drain_asked=now, request_id=got, drain_refused=""))
            case PoolRefused() if vm.final:
                if vm.drain_refused != str(got):
                    self._answers.change(seat, vm, replace(vm, drain_refused=str(got)))
                self._answers.pause(seat, vm, got)
            case PoolRefused():
                self._gauges.drains_refused.labels(vm.cloud).inc()
                log.warning("drain refused", vm=vm.id, machine=vm.machine, why=str(got))
                declined = move(vm, Event.DECLINED, now, f"not drained: {got}", drain_refused=str(got), refused_at=now)
                self._answers.change(seat, vm, replace(declined, nonce="", drain_for=None))
            case _:
                self._answers.failed(seat, vm, got)

    def evict(self, seat: CloudSeat, vm: Vm) -> None:
        pool, allowed, nonce = self._pool(seat, vm), self._answers.allowed(seat), next_nonce(vm)
        self._caller.call(
            seat,
            "drain",
            f"vm {vm.id}",
            lambda: vm_calls.evict(pool, vm, nonce, allowed),
            lambda got: self._evicted(seat, vm, got),
        )

    def _evicted(self, seat: CloudSeat, vm: Vm, got: str | Exception) -> None:
        if not isinstance(got, str):
            self._answers.failed(seat, vm, got)
            return
        self._gauges.evictions.labels(vm.cloud).inc()
        log.warning("jobs evicted: the drain deadline of its tier is over", vm=vm.id, machine=vm.machine)
        self._answers.change(seat, vm, evicting(vm, self._now(), got))

    def cancel(self, seat: CloudSeat, vm: Vm) -> None:
        pool, allowed = self._pool(seat, vm), self._answers.allowed(seat)
        self._caller.call(
            seat,
            "drain",
            f"vm {vm.id}",
            lambda: vm_calls.cancel(pool, vm, allowed),
            lambda got: self._cancelled(seat, vm, got),
        )

    def _cancelled(self, seat: CloudSeat, vm: Vm, got: bool | Exception) -> None:
        """A drain that could not be taken back is final, so that the submitter buys instead of waiting for it.

        Without an answer, the request may be carried out late: until it cannot any more, the VM is not ended.
        """
        known = replace(vm, cancel_unknown=0.0)
        if got is True:
            back = move(known, Event.BACK, self._now(), "demand is back while its last job runs: drain cancelled")
            self._answers.change(seat, vm, replace(back, nonce="", drain_for=None, drain_asked=0.0, request_id=""))
        elif got is False:
            log.warning("drain taken back too late", vm=vm.id, machine=vm.machine, why=FINAL)
            self._answers.change(seat, vm, last_drain(known, self._now()))
        elif isinstance(got, PoolError):
            log.info("drain not taken back", vm=vm.id, machine=vm.machine, why=f"{type(got).__name__}: {got}")
            left = known if isinstance(got, PoolRefused) else vm
            self._answers.change(seat, vm, replace(left, drain_for=POLICY_FINAL))
        elif isinstance(got, FrozenHere):
            self._answers.change(seat, vm, known)
            self._answers.pause(seat, vm, got)
        else:
            raise got

    def _pool(self, seat: CloudSeat, vm: Vm) -> Pool:
        return self._pools[seat.state.sightings.pool_of(vm)]
