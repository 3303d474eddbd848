"""What retirement asks of the world for a VM (drain, evict, cancel, verify, end), and what it makes of the answers.

The row says first what is to be done; the call goes out in a bounded lane, with the term and the freeze file checked
right before each send; its answer becomes the row's next state, unless the row moved on meanwhile. Every end of a VM
goes through here; the calls themselves are in `vm_calls`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from actors.clouds.port import Cloud, CloudError, KeepsHolds
from actors.config.policy_rules import deadlines_of
from actors.fleet.history import Because
from actors.fleet.hold_tags import to_tag
from actors.fleet.lifecycle import Event, move
from actors.fleet.observations import Machine
from actors.fleet.reconcile import Act, act, ask_again, evicting, next_nonce
from actors.fleet.spot_notice import urgent
from actors.fleet.unchanged import Still
from actors.fleet.vm import Vm
from actors.pools.port import Pool, PoolAway, PoolDenied, PoolError, PoolRefused, PoolWrong
from actors.retirement import vm_calls
from actors.retirement.learning import Learning
from actors.retirement.sightings import Sightings
from actors.retirement.vm_calls import Verdict, Verified
from actors.runtime.freeze_file import FreezeFile, FrozenHere
from actors.runtime.post_actor import PostActor, Seat
from actors.runtime.publisher import Noticeboard
from actors.runtime.services import Services
from actors.store.vms import Registries, Registry
from broker.posts.leases import Term

PAUSES_S = (2.0, 5.0, 15.0, 60.0)  # after a call about one VM that did not work
END_BATCH = 100

log = structlog.get_logger("retirement")


@dataclass(slots=True, kw_only=True)
class Marks:
    """The tags that stand for holds: when each VM's was accepted (Redis seconds), and why the last one was not."""

    asked: dict[str, float] = field(default_factory=dict)
    failed: str = ""
    tries: int = 0
    not_before: float = 0.0  # monotonic


@dataclass(slots=True, kw_only=True)
class RetirementSeat:
    sightings: Sightings
    still: Still = field(default_factory=Still)
    marks: Marks = field(default_factory=Marks)
    quiet: bool = False
    learned: bool = False  # whether this term asked the VMs that it found what they offer
    learning: Learning = field(default_factory=Learning)
    empty: list[tuple[Vm, Vm, str]] = field(default_factory=list)  # verified: row before, row after, what was seen
    verified: set[str] = field(
        default_factory=set
    )  # ids of VMs that were written down so, and no end call was made yet
    pauses: dict[str, tuple[float, int]] = field(default_factory=dict)  # VM id -> not before (monotonic), tries
    wrong: dict[str, str] = field(default_factory=dict)  # VM id -> what answered in its place
    decisions: dict[str, str] = field(default_factory=dict)  # queue -> the decision that its want is of
    heard: dict[str, float] = field(default_factory=dict)  # queue -> its want knows of what went until then


