"""The judge of a factory in a simulated world: the world's own record, not what the factory believes."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from deploy.lab.world.model import World

Record = Mapping[str, list[Any]]


def complaints(world: World, record: Record, factory: str, limits: Mapping[str, int]) -> list[str]:
    """What is wrong with the whole story. `limits`: cloud -> the most VMs of this factory that may be alive at once."""
    vms = [vm for vm in record["vms"] if world.vms[vm["id"]].factory == factory]
    return [*_disturbed(record), *_ended_busy(world), *bought_twice(vms), *_over_limit(vms, limits)]


def beyond_mending(world: World, record: Record, factory: str, limits: Mapping[str, int]) -> list[str]:
    """What no test breaks on purpose and no time mends; a test may disturb its jobs itself."""
    vms = [vm for vm in record["vms"] if world.vms[vm["id"]].factory == factory]
    return [*_ended_busy(world), *bought_twice(vms), *_over_limit(vms, limits)]


def _disturbed(record: Record) -> list[str]:
    return [
        f"job {job['id']}: {job['state']}, {job['starts']} starts, {job['evictions']} evictions"
        for job in record["jobs"]
        if (job["state"] == "done" and job["starts"] != 1) or job["evictions"]
    ]


def _ended_busy(world: World) -> list[str]:
    killed = world.ledger.killed
    return [f"{killed} jobs were killed with their VM"] if killed else []


def bought_twice(vms: list[Any]) -> list[str]:
    """A launch is known by its intent: one token for it, and each of its numbers once."""
    tokens: dict[str, set[str]] = {}
    for vm in vms:
        tokens.setdefault(vm["intent"], set()).add(vm["token"])
    several = [f"launch {intent} was sent with {len(used)} tokens" for intent, used in tokens.items() if len(used) > 1]
    nameless = [f"instance {vm['id']} has no intent" for vm in vms if not vm["intent"]]
    return several + nameless


def _over_limit(vms: list[Any], limits: Mapping[str, int]) -> list[str]:
    most = {cloud: most_at_once([vm for vm in vms if vm["cloud"] == cloud]) for cloud in {vm["cloud"] for vm in vms}}
    return [
        f"{count} VMs of {cloud} at once, {limits[cloud]} are allowed"
        for cloud, count in most.items()
        if count > limits.get(cloud, count)
    ]


def most_at_once(vms: list[Any]) -> int:
    changes: Counter[float] = Counter()
    for vm in vms:
        changes[vm["launched"]] += 1
        if vm["ended"]:
            changes[vm["ended"]] -= 1
    alive = most = 0
    for _, change in sorted(changes.items()):
        alive += change
        most = max(most, alive)
    return most
