"""Retirement follows each VM from its first ad to its end: it matches startds to VMs by instance id, drains, and ends.

One look: take the newest readings, walk every VM along the lifecycle table (`fleet.reconcile`), lower or raise what
serves each queue to its want (`policies.follow`), write the rows, then ask the world for what the rows say. A row comes
before the act, so that the next holder of the post goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from actors import retiring
from actors.calls import Calls
from actors.clouds.port import Cloud, CloudError
from actors.config import Config
from actors.fleet.history import Because, asked_by, evidence
from actors.fleet.lifecycle import Event, NotAllowed, move
from actors.fleet.notice import urgent
from actors.fleet.reconcile import Act, World, act, advance, ask_again, evicting, next_nonce
from actors.fleet.seen import Machine
from actors.fleet.still import Still
from actors.fleet.vm import State, Vm
from actors.fleet.watching import watch
from actors.fleet.wish import Wish, for_cloud, for_queue, told
from actors.freeze_file import FreezeFile, FrozenHere
from actors.gauges import Gauges
from actors.noticeboard import Noticeboard
from actors.notices import read_notices
from actors.policies.black_hole import black_holes
from actors.policies.deadlines import evictions, overdue
from actors.policies.follow import Scene, follow, withheld
from actors.pools.port import Pool, PoolAway, PoolDenied, PoolError, PoolRefused
from actors.registry import Registries, Registry
from actors.retiring import Verdict, Verified
from actors.rules import black_hole_rules, deadlines_of, drain_rules, shares
from actors.serving import Seat, Serving, Terms
from actors.sightings import Sightings
from actors.wants import read_wishes, wants_of_cloud
from broker.leases import Term
from broker.table import Table

LOOK_S = 5.0
QUIET_LOOK_S = 10.0  # no VM lives here: what changes that comes with mail
PAUSES_S = (2.0, 5.0, 15.0, 60.0)  # after a call about one VM that did not work
END_BATCH = 100

log = structlog.get_logger("retirement")


@dataclass(slots=True, kw_only=True)
class CloudSeat:
    sightings: Sightings
    still: Still = field(default_factory=Still)
    quiet: bool = False
    pauses: dict[str, tuple[float, int]] = field(default_factory=dict)  # VM id -> not before (monotonic), tries
    decisions: dict[str, str] = field(default_factory=dict)  # queue -> the decision that its want is of


class Retirement(Serving):
    title = "retirement"

    def __init__(
        self,
        terms: Terms,
        calls: Calls,
        config: Config,
        table: Table,
        registries: Registries,
        board: Noticeboard,
        pools: Mapping[str, Pool],
        clouds: Mapping[str, Cloud],
        now: Callable[[], float],
        gauges: Gauges,
    ) -> None:
        super().__init__(terms, calls, gauges)
        self._config, self._table, self._registries, self._board = config, table, registries, board
        self._pools, self._clouds, self._now, self._gauges = pools, clouds, now, gauges
        self._freeze = FreezeFile.of(config)
        self._deadlines = deadlines_of(config)
        self._notices_come = any(getattr(cloud, "notices_queue", None) for cloud in config.clouds.values())
        self._shadow = config.factory.shadow  # it only looks on: rows show what others do

    def interval_s(self, seat: Seat) -> float:
        return QUIET_LOOK_S if seat.state and seat.state.quiet else LOOK_S

    def begin(self, seat: Seat, term: Term) -> CloudSeat:
        began = self._now() - self.terms.age_s(term)
        return CloudSeat(sightings=Sightings(self._config, self._table, seat.name, began))

    def look(self, seat: Seat, term: Term) -> None:
        registry, now = self._registries.of(term), self._now()
        seat.state.sightings.take_in(term, registry, now)
        self._gauges.sources(registry.cloud, seat.state.sightings.troubles(now))
        vms = {vm.id: vm for vm in registry.vms()}
        after = self._advance(seat, vms, now)
        wishes = read_wishes(self._table, now)
        self._heed(seat, term, registry, wishes)
        cancels = [] if self._shadow else self._follow_wants(seat, registry, after, wishes, now)
        changed = [(vms[vm.id], vm) for vm in after.values() if vm is not vms[vm.id]]
        registry.change(term, changed, because=self._because(seat, changed, now))
        for vm in (vm for vm in cancels if registry.vm(vm.id) is vm):
            self._cancel(seat, vm)
        if any(vm.notice and not before.notice for before, vm in changed):
            self._board.wake_submitter(registry)
        registry.withheld = withheld(registry.vms(), wishes)
        if not (registry.stopped or self._shadow):
            self._do(seat, registry, now)
        registry.forget(term, now)
        self._board.show(term, registry)
        seat.state.quiet = not any(vm.alive for vm in registry.vms())

    # --- what follows

    def _advance(self, seat: Seat, vms: Mapping[str, Vm], now: float) -> dict[str, Vm]:
        sightings: Sightings = seat.state.sightings
        worlds = sightings.worlds(now)
        after = {vm.id: self._walked(seat, vm, worlds[sightings.pool_of(vm)]) for vm in vms.values()}
        seat.state.still.forget_others(vms)
        return after

    def _walked(self, seat: Seat, vm: Vm, world: World) -> Vm:
        still: Still = seat.state.still
        try:
            return still.walked(watch if self._shadow else advance, vm, world)
        except NotAllowed as refusal:
            self._gauges.refusals.labels(vm.cloud).inc()
            log.warning("event refused", vm=vm.id, why=str(refusal))
            return vm

    def _follow_wants(
        self, seat: Seat, registry: Registry, after: dict[str, Vm], wishes: tuple[Wish, ...], now: float
    ) -> list[Vm]:
        """Changes `after`; returns those of it whose drain is to be taken back, once that is written down."""
        queues = self._config.queues_of(seat.name)
        stand = wants_of_cloud(self._table, seat.name, queues)
        wants = {queue: want.n for queue, want in stand.items()}
        registry.shares = shares(self._config, seat.name, stand)
        gone = {vm.queue for vm in after.values()} - set(queues)
        seat.state.decisions = {queue: want.decision for queue, want in stand.items()}
        scene = Scene(
            wants={q: n for q, n in (wants | dict.fromkeys(gone, 0)).items() if q not in registry.closed_for},
            machines=seat.state.sightings.machines(),
            wishes=wishes,
            idle_since=seat.state.sightings.idle_since,
            frozen=registry.frozen or registry.stopped,
            now=now,
            billed_s=self._config.clouds[registry.cloud].billed_s,
            min_life_s=self._config.clouds[registry.cloud].min_life_s,
            notices=read_notices(self._table) if self._notices_come else {},
            drains=drain_rules(self._config.clouds[registry.cloud].drains),
            black_holes=self._black_holes(seat, queues, after.values(), now),
            queue_drains={queue: drain_rules(self._config.queues[queue].drains) for queue in queues},
        )
        changes = follow(list(after.values()), scene)
        after.update(changes.rows)
        if self._deadlines and not registry.stopped:
            after.update(evictions(after.values(), self._deadlines, now))
        late = sum(overdue(vm, self._deadlines, now) is not None for vm in after.values()) if self._deadlines else 0
        self._gauges.drains(registry.cloud, sum(bool(vm.drain_waits) for vm in after.values()), late)
        back = [] if registry.stopped else [vm for vm in changes.cancel if not self.calls.under_way(f"vm {vm.id}")]
        cancels = [replace(after[vm.id], cancel_unknown=now) for vm in back]
        after.update({vm.id: vm for vm in cancels})
        return cancels

    def _black_holes(self, seat: Seat, queues: Iterable[str], vms: Collection[Vm], now: float) -> Mapping[str, str]:
        sightings: Sightings = seat.state.sightings
        rules = {queue: black_hole_rules(self._config.queues[queue]) for queue in queues}
        return black_holes(vms, sightings.machines(), sightings.busy_since, rules, now)

    def _because(self, seat: Seat, changed: Sequence[tuple[Vm, Vm]], now: float) -> dict[str, Because]:
        """For history: what was seen of each VM that changes, and which decision or wish asked for it."""
        sightings: Sightings = seat.state.sightings
        worlds = sightings.worlds(now) if changed else {}
        return {
            vm.id: Because(
                evidence=evidence(before, worlds[sightings.pool_of(before)], sightings.idle_since.get(vm.id, 0.0)),
                decision=asked_by(before, vm, seat.state.decisions.get(vm.queue, "")),
            )
            for before, vm in changed
        }

    def _heed(self, seat: Seat, term: Term, registry: Registry, wishes: tuple[Wish, ...]) -> None:
        """A cloud that an operator drains is closed for buying; on one that is frozen nothing is done at all, nor
        anywhere while this host's freeze file is there.
        """
        drained, frozen = for_cloud(wishes, "drain", registry.cloud), for_cloud(wishes, "freeze", registry.cloud)
        stopped = self._freeze.told() or (told(frozen) if frozen else "")
        if stopped != registry.stopped:
            log.warning("cloud frozen" if stopped else "cloud thawed", cloud=registry.cloud, why=stopped)
        registry.stopped = stopped
        registry.closed_by = stopped or (told(drained) if drained else "")
        self._heed_thaw(seat, term, registry, for_cloud(wishes, "thaw", registry.cloud))
        queues = self._config.queues_of(registry.cloud)
        registry.closed_for = {q for q in queues if for_queue(wishes, "freeze", registry.cloud, q)}

    def _heed_thaw(self, seat: Seat, term: Term, registry: Registry, thaw: Wish | None) -> None:
        """An operator's thaw closes the breaker too, and what readings miss since before it counts as gone."""
        if thaw:
            seat.state.sightings.thaw(thaw.at)
        if thaw and registry.breaker.why and thaw.at >= registry.breaker.opened:
            registry.reset_breaker(term)

    # --- acts

    def _do(self, seat: Seat, registry: Registry, now: float) -> None:
        ends: list[Vm] = []
        unjoined: list[Vm] = []
        for vm in sorted(registry.vms(), key=urgent, reverse=True):
            what = act(vm, now)
            if what is Act.END:
                ends.append(vm)
            elif what is Act.END_UNJOINED:
                unjoined.append(vm)
            elif what is not None and self._may_try(seat, vm):
                {Act.DRAIN: self._drain, Act.EVICT: self._evict, Act.VERIFY: self._verify}[what](seat, vm)
        self._end(seat, [vm for vm in ends if self._may_try(seat, vm)][:END_BATCH])
        self._end_unjoined(seat, [vm for vm in unjoined if self._may_try(seat, vm)][:END_BATCH])

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
            lambda: retiring.drain(pool, vm, allowed),
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
            lambda: retiring.evict(pool, vm, nonce, allowed),
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
            lambda: retiring.cancel(pool, vm, allowed),
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
        elif isinstance(got, PoolRefused):
            self._change(seat, vm, replace(known, drain_for="policy, final"))
        elif isinstance(got, PoolError):
            self._change(seat, vm, replace(vm, drain_for="policy, final"))
        elif isinstance(got, FrozenHere):
            self._change(seat, vm, known)
            self._pause(seat, vm, got)
        else:
            raise got

    def _verify(self, seat: Seat, vm: Vm) -> None:
        pool = self._pool(seat, vm)
        self.call(
            seat,
            "drain",
            f"vm {vm.id}",
            lambda: retiring.verify(pool, vm),
            lambda got: self._verify_answered(seat, vm, got),
        )

    def _verify_answered(self, seat: Seat, vm: Vm, got: Any) -> None:
        now = self._now()
        if not isinstance(got, Verified):
            self._failed(seat, vm, got)
        elif got.verdict is Verdict.WAIT:
            self._pause(seat, vm, PoolAway(got.why))
        elif got.verdict is Verdict.FORGOT:
            drain_again = ask_again(move(vm, Event.FORGOT, now, got.why, drain_for="policy, final"), got.why)
            self._change(seat, vm, drain_again, got.saw)
        elif vm.state is State.ENDING:
            self._change(seat, vm, replace(vm, since=now, reason=got.why), got.saw)
        else:
            self._change(seat, vm, move(vm, Event.VERIFIED, now, got.why), got.saw)

    def _end(self, seat: Seat, vms: list[Vm]) -> None:
        if not vms:
            return
        cloud, allowed = self._clouds[seat.name], self._allowed(seat)
        ids = [vm.instance_id for vm in vms]
        self.call(
            seat,
            "end",
            f"end {seat.name}",
            lambda: retiring.end(cloud, ids, allowed),
            lambda got: self._ended(seat, vms, got),
        )

    def _end_unjoined(self, seat: Seat, vms: list[Vm]) -> None:
        for pool in dict.fromkeys(seat.state.sightings.pool_of(vm) for vm in vms):
            of_pool = [vm for vm in vms if seat.state.sightings.pool_of(vm) == pool]
            self._end_unjoined_of(seat, pool, of_pool)

    def _end_unjoined_of(self, seat: Seat, name: str, vms: list[Vm]) -> None:
        pool, cloud, allowed, now = self._pools[name], self._clouds[seat.name], self._allowed(seat), self._now()
        identities = seat.state.sightings.identities(name)

        def then(got: Any) -> None:
            if isinstance(got, tuple):
                there, ended = got
                for vm in vms:
                    if vm.id in there:
                        self._joined_after_all(seat, vm, there[vm.id])
                self._ended(seat, [vm for vm in vms if vm.id not in there], ended)
            else:
                self._ended(seat, vms, got)

        call = lambda: retiring.end_unjoined(pool, cloud, vms, identities, now, allowed)  # noqa: E731
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
            else:
                self._failed(seat, vm, CloudError("not accepted") if isinstance(got, tuple) else got)

    def _failed(self, seat: Seat, vm: Vm, error: Any) -> None:
        if isinstance(error, PoolDenied):
            log.error("pool denies us", vm=vm.id, why=str(error))
        if isinstance(error, CloudError):
            self._gauges.errors.labels(vm.cloud, type(error).__name__).inc()
        if not isinstance(error, (PoolError, CloudError, FrozenHere)):
            raise error
        self._pause(seat, vm, error)

    def _change(self, seat: Seat, before: Vm, after: Vm, saw: str = "") -> None:
        """An answer about a VM, and what was seen in it. If its row moved on meanwhile, the next look decides anew."""
        term = self.terms.need(seat.post)
        seat.state.pauses.pop(before.id, None)
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
