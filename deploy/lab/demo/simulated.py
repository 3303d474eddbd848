"""The demo's stage where HTCondor cannot be had: a pool and clouds in the memory of one thread of the demo.

The factory is the real one; only the world is not. The record is the world's own, as the real stage's is HTCondor's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.lab.demo.promises import Place
from deploy.lab.demo.record import Life
from deploy.lab.demo.stage import PLACES, QUEUE, head, toml
from deploy.lab.pool.access_point import COMPLETED, JobRecord
from deploy.lab.world.model import World
from deploy.lab.world.server import WorldServer

BOOT_S = 3.0
_STATUS = {"idle": 1, "running": 2, "done": COMPLETED, "held": 5}  # HTCondor's JobStatus
_OURS = "ended by its owner"

_POOL = """
[pools.local]
kind = "simulated"
world = {world}
interval_s = 1
"""
_CLOUD = """
[clouds.{name}]
kind = "simulated"
world = {world}
shape = {{ cpus = 1, memory_mib = 512 }}
max_vms = {max_vms}
usd_per_hour = {usd_per_hour}
interval_s = 1
closed_s = 5
"""


class SimulatedStage:
    """See `Stage`."""

    title = "a simulated pool and four simulated clouds"

    def __init__(self) -> None:
        self._server = WorldServer(World(boot_s=BOOT_S, capacity={place.name: place.max_vms for place in PLACES}))

    def __enter__(self) -> SimulatedStage:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__(None, None, None)

    def config(self, directory: Path) -> str:
        world = toml(self._server.place)
        return head(directory) + _POOL.format(world=world) + "".join(_cloud(place, world) for place in PLACES)

    def environment(self) -> Mapping[str, str]:
        return {}

    def submit(self, seconds: Sequence[float]) -> None:
        for each in seconds:
            self._server.operations.do("submit", {"queue": QUEUE, "jobs": 1, "seconds": each})

    def finish(self) -> None:
        """Jobs that were submitted to last for ever are done now."""
        self._server.operations.do("finish", {})

    def jobs(self) -> list[JobRecord]:
        record = self._record()
        names = {vm["id"]: vm["name"] for vm in record["vms"]}
        return [_job(job, names) for job in record["jobs"]]

    def lives(self) -> tuple[Life, ...]:
        return tuple(_life(vm) for vm in self._record()["vms"])

    def _record(self) -> dict[str, list[dict[str, Any]]]:
        record: dict[str, list[dict[str, Any]]] = self._server.operations.do("record", {})
        return record


def _cloud(place: Place, world: str) -> str:
    return _CLOUD.format(name=place.name, world=world, max_vms=place.max_vms, usd_per_hour=place.usd_per_hour)


def _job(job: Mapping[str, Any], names: Mapping[str, str]) -> JobRecord:
    done = job["state"] == "done"
    return JobRecord(
        schedd="simulated",
        cluster=job["id"],
        proc=0,
        status=_STATUS[job["state"]],
        queue=job["queue"],
        starts=job["starts"],
        shadow_starts=job["starts"],
        vacates=job["evictions"],
        submitted_at=job["submitted"],
        started_at=job["started"] or None,
        completed_at=job["done"] or None,
        host=f"slot1_1@{names[job['ran_on']]}" if job["ran_on"] else "",
        instance_id=job["ran_on"],
        exit_code=0 if done else None,
    )


def _life(vm: Mapping[str, Any]) -> Life:
    dead = vm["state"] == "terminated"
    return Life(
        id=vm["id"],
        cloud=vm["cloud"],
        intent=vm["intent"],
        decision=vm["decision"],
        token=vm["token"],
        usd_per_hour=vm["usd_per_hour"],
        started_at=vm["launched"],
        ended_at=vm["ended"] if dead else None,
        how="" if not dead or vm["reason"] == _OURS else vm["reason"],
    )