class Acts(PostActor):
    """The acting half of `actor.Retirement`."""

    def __init__(
        self,
        services: Services,
        registries: Registries,
        board: Noticeboard,
        pools: Mapping[str, Pool],
        clouds: Mapping[str, Cloud],
    ) -> None:
        super().__init__(services.terms, services.calls, services.gauges)
        config = self._config = services.config
        self._table, self._now, self._gauges = services.table, services.now, services.gauges
        self._registries, self._board, self._pools, self._clouds = registries, board, pools, clouds
        self._freeze, self._queues = FreezeFile.of(config), config.queues_by_cloud
        self._deadlines = deadlines_of(config)
        self._notices_come = any(getattr(cloud, "notices_queue", None) for cloud in config.clouds.values())
        self._shadow = config.factory.shadow  # it only looks on: rows show what others do
        self._one_by_one = {
            Act.DRAIN: self._drain, Act.EVICT: self._evict, Act.VERIFY: self._verify, Act.END_ASKED: self._end_asked
        }  # fmt: skip

    def _do(self, seat: Seat, registry: Registry, now: float) -> None:
        ends: list[Vm] = []
        unjoined: list[Vm] = []
        asked_for = [(vm, what) for vm in registry.vms() if (what := act(vm, now)) is not None]
        for vm, what in sorted(asked_for, key=lambda one: urgent(one[0]), reverse=True):
            if what is Act.END and self._may_end(seat, vm):
                ends.append(vm)
            elif what is Act.END_UNJOINED:
                unjoined += [vm] if seat.state.sightings.is_told(vm) else []  # else nobody can be asked for it
            elif self._may_try(seat, vm):
                self._one_by_one[Act.END_ASKED if what is Act.END else what](seat, vm)
        seat.state.verified.intersection_update(vm.id for vm in ends)
        self._end(seat, [vm for vm in ends if self._may_try(seat, vm)][:END_BATCH])
        self._end_unjoined(seat, [vm for vm in unjoined if self._may_try(seat, vm)][:END_BATCH])
        self._mark_holds(seat, registry)

    def _may_end(self, seat: Seat, vm: Vm) -> bool:
        """At once, without asking once more: the call was accepted before, or follows the look that it rests on.

        The repeat of a call that failed does not, nor does one for what a former holder looked at.
        """
        return bool(vm.killed or vm.end_asked or vm.id in seat.state.verified)

    def _pool(self, seat: Seat, vm: Vm) -> Pool:
        return self._pools[seat.state.sightings.pool_of(vm)]

    def _may_try(self, seat: Seat, vm: Vm) -> bool:
        """Not in a pause after a call that did not work. A VM of no queue's pool cannot be asked: it waits for one."""
        if seat.state.sightings.pool_of(vm) not in self._pools:
            return False
        not_before: float = seat.state.pauses.get(vm.id, (0.0, 0))[0]
        return time.monotonic() >= not_before

    def _pause(self, seat: Seat, vm: Vm, why: Exception) -> None:
        tries = seat.state.pauses.get(vm.id, (0.0, 0))[1]
        wait = PAUSES_S[min(tries, len(PAUSES_S) - 1)]
        seat.state.pauses[vm.id] = (time.monotonic() + wait, tries + 1)
        if tries == 0:
            log.warning("call failed", vm=vm.id, state=vm.state.value, why=f"{type(why).__name__}: {why}")

    def _drain(self, seat: Seat, vm: Vm) -> None:
        pool, allowed = self._pool(seat, vm), self._allowed(seat)
        self.call(
            seat,
            "urgent" if urgent(vm) else "drain",
            f"vm {vm.id}",
            lambda: vm_calls.drain(pool, vm, allowed),
            lambda got: self._drain_answered(seat, vm, got),
        )

    def _drain_answered(self, seat: Seat, vm: Vm, got: Any) -> None:
        now = self._now()
        match got:
            case str():
                self._change(seat, vm, replace(vm, drain_asked=now, request_id=got))
            case PoolRefused():
                self._gauges.drains_refused.labels(vm.cloud).inc()
                log.warning("drain refused", vm=vm.id, machine=vm.machine, why=str(got))
                declined = move(vm, Event.DECLINED, now, f"not drained: {got}", drain_refused=str(got), refused_at=now)
                self._change(seat, vm, replace(declined, nonce="", drain_for=""))
            case _:
                self._failed(seat, vm, got)

    def _evict(self, seat: Seat, vm: Vm) -> None:
        pool, allowed, nonce = self._pool(seat, vm), self._allowed(seat), next_nonce(vm)
        self.call(
            seat,
            "drain",
            f"vm {vm.id}",
            lambda: vm_calls.evict(pool, vm, nonce, allowed),
            lambda got: self._evict_answered(seat, vm, got),
        )

    def _evict_answered(self, seat: Seat, vm: Vm, got: Any) -> None:
        if not isinstance(got, str):
            self._failed(seat, vm, got)
            return
        self._gauges.evictions.labels(vm.cloud).inc()
        log.warning("jobs evicted: the drain deadline of its tier is over", vm=vm.id, machine=vm.machine)
        self._change(seat, vm, evicting(vm, self._now(), got))

    def _cancel(self, seat: Seat, vm: Vm) -> None:
        pool, allowed = self._pool(seat, vm), self._allowed(seat)
        self.call(
            seat,
            "drain",
            f"vm {vm.id}",
            lambda: vm_calls.cancel(pool, vm, allowed),
            lambda got: self._cancel_answered(seat, vm, got),
        )

    def _cancel_answered(self, seat: Seat, vm: Vm, got: Any) -> None:
        """A drain that could not be taken back is final, so that the submitter buys instead of waiting for it.

        Without an answer, the request may be carried out late: until it cannot any more, the VM is not ended.
        """
        known = replace(vm, cancel_unknown=0.0)
        if got is None:
            back = move(known, Event.BACK, self._now(), "demand is back while its last job runs: drain cancelled")
            self._change(seat, vm, replace(back, nonce="", drain_for="", drain_asked=0.0, request_id=""))
        elif isinstance(got, PoolError):
            log.info("drain not taken back", vm=vm.id, machine=vm.machine, why=f"{type(got).__name__}: {got}")
            left = known if isinstance(got, PoolRefused) else vm
            self._change(seat, vm, replace(left, drain_for="policy, final"))
        elif isinstance(got, FrozenHere):
            self._change(seat, vm, known)
            self._pause(seat, vm, got)
        else:
            raise got

    def _verify(self, seat: Seat, vm: Vm) -> None:
        """What was seen is as old as the look, however long its answer waits here."""
        pool, now, told = self._pool(seat, vm), self._now, seat.state.sightings.is_told(vm)
        self.call(
            seat,
            "drain",
            f"vm {vm.id}",
            lambda: (vm_calls.verify(pool, vm, told), now()),
            lambda got: self._verify_answered(seat, vm, *(got if isinstance(got, tuple) else (got, now()))),
        )

    def _verify_answered(self, seat: Seat, vm: Vm, got: Any, now: float) -> None:
        """Empty ones wait for the look that this answer wakes: it writes them down together, and ends them."""
        if isinstance(got, Verified) and got.verdict is Verdict.EMPTY:
            seat.state.empty.append((vm, move(vm, Event.VERIFIED, now, got.why), got.saw))
        else:
            self._not_empty(seat, vm, got, now)

    def _not_empty(self, seat: Seat, vm: Vm, got: Any, now: float) -> None:
        if not isinstance(got, Verified):
            self._failed(seat, vm, got)
        elif got.verdict is Verdict.WAIT:
            self._pause(seat, vm, PoolAway(got.why))
        else:
            drain_again = ask_again(move(vm, Event.FORGOT, now, got.why, drain_for="policy, final"), got.why)
            self._change(seat, vm, drain_again, got.saw)

    def _write_empty(self, seat: Seat, term: Term, registry: Registry) -> None:
        found, seat.state.empty = seat.state.empty, []
        because = {after.id: Because(evidence=(saw,)) for _, after, saw in found if saw}
        registry.change(term, [(before, after) for before, after, _ in found], because=because)
        for before, _, _ in found:
            seat.state.pauses.pop(before.id, None)
            seat.state.wrong.pop(before.id, None)
            seat.state.verified.add(before.id)

    def _end_asked(self, seat: Seat, vm: Vm) -> None:
        """However slow this host is, nothing waits between this look and the end call."""
        pool, cloud, allowed = self._pool(seat, vm), self._clouds[seat.name], self._allowed(seat)
        told = seat.state.sightings.is_told(vm)

        def then(got: Any) -> None:
            if isinstance(got, Verified):
                self._not_empty(seat, vm, got, self._now())
            else:
                self._ended(seat, [vm], got or CloudError("not accepted"))

        call = lambda: vm_calls.end_asked(pool, cloud, vm, told, allowed)  # noqa: E731
        self.call(seat, "drain", f"vm {vm.id}", call, then)

    def _end(self, seat: Seat, vms: list[Vm]) -> None:
        if not vms:
            return
        cloud, allowed, now = self._clouds[seat.name], self._allowed(seat), self._now

        def call() -> tuple[str, ...]:
            """The lane may have been full for a while: what was verified too long ago is asked once more."""
            ids = [vm.instance_id for vm in vms if act(vm, now()) is Act.END]
            return vm_calls.end(cloud, ids, allowed) if ids else ()

        if self.call(seat, "end", f"end {seat.name}", call, lambda got: self._ended(seat, vms, got)):
            seat.state.verified.difference_update(vm.id for vm in vms)

    def _end_unjoined(self, seat: Seat, vms: list[Vm]) -> None:
        for pool in dict.fromkeys(seat.state.sightings.pool_of(vm) for vm in vms):
            of_pool = [vm for vm in vms if seat.state.sightings.pool_of(vm) == pool]
            self._end_unjoined_of(seat, pool, of_pool)

    def _end_unjoined_of(self, seat: Seat, name: str, vms: list[Vm]) -> None:
        pool, cloud, allowed = self._pools[name], self._clouds[seat.name], self._allowed(seat)
        identities = seat.state.sightings.identities(name)

        def then(got: Any) -> None:
            if isinstance(got, tuple):
                there, jobs, ended = got
                for vm in vms:
                    if vm.id in there:
                        self._joined_after_all(seat, vm, there[vm.id])
                    elif vm.id in jobs:
                        why = f"VM {vm.id} ({vm.instance_id}) never joined, but schedds have {jobs[vm.id]} jobs there"
                        self._failed(seat, vm, PoolWrong(why))
                self._ended(seat, [vm for vm in vms if vm.id not in there and vm.id not in jobs], ended)
            else:
                self._ended(seat, vms, got)

        call = lambda: vm_calls.end_unjoined(pool, cloud, vms, identities, allowed)  # noqa: E731
        self.call(seat, "end", f"end unjoined {seat.name} {name}", call, then)

    def _joined_after_all(self, seat: Seat, vm: Vm, machine: Machine) -> None:
        now = self._now()
        why = f"startd {machine.name} joined before the end call"
        joined = move(vm, Event.JOINED, now, why, machine=machine.name, machine_address=machine.address, joined=now)
        self._change(seat, vm, joined)

    def _ended(self, seat: Seat, vms: Iterable[Vm], got: Any) -> None:
        """The cloud accepted some ends. Only a listing begun after this says that they are over."""
        now = self._now()
        for vm in vms:
            if isinstance(got, tuple) and vm.instance_id in got:
                self._change(seat, vm, replace(vm, end_asked=now))
            elif isinstance(got, Exception) or act(vm, now) is not Act.END_ASKED:
                self._failed(seat, vm, CloudError("not accepted") if isinstance(got, tuple) else got)

    def _mark_holds(self, seat: Seat, registry: Registry) -> None:
        """Ask the cloud to keep holds as tags, and to drop those of released VMs, until its listing shows it so."""
        cloud, marks, listed = self._clouds[seat.name], seat.state.marks, seat.state.sightings.listed
        if isinstance(cloud, KeepsHolds):
            wanted = to_tag(registry.vms(), listed.instances) if listed else {}
            registry.unmarked = marks.failed if wanted else ""
            for tag, vms in wanted.items() if time.monotonic() >= marks.not_before else ():
                due = [vm for vm in vms if listed.at > marks.asked.get(vm.id, 0.0)]
                self._mark(seat, cloud, tag, due[:END_BATCH])
        elif any(vm.held and vm.alive for vm in registry.vms()):
            self._unmarked(registry, f"clouds of kind {self._config.clouds[seat.name].kind} cannot keep them")
        else:
            registry.unmarked = ""

    def _mark(self, seat: Seat, cloud: KeepsHolds, tag: str, vms: list[Vm]) -> None:
        ids, allowed = [vm.instance_id for vm in vms], self._allowed(seat)
        call = lambda: vm_calls.mark_held(cloud, ids, tag, allowed)  # noqa: E731
        if vms:
            self.call(seat, "end", f"tag {seat.name} {tag}", call, lambda got: self._marked(seat, vms, got))

    def _marked(self, seat: Seat, vms: list[Vm], got: Any) -> None:
        """Only a listing begun after this can show it. What failed is tried again, later each time."""
        marks: Marks = seat.state.marks
        if got is None:
            marks.asked.update(dict.fromkeys((vm.id for vm in vms), self._now()))
            marks.failed, marks.tries = "", 0
        elif isinstance(got, CloudError):
            marks.not_before = time.monotonic() + PAUSES_S[min(marks.tries, len(PAUSES_S) - 1)]
            marks.failed, marks.tries = f"{type(got).__name__}: {got}", marks.tries + 1
            self._gauges.errors.labels(seat.name, type(got).__name__).inc()
            self._unmarked(self._registries.of(self.terms.need(seat.post)), marks.failed)
        elif not isinstance(got, FrozenHere):
            raise got

    def _unmarked(self, registry: Registry, why: str) -> None:
        if not registry.unmarked:
            log.warning("holds stand in rows only", cloud=registry.cloud, why=why)
        registry.unmarked = why

    def _failed(self, seat: Seat, vm: Vm, error: Any) -> None:
        if isinstance(error, PoolDenied):
            log.error("pool denies us", vm=vm.id, why=str(error))
        if isinstance(error, PoolWrong):
            seat.state.wrong[vm.id] = str(error)
        if isinstance(error, CloudError):
            self._gauges.errors.labels(vm.cloud, type(error).__name__).inc()
        if not isinstance(error, (PoolError, CloudError, FrozenHere)):
            raise error
        self._pause(seat, vm, error)

    def _change(self, seat: Seat, before: Vm, after: Vm, saw: str = "") -> None:
        """An answer about a VM, and what was seen in it. If its row moved on meanwhile, the next look decides anew."""
        term = self.terms.need(seat.post)
        seat.state.pauses.pop(before.id, None)
        seat.state.wrong.pop(before.id, None)
        because = {after.id: Because(evidence=(saw,))} if saw else {}
        self._registries.of(term).change(term, [(before, after)], because=because)

    def _allowed(self, seat: Seat) -> Callable[[], object]:
        """Checked right before each call that changes the world: a stale holder or a former term sends nothing, nor
        does a host whose freeze file is there.
        """
        term = self.terms.need(seat.post)

        def allowed() -> None:
            self.terms.still(term)
            self._freeze.check()

        return allowed
