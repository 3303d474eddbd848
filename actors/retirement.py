"""Retirement follows each VM from its first ad to its end: it matches startds to VMs by instance id, drains, and ends.

One look: take the newest readings, walk every VM along the lifecycle table (`fleet.reconcile`), lower or raise what
serves each queue to its want (`policies.follow`), write the rows, then ask the world for what the rows say. A row comes
before the act, so that the next holder of the post goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from actors import retiring
from actors.calls import Calls
from actors.clouds.port import Cloud, CloudError
from actors.config import Config
from actors.fleet.adoption import orphans
from actors.fleet.evidence import Health, expected, judge
from actors.fleet.lifecycle import Event, NotAllowed, move
from actors.fleet.matching import Matched, match
from actors.fleet.reconcile import Act, World, act, advance, ask_again
from actors.fleet.seen import Failed, Listed, Machine
from actors.fleet.vm import State, Vm
from actors.fleet.wish import Wish
from actors.gauges import Gauges
from actors.noticeboard import Noticeboard
from actors.policies.follow import Scene, follow
from actors.pools.port import Pool, PoolAway, PoolDenied, PoolError, PoolRefused
from actors.readings import newer_listing, read_startds, startds_head
from actors.registry import Registries, Registry
from actors.retiring import Verdict, Verified
from actors.serving import Seat, Serving, Terms
from actors.wants import read_wishes, wants_of_cloud
from broker.leases import Term
from broker.table import Table

LOOK_S = 5.0
PAUSES_S = (2.0, 5.0, 15.0, 60.0)  # after a call about one VM that did not work
END_BATCH = 100

log = structlog.get_logger("retirement")


@dataclass(slots=True, kw_only=True)
class PoolSeen:
    """What this cloud's holder knows of one pool."""

    health: Health
    matched: Matched | None = None
    read_at: float = 0.0
    failed_at: float = 0.0


