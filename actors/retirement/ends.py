"""Every end of a VM goes through here, and rests on what was asked seconds ago: its startd itself, or every schedd.

Three ways: at once, what was killed, what was verified in the look before, and what the cloud accepted already; asked
once more and ended in the same breath, what was verified longer ago; and what never joined, after one more look at it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial

from actors.clouds.port import Cloud, CloudError
from actors.fleet.drain_and_hold import POLICY_FINAL
from actors.fleet.lifecycle import Event, move
from actors.fleet.number_of import number_of
from actors.fleet.observations import Machine
from actors.fleet.reconcile import Act, act, ask_again
from actors.fleet.vm import Vm
from actors.pools.port import Pool, PoolAway, PoolWrong
from actors.retirement import vm_calls
from actors.retirement.answers import Answers, Caller
from actors.retirement.seat import CloudSeat
from actors.retirement.vm_calls import Unjoined, Verdict, Verified
from actors.runtime.services import Services


class Ends:
    def __init__(
        self,
        caller: Caller,
        services: Services,
        answers: Answers,
        pools: Mapping[str, Pool],
        clouds: Mapping[str, Cloud],
    ) -> None:
        self._caller, self._answers, self._now = caller, answers, services.now
        self._pools, self._clouds = pools, clouds

    def verify(self, seat: CloudSeat, vm: Vm) -> None:
        """What was seen is as old as the look, however long its answer waits here."""
        pool, now, told = self._pool(seat, vm), self._now, seat.state.sightings.is_told(vm)
        self._caller.call(
            seat,
            "drain",
            f"vm {vm.id}",
            lambda: (vm_calls.verify(pool, vm, told), now()),
            lambda got: self._verified(seat, vm, *(got if isinstance(got, tuple) else (got, now()))),
        )

    def _verified(self, seat: CloudSeat, vm: Vm, got: Verified | Exception, now: float) -> None:
        """Empty ones wait for the look that this answer wakes: it writes them down together, and ends them."""
        if isinstance(got, Verified) and got.verdict is Verdict.EMPTY:
            seat.state.empty.append((vm, move(vm, Event.VERIFIED, now, got.why), got.saw))
        else:
            self._not_empty(seat, vm, got, now)

    def _not_empty(self, seat: CloudSeat, vm: Vm, got: Verified | Exception, now: float) -> None:
        if not isinstance(got, Verified):
            self._answers.failed(seat, vm, got)
        elif got.verdict is Verdict.WAIT:
            self._answers.pause(seat, vm, PoolAway(got.why))
        else:
            drain_again = ask_again(move(vm, Event.FORGOT, now, got.why, drain_for=POLICY_FINAL), got.why)
            self._answers.change(seat, vm, drain_again, got.saw)

    def may_end(self, seat: CloudSeat, vm: Vm) -> bool:
        """At once, without asking once more: the call was accepted before, or follows the look that it rests on.

        The repeat of a call that failed does not, nor does one for what a former holder looked at.
        """
        return bool(vm.killed or vm.end_asked or vm.id in seat.state.verified)

    def end(self, seat: CloudSeat, vms: list[Vm]) -> None:
        """Those that `may_end`."""
        if not vms:
            return
        cloud, allowed, now = self._clouds[seat.name], self._answers.allowed(seat), self._now

        def call() -> tuple[str, ...]:
            """The lane may have been full for a while: what was verified too long ago is asked once more."""
            ids = [vm.instance_id for vm in vms if act(vm, now()) is Act.END]
            return vm_calls.end(cloud, ids, allowed) if ids else ()

        if self._caller.call(seat, "end", f"end {seat.name}", call, partial(self._ended, seat, vms)):
            seat.state.verified.difference_update(vm.id for vm in vms)

    def end_asked(self, seat: CloudSeat, vm: Vm) -> None:
        """However slow this host is, nothing waits between this look and the end call."""
        pool, cloud, allowed = self._pool(seat, vm), self._clouds[seat.name], self._answers.allowed(seat)
        told = seat.state.sightings.is_told(vm)

        def then(got: Verified | tuple[str, ...] | Exception) -> None:
            if isinstance(got, Verified):
                self._not_empty(seat, vm, got, self._now())
            else:
                self._ended(seat, [vm], got or CloudError("not accepted"))

        call = lambda: vm_calls.end_asked(pool, cloud, vm, told, allowed)  # noqa: E731
        self._caller.call(seat, "drain", f"vm {vm.id}", call, then)

    def end_unjoined(self, seat: CloudSeat, vms: list[Vm]) -> None:
        """Those whose boot deadline is over, as far as the pool that they were told to join can be asked."""
        for pool in dict.fromkeys(seat.state.sightings.pool_of(vm) for vm in vms):
            of_pool = [vm for vm in vms if seat.state.sightings.pool_of(vm) == pool]
            self._end_unjoined_of(seat, pool, of_pool)

    def _end_unjoined_of(self, seat: CloudSeat, name: str, vms: list[Vm]) -> None:
        pool, cloud, allowed = self._pools[name], self._clouds[seat.name], self._answers.allowed(seat)
        identities = seat.state.sightings.identities(name)
        call = lambda: vm_calls.end_unjoined(pool, cloud, vms, identities, allowed)  # noqa: E731
        self._caller.call(
            seat, "end", f"end unjoined {seat.name} {name}", call, partial(self._looked_once_more, seat, vms)
        )

    def _looked_once_more(self, seat: CloudSeat, vms: list[Vm], got: Unjoined | Exception) -> None:
        if isinstance(got, Exception):
            self._ended(seat, vms, got)
            return
        for vm in vms:
            if vm.id in got.there:
                self._joined_after_all(seat, vm, got.there[vm.id])
            elif vm.id in got.jobs:
                jobs = number_of(got.jobs[vm.id], "job")
                why = f"VM {vm.id} ({vm.instance_id}) never joined, but schedds have {jobs} there"
                self._answers.failed(seat, vm, PoolWrong(why))
        self._ended(seat, [vm for vm in vms if vm.id not in got.there and vm.id not in got.jobs], got.ended)

    def _joined_after_all(self, seat: CloudSeat, vm: Vm, machine: Machine) -> None:
        now = self._now()
        why = f"startd {machine.name} joined before the end call"
        joined = move(vm, Event.JOINED, now, why, machine=machine.name, machine_address=machine.address, joined=now)
        self._answers.change(seat, vm, joined)

    def _ended(self, seat: CloudSeat, vms: Iterable[Vm], got: tuple[str, ...] | Exception) -> None:
        """The cloud accepted some ends. Only a listing begun after this says that they are over."""
        now = self._now()
        for vm in vms:
            if isinstance(got, tuple) and vm.instance_id in got:
                self._answers.change(seat, vm, replace(vm, end_asked=now))
            elif isinstance(got, Exception) or act(vm, now) is not Act.END_ASKED:
                self._answers.failed(seat, vm, CloudError("not accepted") if isinstance(got, tuple) else got)

    def _pool(self, seat: CloudSeat, vm: Vm) -> Pool:
        return self._pools[seat.state.sightings.pool_of(vm)]
