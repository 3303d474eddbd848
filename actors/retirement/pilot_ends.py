"""Ends of pilots: taken back while they wait, and killed on an operator's word.

No pool is asked for them: they have no startd (`fleet.pilots`). What began to run by now is spared by its cloud, and
its row is `ready` again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import structlog

from actors.clouds.port import Cloud, TakesBack
from actors.fleet.pilots import spared
from actors.fleet.reconcile import Act, act
from actors.fleet.vm import Vm
from actors.retirement import vm_calls
from actors.retirement.answers import Answers, Caller
from actors.retirement.observe import Observed
from actors.retirement.seat import CloudSeat
from actors.runtime.services import Services

ENDS = (Act.END, Act.END_ASKED, Act.END_UNJOINED)
MOST = 500  # in one call

log = structlog.get_logger("retirement")


class PilotEnds:
    def __init__(self, caller: Caller, services: Services, answers: Answers, clouds: Mapping[str, Cloud]) -> None:
        self._caller, self._answers, self._now, self._clouds = caller, answers, services.now, clouds

    def __call__(self, seen: Observed) -> None:
        asked = [vm for vm in seen.registry.vms() if act(vm, seen.now) in ENDS]
        due = [vm for vm in asked if not self._answers.paused(seen.seat, vm)]
        self._kill(seen.seat, [vm for vm in due if vm.killed][:MOST])
        self._take_back(seen.seat, [vm for vm in due if not vm.killed][:MOST])

    def _kill(self, seat: CloudSeat, vms: list[Vm]) -> None:
        cloud, allowed, ids = self._clouds[seat.name], self._answers.allowed(seat), [vm.instance_id for vm in vms]
        call = lambda: vm_calls.end(cloud, ids, allowed)  # noqa: E731
        if vms:
            self._caller.call(seat, "end", f"end {seat.name}", call, lambda got: self._over(seat, vms, got))

    def _take_back(self, seat: CloudSeat, vms: list[Vm]) -> None:
        cloud, allowed, ids = self._clouds[seat.name], self._answers.allowed(seat), [vm.instance_id for vm in vms]
        if not vms:
            return
        if not isinstance(cloud, TakesBack):
            raise TypeError(f"cloud {seat.name} starts what joins no pool, and cannot take it back: see clouds.port")
        call = lambda: vm_calls.take_back(cloud, ids, allowed)  # noqa: E731
        self._caller.call(seat, "end", f"take back {seat.name}", call, lambda got: self._taken_back(seat, vms, got))

    def _taken_back(self, seat: CloudSeat, vms: list[Vm], got: tuple[str, ...] | Exception) -> None:
        """Those that are not among the answer run by now."""
        runs = [vm for vm in vms if isinstance(got, tuple) and vm.instance_id not in got]
        self._over(seat, [vm for vm in vms if vm not in runs], got)
        for vm in runs:
            log.info("a pilot was spared: it runs by now", vm=vm.id, instance=vm.instance_id)
            self._answers.change(seat, vm, spared(vm, self._now()))

    def _over(self, seat: CloudSeat, vms: Iterable[Vm], got: tuple[str, ...] | Exception) -> None:
        for vm in vms:
            if isinstance(got, Exception):
                self._answers.failed(seat, vm, got)
            else:
                self._answers.change(seat, vm, replace(vm, end_asked=self._now()))
