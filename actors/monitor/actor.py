"""The monitor looks at the sources, pools and clouds, and writes what it saw. It alone queries them.

One look is one call with a time limit, off this thread. Schedds are read before the collector, so that a job which
starts in between is counted twice rather than not at all: errors over-count demand, never supply. Only when the schedds
failed last time are the two asked at once, so that a frozen schedd does not hide the workers.

A look that failed is written as failed. It never becomes an empty reading.

Where a cloud has a queue of spot notices, one look at it follows the other: each waits some seconds for a message.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar, cast

import structlog

from actors.clouds.port import Cloud, CloudError
from actors.clouds.spot_notices import NoticeQueue
from actors.config.policy_rules import worker_slots
from actors.config.told import told_of
from actors.fleet.observations import Failed, Instance, JobsSeen, Listed, StartdsSeen
from actors.monitor.wakes import Wakes
from actors.pools.port import DemandSource, Pool, PoolDenied, PoolError
from actors.runtime.calls import Lane
from actors.runtime.messages import LookAtDemand, LookAtListing, LookAtNotices, LookAtStartds
from actors.runtime.post_actor import PostActor, Seat
from actors.runtime.services import Services
from actors.store.bulk_codec import INSTANCES, Packer, instance_packer
from actors.store.joined import read_joined
from actors.store.readings import DemandRows, Packers, machine_packers, write_listing, write_startds
from actors.store.spot_notices import Taken, forget_notices, take, write_looked
from broker.errors import BrokerError
from broker.mail.dead_letters import DeadLetters
from broker.posts.leases import Term

R = TypeVar("R")

Told = dict[str, tuple[str, float]]  # by kind of reading: the failure that the log was told last, and when

TOLD_AGAIN_S = 60.0  # a failure that reads otherwise each time must not fill the log

log = structlog.get_logger("monitor")


@dataclass(slots=True, kw_only=True)
class PoolSeat:
    demand: DemandRows
    packers: Packers = field(default_factory=machine_packers)
    wakes: Wakes = field(default_factory=Wakes)
    told: Told = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class MonitorCloudSeat:
    packer: Packer[Instance] = field(default_factory=lambda: instance_packer(INSTANCES))
    told: Told = field(default_factory=dict)


MonitorSeat = Seat[PoolSeat | MonitorCloudSeat]


class Monitor(PostActor[PoolSeat | MonitorCloudSeat]):
    title = "monitor"

    def __init__(
        self,
        services: Services,
        pools: Mapping[str, DemandSource],
        clouds: Mapping[str, Cloud],
        notices: Mapping[str, NoticeQueue],
        dead: DeadLetters,
    ) -> None:
        super().__init__(services.terms, services.calls, services.gauges)
        self._config, self._table, self._office = services.config, services.table, services.office
        self._now, self._gauges = services.now, services.gauges
        self._pools, self._clouds, self._notices, self._dead = pools, clouds, notices, dead

    def interval_s(self, seat: MonitorSeat) -> float:
        pool = seat.post.startswith("pool/")
        return self._config.pools[seat.name].interval_s if pool else self._config.clouds[seat.name].interval_s

    def begin(self, seat: MonitorSeat, term: Term) -> PoolSeat | MonitorCloudSeat:
        if seat.post.startswith("pool/"):
            return PoolSeat(demand=DemandRows(self._table, seat.name))
        return MonitorCloudSeat()

    def look(self, seat: MonitorSeat, term: Term) -> None:
        state = seat.state
        if isinstance(state, PoolSeat):
            self._ask_schedds(seat, state)
            if state.demand.failed and self._has_startds(seat):
                self._ask_collector(seat, state)
            return
        self._ask_cloud(seat, state)
        if seat.name in self._notices:
            self._ask_for_notices(seat)
            forget_notices(self._table, self._now())

    def _ask_schedds(self, seat: MonitorSeat, state: PoolSeat) -> None:
        pool, now = self._pools[seat.name], self._now()
        joined = read_joined(self._table, self._config, self._clouds_of(seat.name))
        slots = worker_slots(self._config, seat.name, joined)
        self._read(seat, f"jobs {seat.name}", lambda: pool.jobs(now, slots), partial(self._jobs, seat, state, now))

    def _ask_collector(self, seat: MonitorSeat, state: PoolSeat) -> None:
        pool, now = cast(Pool, self._pools[seat.name]), self._now()
        self._read(seat, f"startds {seat.name}", lambda: pool.startds(now), partial(self._startds, seat, state, now))

    def _ask_cloud(self, seat: MonitorSeat, state: MonitorCloudSeat) -> None:
        cloud, now = self._clouds[seat.name], self._now()
        self._read(seat, f"listing {seat.name}", lambda: cloud.listing(now), partial(self._listing, seat, state, now))

    def _read(
        self,
        seat: MonitorSeat,
        key: str,
        read: Callable[[], R],
        then: Callable[[R | Exception], None],
        lane: Lane = "look",
    ) -> None:
        """Its answers are the readings: looking again at once would never end."""
        self.call(seat, lane, key, read, then, wakes=False)

    def _ask_for_notices(self, seat: MonitorSeat) -> None:
        queue, table, dead, now = self._notices[seat.name], self._table, self._dead, self._now()
        self._read(
            seat,
            f"notices {seat.name}",
            lambda: take(queue, table, dead, f"notices/{seat.name}", now),
            partial(self._noticed, seat),
            lane="notices",
        )

    def _noticed(self, seat: MonitorSeat, got: Taken | Exception) -> None:
        """The rows are written. Whose VMs they are about is not known here: every cloud's retirement is woken."""
        now = self._now()
        taken = _reading(got, seat.post, now)
        failed = taken.reason if isinstance(taken, Failed) else ""
        self._tell(seat, "notices", failed)
        write_looked(self._table, self.terms.need(seat.post), failed, now)
        self._gauges.reading_failed.labels(f"{seat.post}/notices").set(bool(failed))
        if isinstance(taken, Failed):
            return  # the next look asks again
        for notice in taken.notices:
            self._gauges.notices.labels(seat.name, notice.kind.value).inc()
            log.info("spot notice", cloud=seat.name, instance=notice.instance_id, kind=notice.kind.value)
        for why in taken.unknown:
            self._gauges.notices.labels(seat.name, "unknown").inc()
            log.warning("message is no spot notice: put with the dead letters", cloud=seat.name, why=why)
        for cloud in self._config.clouds if taken.notices else ():
            self._office.send(f"retirement@cloud/{cloud}", LookAtNotices())
        self._ask_for_notices(seat)

    def _jobs(self, seat: MonitorSeat, state: PoolSeat, now: float, got: JobsSeen | Exception) -> None:
        reading = _reading(got, seat.post, now)
        demand = state.demand
        if isinstance(reading, JobsSeen):
            state.wakes.jobs(reading)
        failed_before = demand.failed
        self._note(seat, "jobs", reading)
        queues = [name for name, queue in self._config.queues.items() if queue.pool == seat.name]
        changed = demand.write(self.terms.need(seat.post), reading, queues)
        self._gauges.reading(f"{seat.post}/jobs", reading)
        for queue in changed if demand.failed == failed_before else queues:
            self._office.send(f"scheduler@queue/{queue}", LookAtDemand(pool=seat.name))
        if not failed_before and self._has_startds(seat):
            self._ask_collector(seat, state)

    def _has_startds(self, seat: MonitorSeat) -> bool:
        return self._config.pools[seat.name].has_startds

    def _startds(self, seat: MonitorSeat, state: PoolSeat, now: float, got: StartdsSeen | Exception) -> None:
        reading = _reading(got, seat.post, now)
        self._note(seat, "startds", reading)
        if isinstance(reading, StartdsSeen) and state.wakes.joined(reading, now):
            self._wake(seat, state)
        clouds = self._clouds_of(seat.name)
        if isinstance(reading, StartdsSeen):
            reading = replace(reading, told=told_of(self._config, seat.name))
        write_startds(self._table, self.terms.need(seat.post), reading, clouds, state.packers)
        self._gauges.reading(f"{seat.post}/startds", reading)
        for cloud in clouds:
            self._office.send(f"retirement@cloud/{cloud}", LookAtStartds(pool=seat.name))

    def _wake(self, seat: MonitorSeat, state: PoolSeat) -> None:
        """Nothing depends on it: one that fails is told at most, and the negotiator comes at its own time."""
        wake = getattr(self._pools[seat.name], "wake", None)  # an installed kind of pool may be of before there was one
        if wake is None or not getattr(self._config.pools[seat.name], "wakes", True):
            return
        self._gauges.wakes.labels(seat.name).inc()
        self._read(seat, f"wake {seat.name}", wake, lambda got: self._woken(seat, state, got))

    def _woken(self, seat: MonitorSeat, state: PoolSeat, got: object) -> None:
        if isinstance(got, PoolDenied):
            state.wakes.denied = True
            log.warning("may not call the negotiator: jobs wait for its next cycle", pool=seat.name, why=str(got))
        elif isinstance(got, Exception):
            log.info("did not call the negotiator", pool=seat.name, why=str(got))

    def _listing(self, seat: MonitorSeat, state: MonitorCloudSeat, now: float, got: Listed | Exception) -> None:
        reading = _reading(got, seat.post, now)
        self._note(seat, "listing", reading)
        write_listing(self._table, self.terms.need(seat.post), reading, state.packer)
        self._gauges.reading(seat.post, reading)
        for actor in ("submitter", "retirement"):
            self._office.send(f"{actor}@{seat.post}", LookAtListing(cloud=seat.name))

    def _clouds_of(self, pool: str) -> list[str]:
        return [cloud for cloud in self._config.clouds if pool in self._config.pools_of(cloud)]

    def _note(self, seat: MonitorSeat, what: str, reading: JobsSeen | StartdsSeen | Listed | Failed) -> None:
        """For the log, and for ownership, which leaves a post that sees nothing to another host."""
        self._tell(seat, what, _trouble(reading))
        self.terms.read(seat.post, what, isinstance(reading, Failed))

    def _tell(self, seat: MonitorSeat, what: str, trouble: str) -> None:
        """Once when trouble begins, once when it is over; in between what it is, where that changes, now and then."""
        told, now = seat.state.told, self._now()
        why, at = told.get(what, ("", -math.inf))
        if trouble and trouble != why and now - at >= TOLD_AGAIN_S:
            log.warning("reading failed", post=seat.post, what=what, why=trouble)
            told[what] = (trouble, now)
        if why and not trouble:
            log.info("reading works again", post=seat.post, what=what)
            del told[what]


