"""One service that is asked over HTTP and says in JSON what waits. One look serves all queues.

Each item of the answer is held against the `jobs` of each queue, and the first queue that takes it has it. An item that
a queue takes and whose numbers cannot be such (negative, fractions, texts, missing) makes that queue's demand unknown,
and no other's; an answer that is none, or does not say `success`, makes all unknown.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from classad2 import ClassAd, Value

from actors.config.findings import Finding
from actors.config.pools import Measure
from actors.config.schema import Config, HttpJsonPool
from actors.fleet.observations import JobClass, JobsSeen, QueueSeen, ScheddSeen
from actors.fleet.shape import Shape
from actors.pools.http_fetch import HttpPauses, Request, fetch
from actors.pools.http_json.items import as_ad, evaluated, items_at, names_in, parsed
from actors.pools.port import NO_SLOTS, PoolAway, PoolError, Slots

MOST = 100_000_000  # of one count
SHOWN = 80


class NotACount(ValueError):
    """An item's number is none: the text says which."""


@dataclass(slots=True)
class Counted:
    """Of one queue: jobs by (cpus, MiB), how many items it took, and why it is not known."""

    idle: Counter[tuple[int, int]] = field(default_factory=Counter)
    running: Counter[tuple[int, int]] = field(default_factory=Counter)
    items: int = 0
    unread: str = ""


class HttpJson:
    """One pool of the configuration. `queues`: name and jobs expression, in the configuration's order."""

    def __init__(
        self,
        name: str,
        config: HttpJsonPool,
        queues: tuple[tuple[str, str], ...],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self._config, self._queues = name, config, queues
        self._pauses, self._one = HttpPauses(config.interval_s, clock), threading.Lock()
        measures = [config.idle, *([config.running] if config.running else [])]
        asked = [text for one in measures for text in (one.when, one.sum)]
        self._names = names_in([*asked, config.cpus, config.memory_mib, *(jobs for _, jobs in queues)])

    @classmethod
    def of(cls, name: str, config: Config) -> HttpJson:
        pool = config.pools[name]
        if not isinstance(pool, HttpJsonPool):
            raise TypeError(f"pool {name} is of kind {pool.kind}")
        return cls(name, pool, tuple((n, q.jobs) for n, q in config.queues.items() if q.pool == name))

    def jobs(self, now: float, slots: Slots = NO_SLOTS) -> JobsSeen:
        with self._one:
            body = self._pauses.guard(lambda: fetch(self._request()))
        return self._seen(now, body)

    def check(self) -> tuple[Finding, ...]:
        try:
            seen = self.jobs(0.0)
        except PoolError as wrong:
            return (Finding(what="answer", ok=False, text=str(wrong)),)
        idle: Counter[str] = Counter()
        for one in seen.classes:
            idle[one.queue] += one.idle
        return (
            Finding(what="answer", ok=True, text=f"understood, from {seen.schedds[0].name}"),
            *(
                Finding(what=f"queue {one.queue}", ok=not one.unread, text=one.unread or f"{idle[one.queue]} idle")
                for one in seen.queues
            ),
        )

    def close(self) -> None:
        """There is nothing to end: each look has a connection of its own."""

    def _request(self) -> Request:
        config = self._config
        return Request(
            url=config.url,
            timeout_s=config.timeout_s,
            max_bytes=config.max_bytes,
            headers=config.headers,
            body=config.body,
            ca=config.ca,
            proxy=config.proxy,
            token=config.token,
            token_header=config.token_header,
            user=config.user,
            password=config.password,
        )

    def _seen(self, now: float, body: bytes) -> JobsSeen:
        counted = {queue: Counted() for queue, _ in self._queues}
        overlapping = 0
        for ad in self._ads(body):
            mine = [queue for queue, jobs in self._queues if evaluated(jobs, ad) is True]
            overlapping += len(mine) > 1
            if mine:
                self._count(ad, counted[mine[0]])
        if self._config.missing == "unknown":
            for one in counted.values():
                one.unread = one.unread or ("" if one.items else "the answer has no item of this queue")
        return JobsSeen(
            source=self.name,
            at=now,
            classes=tuple(one for queue, found in counted.items() for one in _classes(queue, found)),
            schedds=(ScheddSeen(name=self._config.url.split("/")[2], overlapping=overlapping),),
            queues=tuple(QueueSeen(queue=queue, unread=found.unread) for queue, found in counted.items()),
        )

    def _ads(self, body: bytes) -> list[ClassAd]:
        """The items of a good answer."""
        document, config = parsed(body), self._config
        if config.success != "true":
            whole = document if isinstance(document, dict) else {}
            if evaluated(config.success, as_ad(whole, names_in([config.success]))) is not True:
                raise PoolAway(f"the answer does not say {config.success}: {str(document)[:SHOWN]}")
        found = items_at(document, config.items, several=config.missing == "zero")
        return [as_ad(item, self._names) for item in found]

    def _count(self, ad: ClassAd, found: Counted) -> None:
        config = self._config
        found.items += 1
        try:
            size = _number(config.cpus, ad, "cpus", 1), _number(config.memory_mib, ad, "memory_mib", 0)
            idle = _measured(config.idle, ad, "idle")
            running = _measured(config.running, ad, "running") if config.running else 0
        except NotACount as wrong:
            found.unread = found.unread or f"{wrong}; of the item {' '.join(str(ad).split())[:SHOWN]}"
            return
        found.idle[size] += idle
        found.running[size] += running


def _measured(measure: Measure, ad: ClassAd, what: str) -> int:
    holds = evaluated(measure.when, ad)
    if type(holds) is not bool:
        raise NotACount(f"{what}.when ({measure.when}) is {_shown(holds)}; allowed: true or false")
    if not holds:
        return 0
    return _number(measure.sum, ad, f"{what}.sum", 0) if measure.sum else 1


def _number(expression: str, ad: ClassAd, what: str, least: int) -> int:
    value = evaluated(expression, ad)
    if type(value) is not int or not least <= value <= MOST:
        raise NotACount(f"{what} ({expression}) is {_shown(value)}; allowed: a whole number from {least}")
    return value


def _shown(value: object) -> str:
    return value.name.lower() if isinstance(value, Value) else repr(value)[:SHOWN]


def _classes(queue: str, found: Counted) -> Iterable[JobClass]:
    sizes: Mapping[tuple[int, int], None] = dict.fromkeys([*found.idle, *found.running])
    for cpus, memory_mib in () if found.unread else sizes:
        size = (cpus, memory_mib)
        request = Shape(cpus=cpus, memory_mib=memory_mib)
        yield JobClass(queue=queue, request=request, idle=found.idle[size], running=found.running[size])
