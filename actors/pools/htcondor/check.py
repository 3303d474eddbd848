"""What `apf check --live` asks of an HTCondor pool: each finding is one thing that a person may have to put right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from actors.config.findings import Finding
from actors.fleet.number_of import number_of
from actors.fleet.observations import JobsSeen, Machine, StartdsSeen
from actors.pools.port import PoolError


class AskedPool(Protocol):
    """What is needed of the pool."""

    def jobs(self, now: float) -> JobsSeen: ...

    def startds(self, now: float) -> StartdsSeen: ...

    def may_administer(self, machine: Machine) -> None: ...


def check(pool: AskedPool, queues: tuple[str, ...]) -> tuple[Finding, ...]:
    return (*_jobs(pool, queues), *_startds(pool))


def _jobs(pool: AskedPool, queues: tuple[str, ...]) -> Iterator[Finding]:
    try:
        seen = pool.jobs(0.0)
    except PoolError as error:
        yield Finding(what="schedds", ok=False, text=str(error))
        return
    if not seen.schedds:
        yield Finding(what="schedds", ok=False, text="the collector knows none; name them in the configuration")
    for schedd in seen.schedds:
        text = schedd.error or "answers"
        if schedd.overlapping:
            jobs = number_of(schedd.overlapping, "job", "match")
            text += f"; {jobs} more than one queue, the first one in the file gets them"
        yield Finding(what=f"schedd {schedd.name}", ok=not schedd.error and not schedd.overlapping, text=text)
    for queue in queues:
        classes = [job for job in seen.classes if job.queue == queue]
        idle, running = sum(job.idle + job.young for job in classes), sum(job.running for job in classes)
        held, kinds = sum(job.held for job in classes), number_of(len(classes), "class")
        text = f"{idle} idle, {running} running, {held} held, in {kinds}"
        yield Finding(what=f"jobs of queue {queue}", ok=True, text=text)


def _startds(pool: AskedPool) -> Iterator[Finding]:
    try:
        machines = pool.startds(0.0).machines
    except PoolError as error:
        yield Finding(what="collector", ok=False, text=str(error))
        return
    yield Finding(
        what="collector",
        ok=True,
        text=f"answers; {number_of(len(machines), 'startd', 'carry')} an instance id or a queue",
    )
    yield _drains(pool, machines)


def _drains(pool: AskedPool, machines: tuple[Machine, ...]) -> Finding:
    what = "permission to drain"
    if not machines:
        return Finding(what=what, ok=None, text="not tried, there is no startd to ask")
    try:
        pool.may_administer(machines[0])
    except PoolError as error:
        return Finding(what=what, ok=False, text=f"{error}; the token needs ADMINISTRATOR at the collector")
    return Finding(what=what, ok=True, text=f"startd {machines[0].name} takes our commands")
