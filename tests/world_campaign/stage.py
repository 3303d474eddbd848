"""What a campaign is played on: a Redis, a world in a process of its own, and three real hosts.

Each host has its own cable to Redis and its own links to the world, named HOST/pool and HOST/cloud, so it can be cut
off alone, and the world's ledger says who made which call.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.clouds.simulated.link import WorldLink
from actors.config.load import load
from actors.config.posts import posts_of
from actors.config.schema import Config
from actors.fleet.vm import Vm
from actors.store.vms import read_vms
from broker.connection.address import Site
from broker.connection.embedded import EmbeddedServer
from broker.posts.leases import Leases
from broker.rows.table import Table
from deploy.lab import keeper
from tests.cut_cable import Cable
from tests.factory_in_a_world import toml
from tests.factory_process import ROOT, HostProcess, Running
from tests.forge import forge
from tests.late import within
from tests.world_campaign.faults import HOSTS

NAME = "campaign"
QUEUES = ("atlas", "cms")
# name, tier, share of all VMs, usd an hour
CLOUDS = (
    ("facility", 0, 0.15, 0.0),
    ("academic", 1, 0.15, 0.0),
    ("spot-a", 2, 0.2, 0.03),
    ("spot-b", 2, 0.2, 0.03),
    ("demand-a", 3, 0.15, 0.1),
    ("demand-b", 3, 0.15, 0.1),
)
SPOT = ("spot-a", "spot-b")
ROOM = 1.5  # times what the configuration allows: the factory's own limits must hold, not the clouds'
SECRET = "APF_TEST_REDIS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast things go, in seconds. A larger fleet needs slower readings, as a real one has."""

    ttl_s: float
    tick_s: float
    pool_s: float
    cloud_s: float
    timeout_s: float
    boot_s: float
    boot_deadline_s: float
    closed_s: float
    release_s: float
    job_s: tuple[float, float]
    poweroff_s: float  # the dead man's switch of workers

    @classmethod
    def of(cls, vms: int) -> Pace:
        if vms <= 500:
            return cls(ttl_s=3, tick_s=0.5, pool_s=0.7, cloud_s=0.7, timeout_s=2, boot_s=1, boot_deadline_s=10,
                       closed_s=3, release_s=1, job_s=(2, 8), poweroff_s=150)  # fmt: skip
        slow = min(1.0, vms / 10_000)
        return cls(ttl_s=4 + 6 * slow, tick_s=1 + slow, pool_s=1 + 5 * slow, cloud_s=1.5 + 8 * slow,
                   timeout_s=4 + 8 * slow, boot_s=2 + 3 * slow, boot_deadline_s=20 + 40 * slow, closed_s=5 + 5 * slow,
                   release_s=2 + 10 * slow, job_s=(10, 30 + 90 * slow), poweroff_s=200 + 400 * slow)  # fmt: skip


class CampaignHost(HostProcess):
    """A host with its own cable. `off`: the guard that is switched off in it (see guards.py)."""

    def __init__(self, stage: Stage, name: str, off: str) -> None:
        folder = stage.directory / name
        self.cable = stage.exits.enter_context(Cable(stage.redis.address.nodes[0][1]))
        config = folder / "apf.toml"
        password = {SECRET: stage.redis.address.password or ""}
        super().__init__(name, config, folder, password, cwd=folder)
        self._off = off
        stage.write(config, self.cable.port)

    def _begin(self) -> Running:
        argv = [str(self._config), self.name, self._off]
        return forge().run(
            "tests.world_campaign.host", argv, log=self.log_file, environment=self._environment, cwd=self._cwd
        )


