"""What a benchmark needs around a host: a real pool, a Redis, an EC2 endpoint, and the host as a child process.

The host's configuration is built here as plain values. All clouds are the one endpoint; they differ by their tags.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from actors.config.schema import Config
from broker.connection.address import Site as RedisSite
from broker.connection.embedded import EmbeddedServer
from deploy.lab import processes
from deploy.lab.cloud.api import IMAGE
from deploy.lab.pool.pool import LabPool
from deploy.lab.pool.user import DOMAIN, lab_directory
from tests.benchmarks.endpoint import Endpoint
from tests.factory_process import HostProcess, Kept, Running

NAME = "bench"
TICKS = os.sysconf("SC_CLK_TCK")


class Note(NamedTuple):
    """One line of a host's notes, in monotonic seconds; `used`: of a core, by its thread."""

    what: str
    whose: str
    began: float
    ended: float
    used: float


class BenchHost(HostProcess):
    """`tests.benchmarks.noted_host` as a child process; `notes()` is what it noted so far."""

    def __init__(self, config: Config, directory: Path, password: str, noted: bool, stalls: bool) -> None:
        file = directory / "config.json"
        file.write_text(config.model_dump_json())
        self._notes = directory / "notes"
        keys = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_EC2_METADATA_DISABLED": "true"}
        super().__init__(NAME, file, directory, keys | {"APF_BENCH_REDIS": password})
        self._argv = [sys.executable, "-m", "tests.benchmarks.noted_host", str(file)]
        if noted:
            self._argv += [str(self._notes), *(["stalls"] if stalls else [])]

    def _begin(self) -> Running:
        """Not from the forge: its memory and its processor time are its own."""
        return Kept(self._argv, log=self.log_file, environment=self._environment)

    def notes(self) -> list[Note]:
        lines = self._notes.read_text().split("\n")[:-1] if self._notes.exists() else []
        return [Note(*json.loads(line)) for line in lines]

    def children(self) -> list[int]:
        return processes.descendants(self.pid)


class BenchSite:
    """`with BenchSite() as site:` a pool without a negotiator (nothing here is to run), a Redis and an endpoint."""

    def __enter__(self) -> BenchSite:
        with ExitStack() as stack:
            self.directory = stack.enter_context(lab_directory())
            self.pool = stack.enter_context(LabPool(self.directory / "pool", "stock"))
            stop_negotiator(self.pool)
            self.redis = EmbeddedServer(self.directory / "redis", port=0)
            self.redis.start()
            stack.callback(self.redis.stop)
            self.endpoint = stack.enter_context(Endpoint())
            self._exits = stack.pop_all()
        self.redis_site = RedisSite(address=self.redis.address, factory=NAME)
        self.tokens = self.pool.tokens(self.directory / "factory-tokens")
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def config(self, queues: Sequence[str], clouds: Sequence[str], **changes: dict[str, Any]) -> Config:
        """`changes` by section: factory, pool, cloud, queue."""
        cloud = {
            "kind": "ec2",
            "endpoint": self.endpoint.url,
            "region": "us-east-1",
            "image": IMAGE,
            "instance_type": "m5.large",
            "shape": {"cpus": 1, "memory_mib": 2048},
            "max_vms": 250,
        }
        pool = {
            "kind": "htcondor",
            "collector": self.pool.collector,
            "token_directory": str(self.tokens),
            "trust_domain": DOMAIN,
            "worker_token_command": self.pool.worker_token_command,
        }
        factory = {
            "name": NAME,
            "redis": str(self.redis.address),
            "redis_password": "env:APF_BENCH_REDIS",
            "console": {"port": 0},
        }
        cascade = [[name] for name in clouds]
        return Config.model_validate(
            {
                "factory": factory | changes.get("factory", {}),
                "pools": {"local": pool | changes.get("pool", {})},
                "clouds": {name: cloud | changes.get("cloud", {}) for name in clouds},
                "queues": {
                    name: {"pool": "local", "jobs": f'MATCH_APF_QUEUE == "{name}"', "cascade": cascade}
                    | changes.get("queue", {})
                    for name in queues
                },
            }
        )

    def host(self, config: Config, *, noted: bool = True, stalls: bool = False) -> BenchHost:
        """Not started yet; the caller closes it."""
        return BenchHost(config, self.directory, self.redis.address.password or "", noted, stalls)


def stop_negotiator(pool: LabPool) -> None:
    """It would try to match jobs with startds that are not there."""
    pid = pool._central.pid("condor_negotiator")
    if pid is not None:
        processes.freeze_tree(pid)


def until(condition: Callable[[], object], what: str, limit_s: float = 60.0) -> None:
    """Wait for a condition. Raises TimeoutError that says what was waited for."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {limit_s:g} s: {what}")
        time.sleep(0.1)


def cpu_s(pid: int) -> float:
    """Seconds of a core that a process has used, in user and system mode, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid: int, what: str = "VmRSS") -> float:
    """Resident memory in MB (10^6 bytes). `what`: VmRSS now, VmHWM the most so far."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 / 1e6 for line in status if line.startswith(f"{what}:")), 0.0)


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))
