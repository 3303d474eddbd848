"""Where the demo plays: the pool, the clouds, their records, and the configuration that a factory needs for them.

Four tiers, as a site may have them: its own cloud, an academic one, spot instances, on-demand ones. Each is small, so
jobs fill them one after the other, and when they become fewer the dearest is given back first. A stage judges nothing;
it hands out the pool's and the clouds' own records.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from deploy.lab.cloud.api import IMAGE
from deploy.lab.demo.promises import Place
from deploy.lab.demo.record import Life, lives
from deploy.lab.pool.access_point import JobRecord, LabJob
from deploy.lab.site import Site

FACTORY = "demo"
QUEUE = "atlas"
PLACES = (
    Place(name="private", tier=0, max_vms=2, usd_per_hour=0.0),
    Place(name="academic", tier=1, max_vms=2, usd_per_hour=0.0),
    Place(name="spot", tier=2, max_vms=2, usd_per_hour=0.12),
    Place(name="on-demand", tier=3, max_vms=2, usd_per_hour=0.4),
)
TYPES = {"private": "m5.large", "academic": "t3.large", "spot": "c5.large", "on-demand": "c5.xlarge"}

_FACTORY = """
[factory]
name = {factory}
redis = "embedded"
directory = {directory}
ttl_s = 3
tick_s = 0.5
console = {{ port = 0 }}

[queues.{queue}]
pool = "local"
jobs = 'MATCH_APF_QUEUE == "{queue}"'
cascade = {cascade}
release_after_s = 3
"""
_POOL = """
[pools.local]
kind = "htcondor"
collector = {collector}
token_directory = {tokens}
trust_domain = "lab"
worker_token_command = {command}
interval_s = 1

[accounts.lab]
access_key_id = "env:LAB_KEY_ID"
secret_access_key = "env:LAB_KEY"
"""
_CLOUD = """
[clouds.{name}]
kind = "ec2"
account = "lab"
endpoint = {endpoint}
region = "us-east-1"
image = {image}
instance_type = {type}
market = "{market}"
shape = {{ cpus = 1, memory_mib = 512 }}
max_vms = {max_vms}
usd_per_hour = {usd_per_hour}
interval_s = 1
closed_s = 5
"""


class Stage(Protocol):
    """`title` says what it is. Usable as a context manager; the methods are for inside it."""

    title: str

    def config(self, directory: Path) -> str:
        """The factory's TOML; `directory` is its own folder."""
        ...

    def environment(self) -> Mapping[str, str]:
        """What the factory's process needs beside the caller's environment."""
        ...

    def submit(self, seconds: Sequence[float]) -> None:
        """One job of each length (s). They are visible in the queue when it returns."""
        ...

    def jobs(self) -> list[JobRecord]:
        """All jobs, waiting, running and done, by the pool's own record."""
        ...

    def lives(self) -> tuple[Life, ...]:
        """All VMs that ever were, by the clouds' own record."""
        ...


class RealStage:
    """HTCondor's own daemons, and an EC2 API whose instances are real startds. Raises CannotHave when entered."""

    title = "a real HTCondor pool and four EC2 clouds, all on this machine"

    def __init__(self) -> None:
        self._site = Site()

    def __enter__(self) -> RealStage:
        self._site.__enter__()
        places = {TYPES[place.name]: place for place in PLACES}
        self._site.cloud.control.set(
            capacity={kind: place.max_vms for kind, place in places.items()},
            usd_per_hour={kind: place.usd_per_hour for kind, place in places.items()},
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._site.__exit__(None, None, None)

    @property
    def site(self) -> Site:
        return self._site

    def config(self, directory: Path) -> str:
        pool = self._site.pool
        told = _POOL.format(
            collector=toml(pool.collector),
            tokens=toml(str(self._site.tokens())),
            command=toml(list(pool.worker_token_command)),
        )
        return head(directory) + told + "".join(self._cloud(place) for place in PLACES)

    def environment(self) -> Mapping[str, str]:
        return {"LAB_KEY_ID": "lab", "LAB_KEY": "lab"}

    def submit(self, seconds: Sequence[float]) -> None:
        self._site.pool.submit([LabJob(seconds=each, queue=QUEUE) for each in seconds])

    def jobs(self) -> list[JobRecord]:
        queue = self._site.pool.queue()  # first: a job that leaves meanwhile is in the history then
        history = self._site.pool.history()
        left = {(job.cluster, job.proc) for job in history}
        return history + [job for job in queue if (job.cluster, job.proc) not in left]

    def lives(self) -> tuple[Life, ...]:
        return lives(self._site.cloud.control.ledger())

    def _cloud(self, place: Place) -> str:
        return _CLOUD.format(
            name=place.name,
            endpoint=toml(self._site.cloud.endpoint),
            image=toml(IMAGE),
            type=toml(TYPES[place.name]),
            market="spot" if place.name == "spot" else "on-demand",
            max_vms=place.max_vms,
            usd_per_hour=place.usd_per_hour,
        )


def head(directory: Path) -> str:
    """The part of the configuration that every stage shares."""
    cascade = [[place.name] for place in sorted(PLACES, key=lambda place: place.tier)]
    return _FACTORY.format(factory=toml(FACTORY), directory=toml(str(directory)), queue=QUEUE, cascade=toml(cascade))


def toml(value: object) -> str:
    """Texts, and lists of them, as TOML; JSON's quoting is a part of TOML's."""
    return json.dumps(value)
