"""The fifth phase: what the rows ask for is asked of the world.

Each call goes out in a bounded lane, with the term and the freeze file checked right before each send (`answers`). What
a VM asks for stays the same until an answer or a reading moves its row, so all of this may be repeated at any time.
"""

from __future__ import annotations

from collections.abc import Mapping

from actors.clouds.port import Cloud
from actors.fleet.reconcile import Act, act
from actors.fleet.spot_notice import urgent
from actors.fleet.vm import Vm
from actors.pools.port import Pool
from actors.retirement.answers import Answers, Caller
from actors.retirement.converge import Decided
from actors.retirement.defunct import DefunctEnds
from actors.retirement.drains import DrainCalls
from actors.retirement.ends import Ends
from actors.retirement.hold_marks import HoldMarks
from actors.retirement.observe import Observed
from actors.retirement.pilot_ends import PilotEnds
from actors.retirement.seat import CloudSeat
from actors.runtime.services import Services

END_BATCH = 100


class Acts:
    def __init__(
        self,
        caller: Caller,
        services: Services,
        answers: Answers,
        pools: Mapping[str, Pool],
        clouds: Mapping[str, Cloud],
    ) -> None:
        self._answers, self._pools = answers, pools
        self._shadow = services.config.factory.shadow  # it only looks on: rows show what others do
        self._drains = DrainCalls(caller, services, answers, pools)
        self._ends = Ends(caller, services, answers, pools, clouds)
        self._clouds, self._pilots = services.config.clouds, PilotEnds(caller, services, answers, clouds)
        self._defunct = DefunctEnds(caller, services, answers, clouds)
        self._marks = HoldMarks(caller, services, answers, clouds)
        self._one_by_one = {
            Act.DRAIN: self._drains.drain,
            Act.EVICT: self._drains.evict,
            Act.VERIFY: self._ends.verify,
            Act.END_ASKED: self._ends.end_asked,
        }

    def __call__(self, seen: Observed, decided: Decided) -> None:
        for vm in decided.cancels:
            if seen.registry.vm(vm.id) is vm:  # as it was written
                self._drains.cancel(seen.seat, vm)
        if not (seen.registry.judged.stopped or self._shadow):
            self._act(seen) if self._clouds[seen.cloud].joins_pool else self._pilots(seen)
            self._marks.mark(seen.seat, seen.registry)
            self._defunct(seen)

    def _act(self, seen: Observed) -> None:
        seat = seen.seat
        ends: list[Vm] = []
        unjoined: list[Vm] = []
        asked_for = [(vm, what) for vm in seen.registry.vms() if (what := act(vm, seen.now)) is not None]
        for vm, what in sorted(asked_for, key=lambda one: urgent(one[0]), reverse=True):
            if what is Act.END and self._ends.may_end(seat, vm):
                ends.append(vm)
            elif what is Act.END_UNJOINED:
                unjoined += [vm] if seen.sightings.is_told(vm) else []  # else nobody can be asked for it
            elif self._may_try(seat, vm):
                self._one_by_one[Act.END_ASKED if what is Act.END else what](seat, vm)
        seat.state.verified.intersection_update(vm.id for vm in ends)
        self._ends.end(seat, [vm for vm in ends if self._may_try(seat, vm)][:END_BATCH])
        self._ends.end_unjoined(seat, [vm for vm in unjoined if self._may_try(seat, vm)][:END_BATCH])

    def _may_try(self, seat: CloudSeat, vm: Vm) -> bool:
        """Not in a pause after a call that did not work. A VM of no queue's pool cannot be asked: it waits for one."""
        return seat.state.sightings.pool_of(vm) in self._pools and not self._answers.paused(seat, vm)