@dataclass(slots=True, kw_only=True)
class CloudSeat:
    listed: Listed | None = None
    pools: dict[str, PoolSeen] = field(default_factory=dict)
    last_seen: dict[str, float] = field(default_factory=dict)  # VM id -> when a reading showed its startd
    idle_since: dict[str, float] = field(default_factory=dict)
    pauses: dict[str, tuple[float, int]] = field(default_factory=dict)  # VM id -> not before (monotonic), tries
    strays: frozenset[str] = frozenset()


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
        super().__init__(terms, calls)
        self._config, self._table, self._registries, self._board = config, table, registries, board
        self._pools, self._clouds, self._now, self._gauges = pools, clouds, now, gauges

    def interval_s(self, seat: Seat) -> float:
        return LOOK_S

    def begin(self, seat: Seat, term: Term) -> CloudSeat:
        return CloudSeat()

    def look(self, seat: Seat, term: Term) -> None:
        registry, now = self._registries.of(term), self._now()
        self._read_listing(seat, term, registry)
        self._read_pools(seat, registry)
        vms = {vm.id: vm for vm in registry.vms()}
        after = self._advance(seat, vms, now)
        wishes = read_wishes(self._table, now)
        self._follow_wants(seat, registry, after, wishes, now)
        registry.change(term, [(vms[vm.id], vm) for vm in after.values() if vm is not vms[vm.id]])
        self._close_if_wished(registry, wishes)
        self._do(seat, registry, now)
        registry.forget(term, now)
        self._board.show(term, registry)

    # --- what was seen

    def _read_listing(self, seat: Seat, term: Term, registry: Registry) -> None:
        before = seat.state.listed
        listed = seat.state.listed = newer_listing(self._table, seat.name, before)
        if listed and listed is not before:
            price = self._config.clouds[seat.name].usd_per_hour
            registry.adopt(term, orphans(registry.vms(), listed, seat.name, price))

    def _read_pools(self, seat: Seat, registry: Registry) -> None:
        for pool in dict.fromkeys(self._config.queues[q].pool for q in self._config.queues_of(seat.name)):
            seen = seat.state.pools.setdefault(pool, PoolSeen(health=Health(source=f"pool/{pool}")))
            head = startds_head(self._table, pool)
            if head.at != seen.read_at or head.failed_at != seen.failed_at:
                seen.failed_at = head.failed_at
                self._take_in(seat, registry, pool, seen)
        registry.seen = frozenset(key for seen in seat.state.pools.values() for key in _machines(seen))
        registry.looked = registry.looked or all(seen.matched for seen in seat.state.pools.values())
        bad = [f"{s.health.source} {s.health.why}" for s in seat.state.pools.values() if not s.health.good]
        self._note_frozen(registry, "; ".join(bad))

    def _take_in(self, seat: Seat, registry: Registry, pool: str, seen: PoolSeen) -> None:
        reading = read_startds(self._table, pool, seat.name)
        vms = [vm for vm in registry.vms() if self._pool_of(vm) == pool]
        if isinstance(reading, Failed):
            seen.health = judge(seen.health, reading, None, frozenset())
            return
        matched = match(reading.machines, vms, self._identities(pool))
        wanted = expected(vms, seat.state.last_seen, reading.at)
        seen.health = judge(seen.health, reading, matched, wanted)
        seen.matched, seen.read_at = matched, reading.at
        self._note_strays(seat, matched)
        for vm_id, machine in matched.machines.items():
            seat.state.last_seen[vm_id] = reading.at
            registry.machines[vm_id] = machine
            if machine.busy:
                seat.state.idle_since.pop(vm_id, None)
            else:
                seat.state.idle_since.setdefault(vm_id, reading.at)

    def _identities(self, pool: str) -> tuple[str, ...]:
        return getattr(self._config.pools[pool], "worker_identities", ())

    def _pool_of(self, vm: Vm) -> str:
        """The pool of a VM. One whose queue is no longer configured is looked for in the cloud's first pool."""
        queue = self._config.queues.get(vm.queue)
        if queue is None:
            queues = self._config.queues_of(vm.cloud)
            queue = self._config.queues[queues[0]] if queues else None
        return queue.pool if queue else ""

    # --- what follows

    def _advance(self, seat: Seat, vms: Mapping[str, Vm], now: float) -> dict[str, Vm]:
        listed: Listed | None = seat.state.listed
        instances = {instance.id: instance for instance in listed.instances} if listed else {}
        unread = PoolSeen(health=Health(source=""))
        worlds: dict[str, World] = {}
        after = {}
        for vm in vms.values():
            pool = self._pool_of(vm)
            if pool not in worlds:
                seen = seat.state.pools.get(pool, unread)
                worlds[pool] = World(
                    now=now,
                    boot_deadline_s=self._config.clouds[seat.name].boot_deadline_s,
                    listed=listed,
                    instances=instances,
                    matched=seen.matched,
                    read_at=seen.read_at,
                    health=seen.health,
                )
            after[vm.id] = self._walked(vm, worlds[pool])
        return after

    def _walked(self, vm: Vm, world: World) -> Vm:
        try:
            return advance(vm, world)
        except NotAllowed as refusal:
            self._gauges.refusals.labels(vm.cloud).inc()
            log.warning("event refused", vm=vm.id, why=str(refusal))
            return vm

    def _follow_wants(
        self, seat: Seat, registry: Registry, after: dict[str, Vm], wishes: tuple[Wish, ...], now: float
    ) -> None:
        queues = self._config.queues_of(seat.name)
        wants = {queue: want.n for queue, want in wants_of_cloud(self._table, seat.name, queues).items()}
        gone = {vm.queue for vm in after.values()} - set(queues)
        scene = Scene(
            wants=wants | dict.fromkeys(gone, 0),
            machines={key: one for seen in seat.state.pools.values() for key, one in _machines(seen).items()},
            wishes=wishes,
            idle_since=seat.state.idle_since,
            frozen=bool(registry.frozen),
            now=now,
        )
        changes = follow(after.values(), scene)
        after.update(changes.rows)
        for vm in changes.cancel:
            self._cancel(seat, vm)

    def _close_if_wished(self, registry: Registry, wishes: tuple[Wish, ...]) -> None:
        """A cloud that an operator drains is closed for buying."""
        wish = next((w for w in wishes if w.selector == "cloud" and w.name == registry.cloud), None)
        registry.drained_by = f"drained by {wish.by}: {wish.reason}" if wish else ""

    # --- acts

    def _do(self, seat: Seat, registry: Registry, now: float) -> None:
        ends: list[Vm] = []
        unjoined: list[Vm] = []
        for vm in registry.vms():
            what = act(vm, now)
            if what is Act.END:
                ends.append(vm)
            elif what is Act.END_UNJOINED:
                unjoined.append(vm)
            elif what is not None and self._may_try(seat, vm):
                self._drain(seat, vm) if what is Act.DRAIN else self._verify(seat, vm)
        self._end(seat, [vm for vm in ends if self._may_try(seat, vm)][:END_BATCH])
        self._end_unjoined(seat, [vm for vm in unjoined if self._may_try(seat, vm)][:END_BATCH])

    def _may_try(self, seat: Seat, vm: Vm) -> bool:
        not_before: float = seat.state.pauses.get(vm.id, (0.0, 0))[0]
        return time.monotonic() >= not_before

    def _pause(self, seat: Seat, vm: Vm, why: Exception) -> None:
        tries = seat.state.pauses.get(vm.id, (0.0, 0))[1]
        wait = PAUSES_S[min(tries, len(PAUSES_S) - 1)]
        seat.state.pauses[vm.id] = (time.monotonic() + wait, tries + 1)
        if tries == 0:
            log.warning("call failed", vm=vm.id, state=vm.state.value, why=f"{type(why).__name__}: {why}")

    def _drain(self, seat: Seat, vm: Vm) -> None:
        pool, allowed = self._pools[self._pool_of(vm)], self._allowed(seat)
        self.call(
            seat,
            "drain",
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

    def _cancel(self, seat: Seat, vm: Vm) -> None:
        pool, allowed = self._pools[self._pool_of(vm)], self._allowed(seat)
        self.call(
            seat,
            "drain",
            f"vm {vm.id}",
            lambda: retiring.cancel(pool, vm, allowed),
            lambda got: self._cancel_answered(seat, vm, got),
        )

    def _cancel_answered(self, seat: Seat, vm: Vm, got: Any) -> None:
        """A drain that could not be taken back is final, so that the submitter buys instead of waiting for it."""
        if got is None:
            back = move(vm, Event.BACK, self._now(), "demand is back while its last job runs: drain cancelled")
            self._change(seat, vm, replace(back, nonce="", drain_for="", drain_asked=0.0, request_id=""))
        elif isinstance(got, PoolError):
            self._change(seat, vm, replace(vm, drain_for="policy, final"))
        else:
            raise got

    def _verify(self, seat: Seat, vm: Vm) -> None:
        pool = self._pools[self._pool_of(vm)]
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
            self._change(seat, vm, drain_again)
        elif vm.state is State.ENDING:
            self._change(seat, vm, replace(vm, since=now, reason=got.why))
        else:
            self._change(seat, vm, move(vm, Event.VERIFIED, now, got.why))

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
        for pool in dict.fromkeys(self._pool_of(vm) for vm in vms):
            of_pool = [vm for vm in vms if self._pool_of(vm) == pool]
            self._end_unjoined_of(seat, pool, of_pool)

    def _end_unjoined_of(self, seat: Seat, name: str, vms: list[Vm]) -> None:
        pool, cloud, allowed, now = self._pools[name], self._clouds[seat.name], self._allowed(seat), self._now()

        def then(got: Any) -> None:
            if isinstance(got, tuple):
                there, ended = got
                for vm in vms:
                    if vm.id in there:
                        self._joined_after_all(seat, vm, there[vm.id])
                self._ended(seat, [vm for vm in vms if vm.id not in there], ended)
            else:
                self._ended(seat, vms, got)

        call = lambda: retiring.end_unjoined(pool, cloud, vms, now, allowed)  # noqa: E731
        self.call(seat, "end", f"end unjoined {seat.name} {name}", call, then)

    def _joined_after_all(self, seat: Seat, vm: Vm, machine: Any) -> None:
        now = self._now()
        why = f"startd {machine.name} joined before the end call"
        changes = {"machine": machine.name, "machine_address": machine.address, "joined": now}
        self._change(seat, vm, move(vm, Event.JOINED, now, why, **changes))

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
        if not isinstance(error, (PoolError, CloudError)):
            raise error
        self._pause(seat, vm, error)

    def _change(self, seat: Seat, before: Vm, after: Vm) -> None:
        """An answer about a VM. If its row moved on meanwhile, the next look decides anew."""
        term = self.terms.need(seat.post)
        seat.state.pauses.pop(before.id, None)
        self._registries.of(term).change(term, [(before, after)])

    def _allowed(self, seat: Seat) -> Callable[[], object]:
        """Checked right before each call that changes the world: a stale holder sends nothing."""
        return lambda: self.terms.need(seat.post)

    # --- telling

    def _note_frozen(self, registry: Registry, why: str) -> None:
        if why != registry.frozen:
            log.info("release frozen" if why else "release thawed", cloud=registry.cloud, why=why or registry.frozen)
        registry.frozen = why

    def _note_strays(self, seat: Seat, matched: Matched) -> None:
        told = frozenset(f"{stray.machine.name}: {stray.why}" for stray in matched.strays)
        told |= frozenset(matched.doubtful.values())
        for line in sorted(told - seat.state.strays):
            log.warning("startd not matched", cloud=seat.name, why=line)
        seat.state.strays = told


def _machines(seen: PoolSeen) -> Mapping[str, Machine]:
    return seen.matched.machines if seen.matched else {}