def _reading(got: R | Exception, source: str, now: float) -> R | Failed:
    """What the call brought. An error becomes a failed reading, whatever an adapter raises: its source was not read.

    What Redis raised meanwhile says nothing of the source.
    """
    if isinstance(got, BrokerError):
        raise got
    if isinstance(got, (PoolError, CloudError)):
        return Failed(source=source, at=now, reason=f"{type(got).__name__}: {got}")
    if isinstance(got, Exception):
        log.error("reading failed by what its adapter should not raise", source=source, exc_info=got)
        return Failed(source=source, at=now, reason=f"its adapter raised {type(got).__name__}: {got}"[:500])
    if not isinstance(got, JobsSeen | StartdsSeen | Listed | Taken | Failed):
        return Failed(source=source, at=now, reason=f"its adapter answered a {type(got).__name__}, not a reading")
    return got


def _trouble(reading: JobsSeen | StartdsSeen | Listed | Failed) -> str:
    if isinstance(reading, Failed):
        return reading.reason
    if isinstance(reading, JobsSeen):
        said = [(one.name, text) for one in reading.schedds for text in (one.error, *one.notes) if text]
        said += [(f"queue {one.queue}", one.unread) for one in reading.queues if one.unread]
        return "; ".join(f"{name}: {text}" for name, text in said)
    return ""
