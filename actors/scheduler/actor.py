"""The scheduler decides how many VMs of each cloud its queue wants, and why. It alone.

It reads rows (the queue's demand, what each cloud has for it, its own last wants), lets `policies.decide` decide,
writes the wants that changed, and wakes the clouds. It never calls anything outside.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from actors.config.policy_rules import FactoryRules, rules_of, share_of_factory, spent
from actors.config.promise import promises_of
from actors.fleet.joined import Joined
from actors.fleet.observations import Failed, JobsSeen
from actors.fleet.want import CloudView, FleetView, Want
from actors.policies.limits import NO_LIMITS
from actors.policies.provisioning.decide import Decision, decide
from actors.policies.provisioning.doubt import Doubt, Pair
from actors.policies.provisioning.past import NO_PAST, Past
from actors.policies.steps import Counts
from actors.runtime.messages import LookAtFleet, LookAtWant
from actors.runtime.post_actor import PostActor, Seat
from actors.runtime.services import Services
from actors.scheduler.counts import counted
from actors.store.joined import joined_of, joined_places, read_joined
from actors.store.readings import OLD_READINGS, demand_of, demand_places
from actors.store.rows import frozen_by
from actors.store.views import view_places, views_of
from actors.store.wants import (
    QueueStanding,
    doubts_row,
    past_row,
    read_doubts,
    read_past,
    read_standing,
    read_wants,
    standing_row,
    want_row,
    wants_of_queues,
    write_standing,
)
from broker.envelope import Message
from broker.posts.leases import Term

LOOK_S = 10.0
SURPLUS_LOOK_S = 1.0
QUIET_LOOK_S = 60.0  # no jobs and no VMs wanted: what changes that comes with mail
FLEET_MAY_WAIT_S = 0.1  # a launch changes its cloud's view three times in this time
FIRST_VIEWS_S = 30.0  # so long a cloud that was never looked at, or whose room is not known yet, is waited for

Views = dict[str, tuple[CloudView | None, FleetView | None]]

log = structlog.get_logger("scheduler")


@dataclass(slots=True, kw_only=True)
class QueueSeat:
    began: float
    rules: FactoryRules
    wants: dict[str, Want]
    joined: Mapping[str, Joined]
    told: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    watched: Mapping[Pair, float] = field(default_factory=dict)
    standing: QueueStanding | None = None
    past: Past = NO_PAST
    past_written: Past = NO_PAST


QueuePost = Seat[QueueSeat]


class Scheduler(PostActor[QueueSeat]):
    title = "scheduler"

    def __init__(self, services: Services) -> None:
        super().__init__(services.terms, services.calls, services.gauges)
        config = self._config = services.config
        self._table, self._office, self._now, self._gauges = (
            services.table,
            services.office,
            services.now,
            services.gauges,
        )
        self._promises = promises_of(config, config.clouds)

    def interval_s(self, seat: QueuePost) -> float:
        """A surplus that waits for its time to be released is looked at closely, a queue without jobs seldom."""
        state = seat.kept
        if state is None:
            return LOOK_S
        if any(want.surplus for want in state.wants.values()):
            return SURPLUS_LOOK_S
        return QUIET_LOOK_S if _quiet(state) else LOOK_S

    def may_wait_s(self, news: Message) -> float:
        return FLEET_MAY_WAIT_S if isinstance(news, LookAtFleet) else 0.0

    def begin(self, seat: QueuePost, term: Term) -> QueueSeat:
        """What the holder before said stands: it is not written again unless it changes."""
        clouds = [cloud for tier in self._config.queues[seat.name].cascade for cloud in tier]
        return QueueSeat(
            began=self._now(),
            rules=rules_of(self._config, seat.name, joined := read_joined(self._table, self._config, clouds)),
            joined=joined,
            wants=read_wants(self._table, seat.name),
            standing=read_standing(self._table, seat.name),
            doubts=read_doubts(self._table, seat.name),
            past=read_past(self._table, seat.name),
        )

    def look(self, seat: QueuePost, term: Term) -> None:
        state = seat.state
        now = self._now()
        demand, views = self._read(seat, state.rules.queue.clouds, now)
        if (why := _not_yet(views)) and now - state.began < FIRST_VIEWS_S:
            self._tell_standing(seat, term, QueueStanding(known=False, why=(why,)))
            return
        wants = self._all_wants(seat)
        decision = decide(
            state.rules.queue,
            demand,
            {cloud: fleet for cloud, (_, fleet) in views.items()},
            state.rules.clouds,
            {cloud: view for cloud, (view, _) in views.items()},
            state.wants,
            now,
            uuid.uuid4().hex[:8],
            counts=self._counts(state, views, now),
            elsewhere=spent(self._config, [want for want in wants if want.queue != seat.name]),
            factory_share=share_of_factory(self._config, seat.name, wants) if wants else NO_LIMITS,
            doubts=state.doubts,
            watched=state.watched,
            past=state.past,
        )
        self._write(seat, term, decision, {cloud: fleet for cloud, (_, fleet) in views.items()})
        self._tell(seat, decision)
        if isinstance(demand, JobsSeen):
            self._gauges.demand(seat.name, demand)

    def _counts(self, state: QueueSeat, views: Views, now: float) -> Counts:
        fleet = {cloud: view for cloud, (_, view) in views.items()}
        return counted(self._table, state.rules.queue, self._config.clouds, fleet, state.wants, now)

    def _all_wants(self, seat: QueuePost) -> list[Want]:
        """What all queues of the factory want; read only where a limit over all of them asks for it."""
        if not seat.state.rules.look_elsewhere:
            return []
        others = [queue for queue in self._config.queues if queue != seat.name]
        return [*wants_of_queues(self._table, others), *seat.state.wants.values()]

    def _read(self, seat: QueuePost, clouds: Sequence[str], now: float) -> tuple[JobsSeen | Failed, Views]:
        """In one round trip: the queue's demand, if it is not too old, its clouds' views, and what joined there."""
        pool = self._config.queues[seat.name].pool
        places, of_clouds = demand_places(pool, seat.name), view_places(clouds, seat.name)
        rows = self._table.get_at_once([*places, *of_clouds, *joined_places(self._promises, clouds)])
        split = len(places) + len(of_clouds)
        demand, seen = demand_of(self._table, pool, rows[: len(places)]), rows[len(places) : split]
        views = views_of(self._table, clouds, seen)
        frozen_by(self._table, of_clouds, seen, [one for pair in views.values() for one in pair])
        self._heed_joined(seat, joined_of(clouds, rows[split:]))
        settings = self._config.pools[pool]
        limit_s = OLD_READINGS * settings.interval_s + settings.timeout_s
        if isinstance(demand, JobsSeen) and now - demand.at > limit_s:
            return Failed(source=demand.source, at=demand.at, reason=f"last read {now - demand.at:.0f} s ago"), views
        return demand, views

    def _heed_joined(self, seat: QueuePost, joined: Mapping[str, Joined]) -> None:
        """From now on a VM counts as what those that joined really are."""
        if joined != seat.state.joined:
            seat.state.joined, seat.state.rules = joined, rules_of(self._config, seat.name, joined)

    def _write(self, seat: QueuePost, term: Term, decision: Decision, fleets: Mapping[str, FleetView | None]) -> None:
        """The wants that changed and, for status, how the queue stands, if that says something else than before."""
        changed, standing = [decision.wants[cloud] for cloud in decision.changed], standing_of(decision)
        rows = [want_row(want) for want in changed]
        rows += [standing_row(standing)] if standing != seat.state.standing else []
        rows += [doubts_row(decision.doubts)] if decision.doubts != seat.state.doubts else []
        rows += [past_row(decision.past)] if (learnt := decision.past.newer_than(seat.state.past_written)) else []
        self._table.write(term, rows)
        self._tell_doubts(seat, decision)
        for want in changed:
            self._announce(seat.state.wants.get(want.cloud), want, fleets.get(want.cloud))
        seat.state.wants, seat.state.standing, seat.state.past = dict(decision.wants), standing, decision.past
        seat.state.past_written = decision.past if learnt else seat.state.past_written

    def _announce(self, before: Want | None, want: Want, fleet: FleetView | None) -> None:
        """Retirement has nothing to do for a higher want but to take back what it gave up, if there is such."""
        was = before.n if before else 0
        self._gauges.want(want)
        if want.n == was:
            return
        why = "; ".join(want.reasons)
        log.info("want", queue=want.queue, cloud=want.cloud, was=was, now=want.n, decision=want.decision, why=why)
        nothing_leaves = fleet is not None and not (fleet.unwanted or fleet.draining)
        for actor in ("submitter",) if want.n > was and nothing_leaves else ("submitter", "retirement"):
            self._office.send(f"{actor}@cloud/{want.cloud}", LookAtWant(queue=want.queue, cloud=want.cloud))

    def _tell(self, seat: QueuePost, decision: Decision) -> None:
        self._gauges.waiting.labels(seat.name).set(decision.waiting)
        self._gauges.unmet.labels(seat.name).set(sum(one.jobs for one in decision.unmet))
        if decision.waiting:
            self._gauges.clamps.labels(seat.name).inc()
        unmet = seat.state.standing.unmet if seat.state.standing else ()
        if unmet != seat.state.told:
            seat.state.told = unmet
            (log.warning if unmet else log.info)(
                "jobs that no cloud can run", queue=seat.name, why=unmet or "none any more"
            )

    def _tell_doubts(self, seat: QueuePost, decision: Decision) -> None:
        told = {doubt.why for doubt in seat.state.doubts}
        for doubt in (doubt for doubt in decision.doubts if doubt.why not in told):
            log.warning("bought in vain", queue=seat.name, cloud=doubt.cloud, tries=doubt.tries, why=doubt.why)
        self._gauges.in_vain.labels(seat.name).set(sum(doubt.jobs for doubt in decision.doubts))
        seat.state.doubts, seat.state.watched = decision.doubts, decision.watched

    def _tell_standing(self, seat: QueuePost, term: Term, standing: QueueStanding) -> None:
        if standing != seat.state.standing:
            write_standing(self._table, term, standing)
            seat.state.standing = standing


def standing_of(decision: Decision) -> QueueStanding:
    demand = decision.demand
    return QueueStanding(
        known=demand.known,
        idle=demand.idle,
        young=demand.young,
        running=demand.running,
        held=demand.held,
        waiting=decision.waiting,
        why=decision.why,
        unmet=tuple(one.why for one in decision.unmet),
        unmet_by=tuple(one.code for one in decision.unmet),
        in_vain=decision.in_vain,
        status=demand.status,
    )


def _not_yet(views: Views) -> str:
    """What a first decision waits for: a cloud of which nothing is known is not one that is full."""
    unseen = [cloud for cloud, (view, _) in views.items() if view is None]
    if unseen:
        return f"waits for a first look at {', '.join(unseen)}"
    return "; ".join(f"waits for {cloud}: {view.unsaid}" for cloud, (view, _) in views.items() if view and view.unsaid)


def _quiet(state: QueueSeat) -> bool:
    seen = state.standing
    jobs = not seen or not seen.known or seen.idle or seen.young or seen.running or seen.held
    return not jobs and not any(want.n for want in state.wants.values())
