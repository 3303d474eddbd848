"""The verdict: the world's own ledger and record, held against the rows. What the factory believes counts for nothing.

Busy VMs that ended, jobs that started again and VMs that were given back are counted by name of who did it: only what a
factory's own policy did to a job, or failed to do for a VM, is a broken promise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.lab.world.things import INSIDE, OWNER, SPOT
from tests.world_campaign.played import Played
from tests.world_campaign.stage import NAME, Stage
from tests.world_judge import bought_twice, most_at_once

HEEDED = 10  # listings of a cloud
HIDING = ("redis-emptied", "stale-listings", "partial-listings")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    jobs: int
    vms: int
    most_alive: int
    usd: float
    busy_ended: int
    leaked: int
    bought_twice: int
    jobs_lost: int
    spot_reclaims: int  # busy VMs that a cloud took
    operators_kills: int  # busy VMs that an operator killed
    evictions: int
    failed: int  # jobs that ended at once, on black holes
    powered_off: int  # idle VMs that could not be drained any more, ended by their own switch
    wrong: tuple[str, ...]

    @property
    def kept(self) -> bool:
        return not self.wrong


def judge(stage: Stage, played: Played) -> Verdict:
    ledger, record = stage.world("ledger"), stage.world("record")
    by_policy = [end for end in ledger["busy_ends"] if _by_policy(end, played)]
    spot = [end for end in ledger["busy_ends"] if end["reason"] == SPOT]
    kills = [end for end in ledger["busy_ends"] if end["reason"] == OWNER and end not in by_policy]
    leaked = _leaked(stage, record)
    twice = [*bought_twice(record["vms"]), *_same_number(record["vms"])]
    lost = [job for job in record["jobs"] if job["state"] != "done" and not (played.wrong or played.stopped)]
    wrong = [
        *([played.wrong] if played.wrong else []),
        *(f"busy VM {end['vm']} of {end['cloud']} ended with {end['jobs']} jobs by {end['by']}" for end in by_policy),
        *(f"VM {vm} is alive and no row knows it" for vm in leaked),
        *twice,
        *(f"job {job['id']} is {job['state']} after {job['starts']} starts" for job in lost),
        *_disturbed(record, ledger),
        *_over_limit(stage, record, played),
        *_idled(stage, record),
        *_unheeded(record["vms"], played),
        *([f"left: {line}" for line in stage.world("left")[:20]] if played.wrong else []),
        *played.not_ended,
        *_died(stage),
    ]
    return Verdict(
        jobs=len(record["jobs"]),
        vms=len(record["vms"]),
        most_alive=ledger["most_alive"],
        usd=ledger["usd"],
        busy_ended=len(by_policy),
        leaked=len(leaked),
        bought_twice=len(twice),
        jobs_lost=len(lost),
        spot_reclaims=len(spot),
        operators_kills=len(kills),
        evictions=ledger["evictions"],
        failed=sum(job["failed"] for job in record["jobs"]),
        powered_off=sum(vm["reason"] == INSIDE for vm in record["vms"]),
        wrong=tuple(wrong),
    )


def broken(stage: Stage, played: Played) -> bool:
    """Whether the ledger shows a broken promise already."""
    ledger, vms = stage.world("ledger"), stage.world("record")["vms"]
    by_policy = any(_by_policy(end, played) for end in ledger["busy_ends"])
    unheeded = _unheeded(vms, played)
    over = _over_limit(stage, {"vms": vms}, played)
    return bool(by_policy or ledger["evictions"] or _same_number(vms) or over or unheeded)


def _by_policy(end: Mapping[str, Any], played: Played) -> bool:
    return bool(end["reason"] == OWNER and end["vm"] not in played.killed_by_operator)


def _leaked(stage: Stage, record: Mapping[str, list[Any]]) -> list[str]:
    rows = {vm.instance_id for vm in stage.rows() if vm.alive}
    ours = [vm for vm in record["vms"] if vm["factory"] == NAME and vm["state"] != "terminated"]
    return [vm["id"] for vm in ours if vm["id"] not in rows]


def _same_number(vms: list[Any]) -> list[str]:
    """Two VMs for one place of one launch."""
    counted = Counter((vm["intent"], vm["index"]) for vm in vms)
    return [f"launch {intent} started its number {index} {n} times" for (intent, index), n in counted.items() if n > 1]


def _disturbed(record: Mapping[str, list[Any]], ledger: Mapping[str, Any]) -> list[str]:
    """Jobs put back other than by the end of their VM: a drain evicted them."""
    said = [f"{ledger['evictions']} jobs were evicted by a drain"] if ledger["evictions"] else []
    again = sum(job["evictions"] for job in record["jobs"])
    known = sum(end["jobs"] for end in ledger["busy_ends"]) + ledger["evictions"]
    return said + ([f"{again} jobs were put back, {known} are accounted for"] if again != known else [])


def _over_limit(stage: Stage, record: Mapping[str, list[Any]], played: Played) -> list[str]:
    """More VMs of a cloud at once than the configuration allows.

    Emptied rows and a listing that is stale or hides VMs, together, leave nobody who knows of them: not judged then.
    """
    if {"redis-emptied"} < {fault.kind for fault in played.faults if fault.kind in HIDING}:
        return []
    wrong = []
    for name, cloud in stage.config.clouds.items():
        most = most_at_once([vm for vm in record["vms"] if vm["cloud"] == name])
        if most > cloud.max_vms:
            wrong.append(f"{most} VMs of {name} at once, {cloud.max_vms} are allowed")
    return wrong


def _idled(stage: Stage, record: Mapping[str, list[Any]]) -> list[str]:
    """VMs that nobody ended and that ended themselves, but for those whose startd refused to be drained, and black
    holes, which are held for a look.

    A drain taken back in the moment in which its last job ended leaves a retirement time of 0 behind: such a startd
    would evict, so it is not drained. Its switch is there for that.
    """
    lines = stage.log_lines()
    refused = {line["machine"] for line in lines if line.get("event") == "drain refused"}
    held = {line["vm"] for line in lines if line.get("event") == "vm" and line["why"].startswith("black hole")}
    itself = [vm for vm in record["vms"] if vm["reason"] == INSIDE]
    alone = [vm for vm in itself if vm["name"] not in refused and f"{vm['intent']}-{vm['index']}" not in held]
    return [f"VM {vm['id']} of {vm['cloud']} idled until its own switch ended it" for vm in alone]


def _unheeded(vms: list[Any], played: Played) -> list[str]:
    """VMs that took a job long after their cloud said that it will take them.

    Counted in listings of that cloud, not in seconds: a host that gets no processor makes none. Judged where nothing
    else happens: with Redis, its host or its cloud away nobody can drain a VM in time.
    """
    if {fault.kind for fault in played.faults} != {"spot-notices"}:
        return []
    late = [vm for vm in vms if vm["began_after"] > HEEDED]
    return [f"VM {vm['id']} took a job {vm['began_after']} listings after its cloud's notice" for vm in late]


def _died(stage: Stage) -> list[str]:
    bad = ("actor died", "post set aside", "thread failed")
    return [f"{line['event']}: {line}" for line in stage.log_lines() if line.get("event") in bad]
