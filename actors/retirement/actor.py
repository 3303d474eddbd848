"""Retirement follows each VM from its first ad to its end: it matches startds to VMs by instance id, drains, and ends.

One look: take the newest readings, walk every VM along the lifecycle table (`fleet.reconcile`), lower or raise what
serves each queue to its want (`disruption.converge`), write the rows, then ask the world for what the rows say. A row
comes before the act, so that the next holder of the post goes on from there. The acts are in `acts`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from actors.config.policy_rules import black_hole_rules, drain_rules, life_of, shape_of, shares
from actors.fleet.history import Because, because
from actors.fleet.hold_tags import heeded, noted
from actors.fleet.joined import far_short
from actors.fleet.lifecycle import NotAllowed
from actors.fleet.reconcile import World, advance
from actors.fleet.shadow import watch
from actors.fleet.unchanged import Still
from actors.fleet.vm import State, Vm
from actors.fleet.wish import Wish, for_cloud, for_queue, told
from actors.policies.disruption.black_hole import black_holes
from actors.policies.disruption.converge import Scene, follow, not_replaced, withheld
from actors.policies.disruption.drain_deadlines import evictions, overdue
from actors.pools.port import Advertises
from actors.retirement.acts import Acts, RetirementSeat
from actors.retirement.sightings import Sightings
from actors.runtime.messages import LookAtListing, LookAtStartds
from actors.runtime.post_actor import Seat
from actors.store import shape_quotas
from actors.store.spot_notices import read_notices
from actors.store.vms import Registry
from actors.store.wants import read_wishes, wants_of_cloud
from broker.envelope import Message
from broker.posts.leases import Term

LOOK_S = 5.0
QUIET_LOOK_S = 10.0  # no VM lives here: what changes that comes with mail

READING_MAY_WAIT_S = 0.1  # readings come each few seconds, and launches that follow from the same ones go first

log = structlog.get_logger("retirement")


class Retirement(Acts):
    title = "retirement"

    def interval_s(self, seat: Seat) -> float:
        return QUIET_LOOK_S if seat.state and seat.state.quiet else LOOK_S

    def may_wait_s(self, news: Message) -> float:
        return READING_MAY_WAIT_S if isinstance(news, (LookAtStartds, LookAtListing)) else 0.0

    def begin(self, seat: Seat, term: Term) -> RetirementSeat:
        began = self._now() - self.terms.age_s(term)
        return RetirementSeat(sightings=Sightings(self._config, self._table, seat.name, began))

    def look(self, seat: Seat, term: Term) -> None:
        registry, now = self._registries.of(term), self._now()
        self._write_empty(seat, term, registry)
        was_frozen = registry.frozen
        seat.state.sightings.take_in(term, registry, now)
        if was_frozen and not registry.frozen:
            seat.state.pauses.clear()  # what calls failed by is over: a VM that drains need not wait a minute more
        self._gauges.sources(registry.cloud, seat.state.sightings.troubles(now))
        vms = {vm.id: vm for vm in registry.vms()}
        after = self._advance(seat, vms, now)
        self._heed_tags(seat, after, now)
        wishes = read_wishes(self._table, now)
        self._heed(seat, term, registry, wishes)
        cancels = [] if self._shadow else self._follow_wants(seat, registry, after, wishes, now)
        if not self._shadow:
            after.update({vm.id: noted(vm, now) for vm in after.values() if vm.held})
        changed = [(vms[vm.id], vm) for vm in after.values() if vm is not vms[vm.id]]
        registry.withheld = withheld(after.values(), wishes, seat.state.heard, now)  # first: the submitter may look now
        registry.change(term, changed, because=self._because(seat, changed, now))
        self._learn(seat, term, registry, changed)
        for vm in (vm for vm in cancels if registry.vm(vm.id) is vm):
            self._cancel(seat, vm)
        if any(vm.notice and not before.notice for before, vm in changed):
            self._board.wake_submitter(registry)
        if not (registry.stopped or self._shadow):
            self._do(seat, registry, now)
        kept = {vm.id for vm in not_replaced(registry.vms(), wishes)}
        seat.state.sightings.forget(registry.forget(term, now, kept))
        registry.suspects = self._suspects(seat, registry)
        self._board.show(term, registry)
        seat.state.quiet = not any(vm.alive for vm in registry.vms())

    def _learn(self, seat: Seat, term: Term, registry: Registry, changed: Sequence[tuple[Vm, Vm]]) -> None:
        """What those that joined offer; once a term also what those do that joined under the holder before."""
        joined = [vm.id for before, vm in changed if vm.joined and not before.joined]
        if registry.looked and not seat.state.learned:
            seat.state.learned = True
            joined = [vm.id for vm in registry.vms() if vm.state is State.READY]
        if joined:
            registry.learn(term, joined)
            promised = shape_of(self._config.clouds[registry.cloud])
            self._gauges.shape_short.labels(registry.cloud).set(far_short(promised, registry.joined))
        self._ask_for_ads(seat, registry, self._now())

    def _ask_for_ads(self, seat: Seat, registry: Registry, now: float) -> None:
        """What those that joined advertise is known of the next ones."""
        by_pool: dict[str, list[Vm]] = {}
        for vm in seat.state.learning.unasked(registry, now):
            by_pool.setdefault(seat.state.sightings.pool_of(vm), []).append(vm)
        for name, vms in by_pool.items():
            if isinstance(pool := self._pools[name], Advertises):
                names = tuple(vm.machine for vm in vms)
                key, call = f"ads {seat.name} {name}", partial(pool.advertised, names)
                self.call(seat, "look", key, call, partial(self._advertised, seat, registry, vms))

    def _advertised(self, seat: Seat, registry: Registry, vms: Sequence[Vm], got: Any) -> None:
        if isinstance(got, Exception):
            log.info("what workers advertise is not known", cloud=seat.name, why=str(got))
            return
        seat.state.learning.take(self.terms.need(seat.post), registry, vms, got)

    def _suspects(self, seat: Seat, registry: Registry) -> dict[str, str]:
        """By VM id, what else answers or advertises in the place of one that lives."""
        wrong: dict[str, str] = seat.state.wrong
        alive = {vm.id for vm in registry.vms() if vm.alive}
        for ended in wrong.keys() - alive:
            del wrong[ended]
        return {key: why for key, why in (seat.state.sightings.doubtful() | wrong).items() if key in alive}

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

    def _heed_tags(self, seat: Seat, after: dict[str, Vm], now: float) -> None:
        """Holds that stand on instances, and that the rows do not know of."""
        listed, tags = seat.state.sightings.listed, seat.state.sightings.held_tags
        for vm in [vm for vm in after.values() if vm.instance_id in tags] if tags else ():
            after[vm.id] = heeded(vm, tags[vm.instance_id], listed.at, now)

    def _follow_wants(
        self, seat: Seat, registry: Registry, after: dict[str, Vm], wishes: tuple[Wish, ...], now: float
    ) -> list[Vm]:
        """Changes `after`; returns those of it whose drain is to be taken back, once that is written down."""
        queues = self._queues[seat.name]
        stand = wants_of_cloud(self._table, seat.name, queues)
        wants = {queue: want.n for queue, want in stand.items()}
        registry.shares = shares(self._config, seat.name, stand)
        registry.family_shares = shape_quotas.shares(self._config, self._table, seat.name)
        gone = {vm.queue for vm in after.values()} - set(queues)
        seat.state.decisions = {queue: want.decision for queue, want in stand.items()}
        seat.state.heard = {queue: want.heard for queue, want in stand.items()}
        scene = Scene(
            heard=seat.state.heard,
            wants={q: n for q, n in (wants | dict.fromkeys(gone, 0)).items() if q not in registry.closed_for},
            machines=seat.state.sightings.machines(),
            wishes=wishes,
            idle_since=seat.state.sightings.idle_since,
            frozen=registry.frozen or registry.stopped,
            now=now,
            billed_s=self._config.clouds[registry.cloud].billed_s,
            min_life_s=self._config.clouds[registry.cloud].min_life_s,
            life=life_of(self._config.clouds[registry.cloud]),
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
        back = [] if registry.stopped else [vm for vm in changes.cancel if not self.under_way(f"vm {vm.id}")]
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
            vm.id: because(
                before,
                vm,
                worlds[sightings.pool_of(before)],
                sightings.idle_since.get(vm.id, 0.0),
                seat.state.decisions.get(vm.queue, ""),
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
        queues = self._queues[registry.cloud]
        registry.closed_for = {q for q in queues if for_queue(wishes, "freeze", registry.cloud, q)}

    def _heed_thaw(self, seat: Seat, term: Term, registry: Registry, thaw: Wish | None) -> None:
        """An operator's thaw closes the breaker too, and what readings miss since before it counts as gone."""
        if thaw:
            seat.state.sightings.thaw(thaw.at)
        if thaw and registry.breaker.why and thaw.at >= registry.breaker.opened:
            registry.reset_breaker(term)