class Stage:
    """`with Stage(directory, vms, seed) as stage: stage.start()`"""

    def __init__(self, directory: Path, vms: int, seed: int, off: str = "") -> None:
        self.directory, self.vms, self.seed, self.off = directory, vms, seed, off
        self.pace = Pace.of(vms)
        self.exits = ExitStack()
        self.hosts: dict[str, CampaignHost] = {}

    def __enter__(self) -> Stage:
        with self.exits:
            self._begin()
            self.exits = self.exits.pop_all()
        return self

    def _begin(self) -> None:
        for name in HOSTS:
            (self.directory / name).mkdir(parents=True)
        self.redis = EmbeddedServer(self.directory / "redis", port=0)
        self.redis.start()
        self.exits.callback(self.redis.stop)
        os.environ[SECRET] = self.redis.address.password or ""
        self.site = Site(address=self.redis.address, factory=NAME)
        self.client = self.site.client()
        self.exits.callback(self.client.close)
        self.table = Table(self.client, self.site)
        self._start_world()
        self.config = self.write(self.directory / "apf.toml", self.redis.address.nodes[0][1])
        for name in HOSTS:
            self.hosts[name] = CampaignHost(self, name, self.off)
            self.exits.callback(self.hosts[name].close)

    def __exit__(self, *_: object) -> None:
        self.exits.close()

    def _start_world(self) -> None:
        links = [f"{name}/{kind}={self.directory / name / kind}.sock" for name in HOSTS for kind in ("pool", "cloud")]
        capacity = [f"{name}={max(2, int(ROOM * share * self.vms))}" for name, _, share, _ in CLOUDS]
        words = [sys.executable, "-m", "deploy.lab.world", "--seed", str(self.seed), "--dead-shown-s", "90"]
        words += ["--boot-s", str(self.pace.boot_s), "--poweroff-s", str(self.pace.poweroff_s), "--cycle-s", "0.2"]
        words += [word for one in capacity for word in ("--capacity", one)]
        words += [word for one in links for word in ("--link", one)]
        argv = keeper.command(os.getpid(), -1, -1, words)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment, cwd=ROOT)
        self.exits.callback(process.wait, 10)
        self.exits.callback(process.terminate)
        assert process.stdout is not None
        place = process.stdout.readline().decode().strip()
        self._link = WorldLink(place, 60.0)

    def world(self, operation: str, **arguments: Any) -> Any:
        """Ask the world itself, past its weather."""
        return self._link.call(operation, **arguments)

    # --- the factory

    def write(self, file: Path, redis_port: int) -> Config:
        plain = configuration(self.vms, self.pace)
        plain["factory"] |= {"redis": f"redis://127.0.0.1:{redis_port}/0", "redis_password": f"env:{SECRET}"}
        file.write_text(toml(plain))
        return load(file)

    def start(self) -> None:
        for host in self.hosts.values():
            host.start(wait=False)

    def holders(self) -> dict[str, str]:
        """Post -> name of the host that holds it. Raises Unreachable."""
        owners = Leases(self.client, self.site, "a-test#0", self.pace.ttl_s).owners()
        return {owner.post: owner.holder.partition("#")[0] for owner in owners if owner.holder}

    def posts(self) -> set[str]:
        return set(posts_of(self.config))

    def rows(self) -> list[Vm]:
        return read_vms(self.table, self.config.clouds)

    def log_lines(self) -> list[dict[str, Any]]:
        return [line for host in self.hosts.values() for line in host.lines()]


def configuration(vms: int, pace: Pace) -> dict[str, Any]:
    """The factory's configuration without its Redis, as TOML's plain values."""
    cloud = {
        "kind": "simulated",
        "world": "./cloud.sock",
        "shape": {"cpus": 1, "memory_mib": 512},
        "interval_s": pace.cloud_s,
        "timeout_s": pace.timeout_s,
        "closed_s": pace.closed_s,
        "boot_deadline_s": pace.boot_deadline_s,
        "batch": max(5, min(100, vms // 100)),
    }
    tiers: dict[int, list[str]] = {}
    for name, tier, _, _ in CLOUDS:
        tiers.setdefault(tier, []).append(name)
    queue = {
        "pool": "local",
        "cascade": list(tiers.values()),
        "release_after_s": pace.release_s,
        "black_hole_s": pace.job_s[0] / 2,
    }
    pool = {
        "kind": "simulated",
        "world": "./pool.sock",
        "interval_s": pace.pool_s,
        "timeout_s": pace.timeout_s,
        "worker_identities": ["worker@sim"],
    }
    return {
        "factory": {
            "name": NAME,
            "ttl_s": pace.ttl_s,
            "tick_s": pace.tick_s,
            "console": {"port": 0},
            "actors": {"calls": 32},
        },
        "pools": {"local": pool},
        "clouds": {
            name: {
                **cloud,
                "max_vms": max(1, int(share * vms)),
                "usd_per_hour": usd,
                "notices_queue": name in SPOT,
            }
            for name, _, share, usd in CLOUDS
        },
        "queues": {name: {**queue, "jobs": f'MATCH_APF_QUEUE == "{name}"'} for name in QUEUES},
    }


def until(condition: Any, what: str, limit_s: float, poll_s: float = 0.2) -> float:
    """Seconds that it took. Raises NotWithin."""
    return within(limit_s, what, condition, poll_s=poll_s)


def environment_of(off: str) -> Mapping[str, str]:
    return {"APF_TEST_GUARD_OFF": off} if off else {}
