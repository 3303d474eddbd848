"""One PanDA server: what waits at the sites that its queues choose. One look serves all queues.

A queue's `jobs` is a ClassAd expression over `ComputingSite` (PanDA's name of the site, or PanDA queue), `ResourceType`
and `ProdSourceLabel`. Jobs that are ready ask for pilots; those at a site that is offline, in standby or in maintenance
are no demand, and are named. What PanDA says of a site and cannot be so makes the queues unknown that look at it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from classad2 import ClassAd, ExprTree, quote

from actors.config.findings import Finding
from actors.config.schema import Config, PandaPool
from actors.fleet.observations import JobClass, JobsSeen, QueueSeen, ScheddSeen
from actors.fleet.shape import Shape
from actors.pools.http_fetch import HttpPauses, Request, fetch
from actors.pools.panda.answers import NotSaid, SiteJobs, Statistics, data_of, parsed, statistics
from actors.pools.panda.specs import KEPT_S, MULTICORE, NO_SPECS, Specs, read_specs, status_of
from actors.pools.port import NO_SLOTS, PoolAway, PoolDenied, PoolError, Slots

CALLS = {"detailed": "active_job_detailed_stats_by_site", "by-site": "active_job_stats_by_site"}
SPECS = "metaconfig/get_site_specs?type=all"


class Panda:
    """One pool of the configuration. `queues`: name and jobs expression, in the configuration's order."""

    def __init__(
        self,
        name: str,
        config: PandaPool,
        queues: tuple[tuple[str, str], ...],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self._config, self._queues, self._clock = name, config, queues, clock
        self._pauses, self._one = HttpPauses(config.interval_s, clock), threading.Lock()
        self._specs, self._specs_at, self._specs_tried, self._specs_why = NO_SPECS, 0.0, -1e9, ""

    @classmethod
    def of(cls, name: str, config: Config) -> Panda:
        pool = config.pools[name]
        if not isinstance(pool, PandaPool):
            raise TypeError(f"pool {name} is of kind {pool.kind}")
        return cls(name, pool, tuple((n, q.jobs) for n, q in config.queues.items() if q.pool == name))

    def jobs(self, now: float, slots: Slots = NO_SLOTS) -> JobsSeen:
        with self._one:
            return self._seen(now, self._statistics(), self._fresh_specs())

    def check(self) -> tuple[Finding, ...]:
        with self._one:
            try:
                found, specs = self._statistics(), self._fresh_specs()
            except PoolError as wrong:
                return (Finding(what="statistics", ok=False, text=str(wrong)),)
        seen = self._seen(0.0, found, specs)
        sites = len({one.site for one in found.jobs})
        return (
            Finding(what="statistics", ok=True, text=f"answers; jobs at {sites} sites"),
            Finding(what="specs", ok=not self._specs_why, text=self._specs_why or f"{len(specs.sites)} sites known"),
            *(Finding(what="note", ok=None, text=note) for note in seen.schedds[0].notes),
            *(Finding(what=f"queue {one.queue}", ok=not one.unread, text=_said(one)) for one in seen.queues),
        )

    def close(self) -> None:
        """There is nothing to end: each look has a connection of its own."""

    def _statistics(self) -> Statistics:
        kind = self._config.statistics
        body = self._pauses.guard(lambda: self._get(f"statistics/{CALLS[kind]}"))
        try:
            data = data_of(body, "the statistics")
        except NotSaid as failed:
            if self._config.empty == "zero":
                return Statistics()
            raise PoolAway(f'{failed}; it says so too when it has no job at all (then: empty = "zero")') from failed
        return statistics(data, kind == "detailed")

    def _fresh_specs(self) -> Specs:
        """Looked at now and then. Those that were good stay so for a day, whatever becomes of their source."""
        where = self._config.specs
        if where == "none" or self._clock() - self._specs_tried < self._config.specs_interval_s:
            return self._specs
        self._specs_tried = self._clock()
        try:
            self._specs, self._specs_at, self._specs_why = self._read_specs(where), self._clock(), ""
        except PoolError as wrong:
            self._specs_why = f"the specs of the sites are not known: {wrong}"
            if self._clock() - self._specs_at > KEPT_S:
                self._specs = NO_SPECS
        return self._specs

    def _read_specs(self, where: str) -> Specs:
        if where == "server":
            return read_specs(data_of(self._get(SPECS), "the site specs"))
        if where.startswith(("http://", "https://")):
            return read_specs(parsed(fetch(self._request(where, ours=False)), where))
        try:
            return read_specs(parsed(Path(where).expanduser().read_bytes(), where))
        except OSError as wrong:
            raise PoolDenied(f"{where} cannot be read: {wrong.strerror or wrong}") from wrong

    def _get(self, call: str) -> bytes:
        return fetch(self._request(f"{self._config.url.rstrip('/')}/api/v1/{call}", ours=True))

    def _request(self, url: str, ours: bool) -> Request:
        """`ours`: of PanDA itself, which alone is shown our token."""
        config = self._config
        token = config.token if ours else None
        return Request(
            url=url,
            timeout_s=config.timeout_s,
            max_bytes=config.max_bytes,
            headers={"Origin": config.vo} if token else {},
            ca=config.ca,
            proxy=config.proxy,
            token=token,
        )

    def _seen(self, now: float, found: Statistics, specs: Specs) -> JobsSeen:
        unread = {queue: self._unread(jobs, found) for queue, jobs in self._queues}
        classes: list[JobClass] = []
        overlapping = 0
        for jobs in found.jobs:
            mine = [queue for queue, expression in self._queues if _takes(expression, jobs)]
            if not mine:
                continue
            overlapping += jobs.of(self._config.ready) if len(mine) > 1 else 0
            made = self._class(mine[0], jobs, specs)
            classes += [made] if made else []
            unread[mine[0]] = unread[mine[0]] or ("" if made else _unsized(jobs))
        queues = tuple(
            QueueSeen(queue=queue, status=status_of(self._sites(expression, found, specs), specs), unread=unread[queue])
            for queue, expression in self._queues
        )
        notes = tuple(self._notes(found, specs))
        server = ScheddSeen(name=self._config.url.partition("://")[2], overlapping=overlapping, notes=notes)
        return JobsSeen(source=self.name, at=now, classes=tuple(classes), schedds=(server,), queues=queues)

    def _class(self, queue: str, jobs: SiteJobs, specs: Specs) -> JobClass | None:
        """None: it is not known how large its jobs are, and some are ready."""
        spec = specs.of(jobs.site)
        multi = jobs.resource_type.startswith(MULTICORE)
        whole = spec.cores or (self._config.multicore_cpus if multi else 1)
        cpus = whole if multi or not jobs.resource_type else 1
        ready = jobs.of(self._config.ready)
        if not cpus and ready:
            return None
        return JobClass(
            queue=queue,
            request=Shape(cpus=max(1, cpus), memory_mib=spec.memory_of(max(1, cpus))),
            attributes=tuple((name, str(quote(text))) for name, text in _attributes(jobs).items()),
            idle=ready,
            running=jobs.of(self._config.running),
            apart=f"PanDA's site {jobs.site} is {spec.status}" if spec.offline else "",
        )

    def _unread(self, expression: str, found: Statistics) -> str:
        damaged = [why for site, why in found.damages.items() if _may_take(expression, site)]
        return "; ".join(damaged[:3])

    def _sites(self, expression: str, found: Statistics, specs: Specs) -> list[str]:
        known = dict.fromkeys([*specs.sites, *(one.site for one in found.jobs), *found.damages])
        return [site for site in known if site and _may_take(expression, site)]

    def _notes(self, found: Statistics, specs: Specs) -> Iterator[str]:
        if self._specs_why:
            yield self._specs_why
        yield from specs.notes[:5]
        for queue, expression in self._queues:
            if specs.sites and not self._sites(expression, found, specs):
                yield f"queue {queue}: PanDA knows no site that its jobs expression chooses"


def _said(one: QueueSeen) -> str:
    return one.unread or (f"its site is {one.status}" if one.status else "PanDA does not say how its site is")


def _unsized(jobs: SiteJobs) -> str:
    return (
        f"{jobs.site}: the corecount of its {jobs.resource_type} jobs is not known; name specs that have it, or set"
        " multicore_cpus"
    )


def _attributes(jobs: SiteJobs) -> dict[str, str]:
    """What PanDA says; what it does not say is undefined."""
    said = {"ComputingSite": jobs.site, "ResourceType": jobs.resource_type, "ProdSourceLabel": jobs.label}
    return {name: text for name, text in said.items() if text}


def _takes(expression: str, jobs: SiteJobs) -> bool:
    return _value(expression, tuple(_attributes(jobs).items())) is True


def _may_take(expression: str, site: str) -> bool:
    """Whether some jobs of this site may be the queue's: only what is false for the site alone is not."""
    return _value(expression, (("ComputingSite", site),) if site else ()) is not False


@lru_cache(maxsize=100_000)
def _value(expression: str, attributes: tuple[tuple[str, str], ...]) -> object:
    ad: Mapping[str, str] = dict(attributes)
    return ExprTree(f"({expression})").eval(ClassAd(dict(ad)))
