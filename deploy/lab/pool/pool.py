"""A real HTCondor pool on one machine: central manager and access points, no worker nodes yet.

Why: everything that matters about retiring workers (evictions, drains, readings that succeed and are
empty) is HTCondor's own behaviour. A stand-in would only repeat our beliefs about it.

The rule it keeps: real daemons, real authentication, ports that were free; up in under a second; gone
without a trace, also when the process that made it is killed.
"""

import random
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deploy.lab import processes
from deploy.lab.pool import daemon_config, tokens
from deploy.lab.pool.access_point import AccessPoint, JobRecord, LabJob
from deploy.lab.pool.condor import condor_prefix
from deploy.lab.pool.daemon_config import Pace
from deploy.lab.pool.master import Master, ToolFailed
from deploy.lab.pool.user import DOMAIN, lab_user

_START_LIMIT_S = 20.0
_PORTS = range(20000, 32000)  # below the kernel's range for outgoing connections


class PoolNotUp(Exception):
    """A daemon did not come up in time; the text says which, and where its log is."""


class LabPool:
    """Collector, negotiator and `schedds` access points in `directory`.

    `prefix` is an unpacked HTCondor (default: the newest that can be had), `address` one of this machine's. Usable as a
    context manager.
    """

    def __init__(
        self,
        directory: Path,
        pace: Pace | str = Pace.QUICK,
        *,
        schedds: int = 1,
        prefix: Path | None = None,
        address: str = "127.0.0.1",
    ) -> None:
        self.directory = directory
        self.pace = Pace(pace)
        self.prefix = prefix or condor_prefix()
        self.user = lab_user()
        self.collector, self._address = "", address
        self._central = self._master("central")
        self.access_points = [self._access_point(f"ap{n}") for n in range(1, schedds + 1)]

    def start(self) -> None:
        """Start all daemons; returns when the schedds' ads are in the collector."""
        tokens.make_signing_key(self.directory / "secrets", self.user)
        self.collector = f"{self._address}:{_free_port(self._address)}"
        self._central.start(self._central_config())
        self._mint_own_token()
        _until(self._collector_answers, "the collector", self._central)
        for point in self.access_points:
            point.master.start(self._access_point_config(point))
        _until(self._schedds_are_seen, "a schedd", self.access_points[0].master)

    def stop(self) -> None:
        """End all daemons at once."""
        for point in self.access_points:
            point.master.kill()
        self._central.kill()

    def __enter__(self) -> "LabPool":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def schedds(self) -> list[str]:
        """The schedds' names, as in their ads."""
        return [point.name for point in self.access_points]

    def tokens(self, folder: Path) -> Path:
        """Make `folder` a client's token directory for the factory (look, drain)."""
        return tokens.token_directory(self._central, folder, daemon_config.FACTORY, tokens.FACTORY_MAY)

    def submitter_tokens(self, folder: Path) -> Path:
        """The same for who submits jobs, removes them and looks: the jobs' owner."""
        return tokens.token_directory(self._central, folder, self.user.identity, tokens.SUBMITTER_MAY)

    @property
    def worker_token_command(self) -> list[str]:
        """A command that prints a worker's token, as an operator would configure it."""
        return tokens.worker_token_command(self._central)

    def worker_token(self) -> str:
        """A token that may only look and advertise a worker."""
        return tokens.mint(self._central, daemon_config.WORKER, tokens.WORKER_MAY)

    def environment(self) -> Mapping[str, str]:
        """PATH and CONDOR_CONFIG for whoever runs this to use HTCondor's tools on the pool, with all rights."""
        folder = self.directory / "person"
        own = tokens.token_directory(self._central, folder / "tokens", self.user.identity)
        config = folder / "condor_config"
        config.write_text(
            daemon_config.places(self.prefix, folder)
            + daemon_config.network(self.collector)
            + daemon_config.client_security(own)
        )
        return {"PATH": self._central.environment()["PATH"], "CONDOR_CONFIG": str(config)}

    def tool(self, *argv: str) -> str:
        """Run one of HTCondor's tools on the central manager; its output."""
        return self._central.tool(*argv)

    def submit(self, jobs: Sequence[LabJob], schedd: int = 0) -> list[str]:
        """Submit jobs to one access point; their ids."""
        return self.access_points[schedd].submit(jobs)

    def queue(self) -> list[JobRecord]:
        """All jobs in all queues."""
        return [job for point in self.access_points for job in point.queue()]

    def history(self) -> list[JobRecord]:
        """All jobs that left a queue: the record that the lab is judged by."""
        return [job for point in self.access_points for job in point.history()]

    def kill_collector(self, *, stays_dead: bool = False) -> None:
        """`kill -9` the collector. Its master starts it again, unless `stays_dead`."""
        if stays_dead:
            self._signal(self._central, "condor_master", signal.SIGSTOP)
        self._signal(self._central, "condor_collector", signal.SIGKILL)

    def restart_collector(self) -> None:
        """After kill_collector: returns when a collector answers again (an empty one)."""
        self._signal(self._central, "condor_master", signal.SIGCONT)
        _until(self._collector_answers, "the collector", self._central)

    def freeze_collector(self) -> None:
        self._signal(self._central, "condor_collector", signal.SIGSTOP)

    def thaw_collector(self) -> None:
        self._signal(self._central, "condor_collector", signal.SIGCONT)

    def freeze_schedd(self, schedd: int = 0) -> None:
        self._signal(self.access_points[schedd].master, "condor_schedd", signal.SIGSTOP)

    def thaw_schedd(self, schedd: int = 0) -> None:
        self._signal(self.access_points[schedd].master, "condor_schedd", signal.SIGCONT)

    def lose_queue(self, schedd: int = 0) -> None:
        """The schedd dies and its job queue is gone: its master starts an empty one. What runs for it runs on."""
        point = self.access_points[schedd]
        self.freeze_schedd(schedd)
        for log in (point.master.directory / "spool").glob("job_queue.log*"):
            log.unlink()
        self._signal(point.master, "condor_schedd", signal.SIGKILL)

    def _master(self, name: str) -> Master:
        return Master(prefix=self.prefix, directory=self.directory / name, user=self.user)

    def _access_point(self, name: str) -> AccessPoint:
        return AccessPoint(f"{name}@{DOMAIN}", self._master(name))

    def _shared_config(self, directory: Path) -> str:
        return (
            daemon_config.places(self.prefix, directory)
            + daemon_config.network(self.collector)
            + daemon_config.pool_security(self.directory / "secrets", self.user.identity)
            + daemon_config.pace(self.pace)
        )

    def _central_config(self) -> str:
        return self._shared_config(self._central.directory) + _CENTRAL

    def _access_point_config(self, point: AccessPoint) -> str:
        names = f"SCHEDD_NAME = {point.name}\nSCHEDD_ADDRESS_FILE = {point.address_file}\n"
        return self._shared_config(point.master.directory) + _ACCESS_POINT + names

    def _mint_own_token(self) -> None:
        """What the pool's daemons show each other. It is minted with the configuration that `start` has written."""
        token = tokens.mint(self._central, self.user.identity)
        self.user.write(self.directory / "secrets/tokens/pool", token + "\n", 0o600)

    def _collector_answers(self) -> bool:
        return bool(_said(self._central, "condor_status", "-collector", "-af", "Name"))

    def _schedds_are_seen(self) -> bool:
        seen = _said(self._central, "condor_status", "-schedd", "-af", "Name").split()
        return set(self.schedds) <= set(seen)

    def _signal(self, master: Master, daemon: str, number: signal.Signals) -> None:
        pid = master.pid(daemon)
        if pid is None:
            raise PoolNotUp(f"{daemon} does not run; its log is in {master.directory}/log")
        processes.send(pid, number)


def _said(master: Master, *argv: str) -> str:
    try:
        return master.tool(*argv)
    except ToolFailed:
        return ""


def _until(condition: Callable[[], bool], what: str, master: Master) -> None:
    deadline = time.monotonic() + _START_LIMIT_S
    while not condition():
        if time.monotonic() > deadline or master.has_ended():
            raise PoolNotUp(f"{what} did not answer in {_START_LIMIT_S:g} s; see {master.directory}/log")
        time.sleep(0.05)


def _free_port(address: str) -> int:
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            if probe.connect_ex((address, port)) != 0:
                return port


_CENTRAL = """
DAEMON_LIST = MASTER, COLLECTOR, NEGOTIATOR
MASTER_NAME = central
COLLECTOR_NAME = lab
"""

_ACCESS_POINT = """
DAEMON_LIST = MASTER, SCHEDD
SEC_USE_FAMILY_SESSION = false
MAX_JOBS_RUNNING = 200000
MAX_JOBS_PER_SUBMISSION = 200000
JOB_START_COUNT = 100
JOB_START_DELAY = 0
SYSTEM_JOB_MACHINE_ATTRS = $(SYSTEM_JOB_MACHINE_ATTRS) CloudInstanceID
"""
