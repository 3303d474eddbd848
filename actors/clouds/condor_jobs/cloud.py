"""Pilots as a cloud: start is submit, listing is the schedd's queue, end is remove.

A pilot has no startd: it waits in a queue, runs where there is room, takes jobs of a workload system, and ends by
itself. So the schedd says what a startd says of a worker. Waiting, it can be taken back at once, and the schedd itself
spares those that began to run meanwhile (`take_back`). Held for longer than `held_s`, it is stuck. One that is over is
told apart: finished, with how long it ran; removed, with by whom; gone, where neither queue nor history know it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from actors.clouds import schedd_jobs
from actors.clouds.condor_jobs import description
from actors.clouds.port import CloudError, Order
from actors.clouds.schedd_jobs import Row, text, whole
from actors.clouds.schedd_link import ScheddLink
from actors.clouds.vanished import Vanished
from actors.config.findings import Finding
from actors.config.schema import CondorJobsCloud, Config, HtcondorPool
from actors.fleet.observations import Instance, Listed

TAKEN_BACK = "apf: taken back while it waited"
KILLED = "apf: an operator ended it"


class CondorJobs:
    """One cloud of the configuration, for one factory. Makes no call before it is asked."""

    def __init__(self, name: str, config: CondorJobsCloud, pool: HtcondorPool, factory: str) -> None:
        self.name, self._config = name, config
        self._link = ScheddLink(pool, config.schedd, config.token_directory, config.timeout_s)
        self._ours = schedd_jobs.ours(factory, name)
        self._factory = factory
        self._vanished = Vanished(self._link, self._ours, instance)
        self._one_listing = threading.Lock()

    @classmethod
    def of(cls, name: str, config: Config) -> CondorJobs:
        cloud = config.clouds[name]
        if not isinstance(cloud, CondorJobsCloud):
            raise TypeError(f"cloud {name} is of kind {cloud.kind}")
        pool = config.pools[cloud.pool]
        if not isinstance(pool, HtcondorPool):
            raise TypeError(f"cloud {name} has its schedd in pool {cloud.pool}, which is of kind {pool.kind}")
        return cls(name, cloud, pool, config.factory.name)

    def prepare(self, order: Order) -> str:
        return description.request_of(self._config, self._factory, self.name, order)

    def launch(self, request: str) -> tuple[Instance, ...]:
        described, count, token = description.thaw(request)
        _, rows = self._link.submit(described, count, token, schedd_jobs.NAMES)
        schedd_jobs.same_request(rows, request)
        return schedd_jobs.living([instance(row, self._config.held_s) for row in rows])

    def find(self, intent: str, token: str) -> tuple[Instance, ...]:
        whose = f"{self._ours} && ApfIntent == {schedd_jobs.quoted(intent)}"
        rows = self._link.queued(whose, schedd_jobs.NAMES) or self._link.left(whose, schedd_jobs.NAMES, -1)
        return tuple(instance(row, self._config.held_s) for row in rows)

    def listing(self, now: float) -> Listed:
        with self._one_listing:
            rows = self._link.queued(self._ours, schedd_jobs.NAMES)
            there = tuple(instance(row, self._config.held_s) for row in rows)
            over = self._vanished.of(there)
        return Listed(source=f"cloud/{self.name}", at=now, instances=(*there, *over))

    def end(self, ids: Sequence[str]) -> tuple[str, ...]:
        """Whatever they do: this is an operator's kill."""
        if ids:
            self._link.remove(f"{self._ours} && {schedd_jobs.one_of(ids)}", KILLED)
        return tuple(ids)

    def take_back(self, ids: Sequence[str]) -> tuple[str, ...]:
        if not ids:
            return ()
        whose = f"{self._ours} && {schedd_jobs.one_of(ids)}"
        waits = " && ".join(f"JobStatus != {status}" for status in schedd_jobs.AT_WORK)
        over = f"JobStatus != {schedd_jobs.REMOVED} && JobStatus != {schedd_jobs.COMPLETED}"
        self._link.remove(f"{whose} && {waits} && {over}", TAKEN_BACK)
        still = {text(row, schedd_jobs.ID) for row in self._link.queued(f"{whose} && {over}", ())}
        return tuple(one for one in ids if one not in still)

    def mark_held(self, ids: Sequence[str], words: str) -> None:
        if ids:
            value = schedd_jobs.quoted(words) if words else "undefined"
            self._link.edit(f"{self._ours} && {schedd_jobs.one_of(ids)}", "ApfHeld", value)

    def check(self) -> tuple[Finding, ...]:
        """For `apf check --live`. A submit cannot be tried without a pilot."""
        try:
            there = len(self.listing(0.0).instances)
        except CloudError as error:
            return (Finding(what="schedd", ok=False, text=f"{type(error).__name__}: {error}"),)
        return (Finding(what="schedd", ok=True, text=f"answers; {there} pilots of ours"), self._executable())

    def close(self) -> None:
        self._link.close()

    def pids(self) -> list[int]:
        """The child processes that are there now."""
        return self._link.pids()

    def _executable(self) -> Finding:
        """The schedd may be elsewhere, and then only it can tell."""
        path = self._config.executable
        if Path(path).is_file():
            return Finding(what="executable", ok=True, text=path)
        return Finding(what="executable", ok=None, text=f"{path}: not on this host, so only the schedd's can tell")


def instance(row: Row, held_s: float) -> Instance:
    """What an ad says. `held_s`: after so long a held one is stuck."""
    state, reason, finished = _state(row, held_s)
    return Instance(
        id=text(row, schedd_jobs.ID),
        state=state,
        launched_at=float(whole(row, "QDate")),
        address=text(row, "RemoteHost") or text(row, "LastRemoteHost"),
        intent=text(row, "ApfIntent"),
        queue=text(row, "ApfQueue"),
        index=whole(row, "ProcId"),
        token=text(row, "ApfToken"),
        reason=reason,
        held=text(row, "ApfHeld"),
        finished=finished,
        ran_s=schedd_jobs.ran_s(row) if state == "terminated" else 0.0,
    )


def _state(row: Row, held_s: float) -> tuple[str, str, bool]:
    status = whole(row, "JobStatus")
    if status in (schedd_jobs.REMOVED, schedd_jobs.COMPLETED):
        finished, why = schedd_jobs.over_because(row)
        return "terminated", why, finished
    if status in schedd_jobs.AT_WORK:
        return "running", "", False
    if status == schedd_jobs.HELD:
        return ("stuck" if schedd_jobs.held_s(row) >= held_s else "pending"), schedd_jobs.held_because(row), False
    return "pending", "", False
