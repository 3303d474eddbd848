"""The third phase: from what operators, clouds and queues want to what is to become of each VM.

Operators' wishes are heeded first: a cloud that they froze or closed is so for the submitter too, from here on. Then
`policies.disruption.converge` says who is given up, taken back or drained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import structlog

from actors.config.as_policy import deadlines_of
from actors.config.policy_rules import black_hole_rules, drain_rules, life_of
from actors.fleet.hold_tags import noted
from actors.fleet.vm import Vm
from actors.fleet.want import Want
from actors.fleet.wish import Wish, for_cloud, for_queue, told
from actors.policies.disruption.black_hole import black_holes
from actors.policies.disruption.converge import Changes, Scene, follow
from actors.policies.disruption.drain_deadlines import evictions, overdue
from actors.retirement.advance import Rows
from actors.retirement.observe import Observed
from actors.runtime.freeze_file import FreezeFile
from actors.runtime.services import Services
from actors.store import shape_quotas
from actors.store.spot_notices import read_notices
from actors.store.wants import read_wishes, wants_of_cloud

log = structlog.get_logger("retirement")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """`rows`: all VMs, as they are to be written. `cancels`: those of them whose drain is to be taken back, once that
    is written down. `wishes`: the living ones, the oldest first.
    """

    rows: Mapping[str, Vm]
    wishes: tuple[Wish, ...]
    cancels: tuple[Vm, ...] = ()


class Converge:
    def __init__(self, services: Services, under_way: Callable[[str], bool]) -> None:
        """`under_way`: whether a call of this key was started and its answer not taken."""
        config = self._config = services.config
        self._table, self._gauges, self._under_way = services.table, services.gauges, under_way
        self._freeze, self._queues = FreezeFile.of(config), config.queues_by_cloud
        self._deadlines, self._shadow = deadlines_of(config), config.factory.shadow
        self._notices_come = any(getattr(cloud, "notices_queue", None) for cloud in config.clouds.values())

    def __call__(self, seen: Observed, rows: Rows) -> Decided:
        wishes = read_wishes(self._table, seen.now)
        self._heed(seen, wishes)
        if self._shadow:
            return Decided(rows=rows, wishes=wishes)
        changes = follow(list(rows.values()), self._scene(seen, rows, wishes))
        rows.update(changes.rows)
        self._evict(seen, rows)
        cancels = self._cancels(seen, rows, changes)
        rows.update({vm.id: vm for vm in cancels})
        rows.update({vm.id: noted(vm, seen.now) for vm in rows.values() if vm.held})
        return Decided(rows=rows, wishes=wishes, cancels=cancels)

    # --- what operators say of the whole cloud

    def _heed(self, seen: Observed, wishes: tuple[Wish, ...]) -> None:
        """A cloud that an operator drains is closed for buying; on one that is frozen nothing is done at all, nor
        anywhere while this host's freeze file is there.
        """
        registry, cloud = seen.registry, seen.cloud
        drained, frozen = for_cloud(wishes, "drain", cloud), for_cloud(wishes, "freeze", cloud)
        stopped = self._freeze.told() or (told(frozen) if frozen else "")
        if stopped != registry.judged.stopped:
            log.warning("cloud frozen" if stopped else "cloud thawed", cloud=cloud, why=stopped)
        registry.judged.stopped = stopped
        registry.judged.closed_by = stopped or (told(drained) if drained else "")
        _heed_thaw(seen, for_cloud(wishes, "thaw", cloud))
        registry.judged.closed_for = {q for q in self._queues[cloud] if for_queue(wishes, "freeze", cloud, q)}

    # --- what queues want

    def _scene(self, seen: Observed, rows: Rows, wishes: tuple[Wish, ...]) -> Scene:
        config, queues = self._config.clouds[seen.cloud], self._queues[seen.cloud]
        wants = self._wants(seen, rows)
        return Scene(
            heard=seen.seat.state.heard,
            wants=wants,
            machines=seen.sightings.machines(),
            wishes=wishes,
            idle_since=seen.sightings.idle_since,
            frozen=seen.registry.judged.frozen or seen.registry.judged.stopped,
            now=seen.now,
            billed_s=config.billed_s,
            min_life_s=config.min_life_s,
            life=life_of(config),
            joins=config.joins_pool,
            notices=read_notices(self._table) if self._notices_come else {},
            drains=drain_rules(config.drains),
            black_holes=self._black_holes(seen, queues, rows),
            queue_drains={queue: drain_rules(self._config.queues[queue].drains) for queue in queues},
        )

    def _wants(self, seen: Observed, rows: Rows) -> dict[str, int]:
        """By queue. One that the cloud serves no more wants none; one that an operator froze keeps what it has."""
        queues, registry = self._queues[seen.cloud], seen.registry
        wants = wants_of_cloud(self._table, seen.cloud, queues)
        self._note(seen, wants)
        gone = {vm.queue for vm in rows.values()} - set(queues)
        all_wants = {**{queue: want.n for queue, want in wants.items()}, **dict.fromkeys(gone, 0)}
        return {queue: n for queue, n in all_wants.items() if queue not in registry.judged.closed_for}

    def _note(self, seen: Observed, wants: Mapping[str, Want]) -> None:
        registry, state = seen.registry, seen.seat.state
        registry.judged.family_shares = shape_quotas.shares(self._config, self._table, seen.cloud)
        state.decisions = {queue: want.decision for queue, want in wants.items()}
        state.heard = {queue: want.heard for queue, want in wants.items()}

    def _black_holes(self, seen: Observed, queues: Iterable[str], rows: Rows) -> Mapping[str, str]:
        rules = {queue: black_hole_rules(self._config.queues[queue]) for queue in queues}
        return black_holes(rows.values(), seen.sightings.machines(), seen.sightings.busy_since, rules, seen.now)

    # --- drains that take too long, and those that are not needed any more

    def _evict(self, seen: Observed, rows: Rows) -> None:
        if self._deadlines and not seen.registry.judged.stopped:
            rows.update(evictions(rows.values(), self._deadlines, seen.now))
        late = [vm for vm in rows.values() if overdue(vm, self._deadlines, seen.now)] if self._deadlines else []
        self._gauges.drains(seen.cloud, sum(bool(vm.drain_waits) for vm in rows.values()), len(late))

    def _cancels(self, seen: Observed, rows: Rows, changes: Changes) -> tuple[Vm, ...]:
        if seen.registry.judged.stopped:
            return ()
        back = [rows[vm.id] for vm in changes.cancel if not self._under_way(f"vm {vm.id}")]
        return tuple(replace(vm, cancel_unknown=seen.now) for vm in back)


def _heed_thaw(seen: Observed, thaw: Wish | None) -> None:
    """An operator's thaw closes the breaker too, and what readings miss since before it counts as gone."""
    if thaw is None:
        return
    seen.sightings.thaw(thaw.at)
    if seen.registry.breaker.why and thaw.at >= seen.registry.breaker.opened:
        seen.registry.reset_breaker(seen.term)
