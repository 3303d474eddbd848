"""The judge of every fault test: the pool's history, the cloud's ledger and the rows, not what the factory believes.

The promises, as they can be seen from outside:
- every job is done; it was started once and never evicted (a test that breaks a worker names the jobs it disturbed);
- no launch bought twice: a token and an intent stand in one fresh start each, and no cloud had more than its limit;
- no instance was ended through the API while a job ran there;
- no instance is left; every instance that was listed had a row before long;
- the fence of a row never goes back.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from broker.rows.table import Table
from deploy.lab.pool.access_point import JobRecord

Entry = Mapping[str, Any]
ROUNDED_S = 1.0  # a schedd's dates are whole seconds


class Fences:
    """Sees the VM rows again and again; the fence of none may go back."""

    def __init__(self, table: Table, clouds: Collection[str]) -> None:
        self._table = table
        self._posts = [f"cloud/{cloud}" for cloud in clouds]
        self._seen: dict[tuple[str, str], int] = {}
        self.broken: list[str] = []

    def look(self) -> None:
        for post, rows in self._table.read_many("vm", self._posts).items():
            for key, row in rows.items():
                before = self._seen.get((post, key), 0)
                if row.fence < before:
                    self.broken.append(f"row {key} of {post}: fence {before}, then {row.fence}")
                self._seen[post, key] = row.fence

    def forget(self) -> None:
        """The rows were thrown away on purpose."""
        self._seen.clear()


def complaints(
    history: Sequence[JobRecord], waiting: Sequence[JobRecord], ledger: Sequence[Entry], limits: Mapping[str, int]
) -> list[str]:
    """What is wrong with the whole story. `limits`: instance type -> the most that may be alive at once."""
    return [
        *(f"job {_name(job)} is still in the queue" for job in waiting),
        *(f"job {_name(job)} was not done: status {job.status}" for job in history if not job.completed),
        *bought_twice(ledger),
        *over_limit(ledger, limits),
        *ended_under_jobs(history, ledger),
    ]


def disturbed(history: Iterable[JobRecord]) -> list[str]:
    """The jobs that were started more than once, or evicted."""
    return [
        f"job {_name(job)}: {job.starts} starts, {job.shadow_starts} shadows, {job.vacates} vacates"
        for job in history
        if not job.undisturbed
    ]


def bought_twice(ledger: Sequence[Entry]) -> list[str]:
    fresh = [one for one in ledger if one["action"] == "RunInstances" and not one.get("repeat")]
    counts = Counter(("intent", one["tags"].get("apf:intent", "")) for one in fresh)
    counts.update(("token", one["token"]) for one in fresh)
    return [f"{what} {name or '(none)'} started instances {n} times" for (what, name), n in counts.items() if n > 1]


def over_limit(ledger: Sequence[Entry], limits: Mapping[str, int]) -> list[str]:
    type_of: dict[str, str] = {}
    alive: Counter[str] = Counter()
    wrong = []
    for one in ledger:
        if one["action"] == "RunInstances" and not one.get("repeat"):
            type_of.update(dict.fromkeys(one["ids"], one["type"]))
            alive[one["type"]] += len(one["ids"])
            if alive[one["type"]] > limits.get(one["type"], alive[one["type"]]):
                wrong.append(f"{alive[one['type']]} VMs of {one['type']} at once; allowed: {limits[one['type']]}")
        elif one["action"] in ("TerminateInstances", "Ended"):
            for instance in one["ids"]:
                if kind := type_of.pop(instance, ""):
                    alive[kind] -= 1
    return wrong


def ended_under_jobs(history: Sequence[JobRecord], ledger: Sequence[Entry]) -> list[str]:
    ends = [(one["at"], instance) for one in ledger if one["action"] == "TerminateInstances" for instance in one["ids"]]
    return [
        f"{instance} was ended at {at:.1f}, while job {_name(job)} ran there ({job.started_at} to {job.completed_at})"
        for at, instance in ends
        for job in history
        if job.instance_id == instance and _ran(job, at)
    ]


def _ran(job: JobRecord, at: float) -> bool:
    if job.started_at is None:
        return False
    return job.started_at + ROUNDED_S < at < (job.completed_at or float("inf")) - ROUNDED_S


def _name(job: JobRecord) -> str:
    return f"{job.schedd.partition('@')[0]} {job.cluster}.{job.proc}"
