"""A factory of several hosts, as child processes, on a real Redis and in a simulated world. In a conftest:

    from tests.factory_in_a_world import make_hosts  # noqa: F401

    def test_a_job_is_run(make_hosts):
        factory = make_hosts()
        factory.start(3)
        factory.submit(4, seconds=2)
        factory.until_done()
        factory.judge()

Two clouds, the cheaper first: `private` (at most 3 VMs, free) and `spot` (at most 4, priced). TTL 3 s, tick 0.5 s,
readings every half second. Each host has its own cable to Redis and its own gates to the pool and to the clouds.
"""

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from actors.config.load import load
from actors.config.posts import posts_of
from actors.config.schema import Config
from actors.console import send_wish
from actors.fleet.vm import Vm
from actors.store.views import read_views
from actors.store.vms import read_vms
from actors.store.wants import WishOutcome, read_wants
from broker.connection.address import Site
from broker.connection.embedded import EmbeddedServer
from broker.errors import Unreachable
from broker.posts.leases import Leases, Owner
from broker.rows.table import Table
from deploy.lab.world.model import World
from deploy.lab.world.operations import Operations
from tests import world_judge
from tests.cut_cable import Cable
from tests.factory_process import HostProcess
from tests.late import Broken, NotWithin, late_or_broken
from tests.world_gate import Gate
from tests.written_rows import steps_back, written

QUEUE = "atlas"
TTL_S, TICK_S = 3.0, 0.5
TAKEOVER_S = TTL_S + TICK_S + 1.0
BOOT_S = 1.0
POLL_S = 0.05
START_LIMIT_S = 90.0
MakeHosts = Callable[..., "Factory"]


class OneHost(HostProcess):
    """A host with its own folder, cable and gates; `start` as for any host process."""

    def __init__(self, factory: "Factory", name: str, posts: str, environment: Mapping[str, str]) -> None:
        folder = factory.directory / name
        folder.mkdir()
        self.cable = factory.exits.enter_context(Cable(factory.redis.address.nodes[0][1]))
        self.pool = factory.exits.enter_context(Gate(folder / "pool.sock", factory.operations))
        self.cloud = factory.exits.enter_context(Gate(folder / "cloud.sock", factory.operations))
        self.config_file = folder / "apf.toml"
        secret = {"APF_TEST_REDIS": factory.redis.address.password or ""}
        super().__init__(name, self.config_file, folder, {**secret, **environment}, posts, cwd=folder)


class Factory:
    """`changes` are merged into the configuration. `beside`: another factory, whose Redis and world are used."""

    def __init__(
        self, directory: Path, changes: Mapping[str, Any], name: str = "hosts", beside: "Factory | None" = None
    ) -> None:
        self.directory, self.name = directory, name
        self.exits = ExitStack()
        self.hosts: dict[str, OneHost] = {}
        self._changes = dict(changes)
        self._beside = beside
        self.forgiven: set[str] = set()  # of `steps_back`: what the test itself made

    def __enter__(self) -> "Factory":
        if self._beside:
            self.redis, self.world, self.operations = (
                self._beside.redis, self._beside.world, self._beside.operations,
            )  # fmt: skip
        else:
            self.redis = EmbeddedServer(self.directory / "redis", port=0)
            self.redis.start()
            self.exits.callback(self.redis.stop)
            self.world = World(boot_s=BOOT_S)
            self.operations = Operations(self.world, time.time)
        self.site = Site(address=self.redis.address, factory=self.name)
        self.client = self.site.client()
        self.exits.callback(self.client.close)
        self.table = Table(self.client, self.site)
        self.config_file = self.directory / "apf.toml"
        self.config = self.write(self.config_file, self.redis.address.nodes[0][1])
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.hosts.values():
            host.close()
        self.exits.close()

    # --- hosts

    def host(self, name: str, posts: str = "*", **environment: str) -> OneHost:
        """The host of this name; made, not started, when it is named first."""
        if name not in self.hosts:
            self.hosts[name] = OneHost(self, name, posts, environment)
            self.write(self.hosts[name].config_file, self.hosts[name].cable.port)
        return self.hosts[name]

    def start(self, count: int = 3) -> list[OneHost]:
        """host-1, host-2, ... together; returns when each holds its share and every cloud is known."""
        hosts = [self.host(f"host-{number}") for number in range(1, count + 1)]
        for host in hosts:
            host.start(wait=False)
        self.until(self.settled, f"{count} hosts share all posts", START_LIMIT_S)
        self.until(lambda: all(read_views(self.table, cloud)[0] for cloud in self.config.clouds), "clouds are known")
        return hosts

    def settled(self) -> bool:
        """Every post is held by a host that runs, and no host that runs is without one."""
        running = {name for name, host in self.hosts.items() if host.runs}
        return set(self.holders().values()) == running and self.all_held()

    def all_held(self) -> bool:
        return set(self.holders()) == set(posts_of(self.config))

    def holders(self) -> dict[str, str]:
        """Post -> name of the host that holds it, where one does."""
        return {post: one.holder.partition("#")[0] for post, one in self.terms().items() if one.holder}

    def posts_of(self, name: str) -> list[str]:
        return [post for post, holder in self.holders().items() if holder == name]

    def holder_of(self, post: str) -> OneHost:
        self.until(lambda: post in self.holders(), f"somebody holds {post}")
        return self.hosts[self.holders()[post]]

    def terms(self) -> dict[str, Owner]:
        return {owner.post: owner for owner in Leases(self.client, self.site, "a-test#0", TTL_S).owners()}

    # --- configuration

    def write(self, file: Path, redis_port: int, **changes: Any) -> Config:
        """Write a configuration file for a host that reaches Redis at this port."""
        plain = merged(merged(configuration(self.name), self._changes), changes)
        plain["factory"] |= {"redis": f"redis://127.0.0.1:{redis_port}/0", "redis_password": "env:APF_TEST_REDIS"}
        file.write_text(toml(plain))
        return load(file)

    def change(self, **changes: Any) -> Config:
        """What the next `write` says too; the test's own file is written anew."""
        self._changes = merged(self._changes, changes)
        self.config = self.write(self.config_file, self.redis.address.nodes[0][1])
        return self.config

    # --- what is there

    def vms(self) -> list[Vm]:
        return read_vms(self.table, self.config.clouds)

    def alive(self) -> list[Vm]:
        return [vm for vm in self.vms() if vm.alive]

    def wants(self) -> dict[str, int]:
        return {cloud: want.n for cloud, want in read_wants(self.table, QUEUE).items()}

    def instances(self) -> dict[str, str]:
        """What the clouds list of this factory as not ended: id -> cloud."""
        vms = list(self.world.vms.values())
        return {vm.id: vm.cloud for vm in vms if vm.factory == self.name and vm.state != "terminated"}

    def busy(self) -> set[str]:
        """Ids of the instances that run a job now."""
        self.record()
        return {vm.id for vm in list(self.world.vms.values()) if vm.jobs and vm.state != "terminated"}

    def record(self) -> dict[str, list[Any]]:
        """Every job and every VM that ever was, as the world says."""
        return dict(self.operations.do("record", {}))

    def jobs(self) -> Counter[str]:
        return Counter(job["state"] for job in self.record()["jobs"])

    def wish(self, verb: str, selector: str, name: str, **more: object) -> WishOutcome:
        wanted = send_wish.wish(verb, selector, name, "a test wishes it", 600.0, **more)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("APF_TEST_REDIS", self.redis.address.password or "")
            outcome = send_wish.ask(self.config, wanted, 20.0)
        assert outcome is not None, f"no outcome of {verb} {selector} {name}\n{self.story()}"
        return outcome

    # --- jobs, waiting, judging

    def submit(self, jobs: int, seconds: float = math.inf, queue: str = QUEUE) -> list[int]:
        """Jobs of so many seconds each, or, since a slow machine may be late for any number, until `finish`."""
        return list(self.operations.do("submit", {"queue": queue, "jobs": jobs, "seconds": seconds}))

    def finish(self) -> None:
        """Jobs without an end of their own end; `until_done` sees to it too."""
        self.operations.do("finish", {})

    def until(self, condition: Callable[[], object], what: str, limit_s: float = 20.0) -> float:
        """Wait for a condition, return how long it took (s); fail with what was waited for, and the story."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > limit_s:
                raise late_or_broken(NotWithin(limit_s, what, self.story()), self._broken())
            time.sleep(POLL_S)
        return time.monotonic() - began

    def holds(self, condition: Callable[[], object], what: str, for_s: float) -> None:
        """A condition must be true all the time."""
        deadline = time.monotonic() + for_s
        while time.monotonic() < deadline:
            if not condition():
                raise Broken(f"not true any more: {what}\n{self.story()}")
            time.sleep(POLL_S)

    def until_done(self, limit_s: float = 60.0) -> None:
        """All jobs are done and no VM is left."""
        self.finish()
        self.until(lambda: set(self.jobs()) <= {"done"}, "all jobs are done", limit_s)
        self.until(lambda: not self.alive() and not self.instances(), "no VM is left", 40)

    def judge(self) -> None:
        """The promises were kept, by the world's record and by what Redis accepted."""
        wrong = world_judge.complaints(self.world, self.record(), self.name, self._limits())
        rows = {vm.instance_id for vm in self.vms()}
        wrong += [
            f"instance {i} of {cloud} is listed and has no row"
            for i, cloud in self.instances().items()
            if i not in rows
        ]
        wrong += [line for line in steps_back(written(self.redis.directory, self.site)) if line not in self.forgiven]
        for host in self.hosts.values():
            for bad in ("actor died", "post set aside", "thread failed"):
                wrong += [f"{host.name}: {line}" for line in host.said(bad)]
        if wrong:
            raise Broken("\n".join(wrong) + "\n" + self.story())

    def _broken(self) -> list[str]:
        """Promises that no time can mend, as they stand now."""
        return world_judge.beyond_mending(self.world, self.record(), self.name, self._limits())

    def _limits(self) -> dict[str, int]:
        return {name: cloud.max_vms for name, cloud in self.config.clouds.items()}

    def story(self) -> str:
        """How things stand, for a failed test."""
        try:
            rows = "\n".join(f"  {vm.cloud} {vm.id} {vm.instance_id} {vm.state}: {vm.reason}" for vm in self.vms())
            stand = f"posts: {self.holders()}\nwants: {self.wants()}\nrows:\n{rows}"
        except Unreachable as away:
            stand = f"Redis is away: {away}"
        logs = "\n".join(f"{host.name}:\n{host.text()[-5000:]}" for host in self.hosts.values())
        return f"jobs: {dict(self.jobs())}; listed: {self.instances()}\n{stand}\n{logs}"


def configuration(name: str) -> dict[str, Any]:
    """The factory's configuration without its Redis, as TOML's plain values."""
    cloud = {
        "kind": "simulated",
        "world": "./cloud.sock",
        "shape": {"cpus": 1, "memory_mib": 512},
        "interval_s": 0.5,
        "timeout_s": 2.0,
        "closed_s": 5.0,
    }
    return {
        "factory": {"name": name, "ttl_s": TTL_S, "tick_s": TICK_S, "console": {"port": 0}},
        "pools": {"local": {"kind": "simulated", "world": "./pool.sock", "interval_s": 0.5, "timeout_s": 2.0}},
        "clouds": {
            "private": {**cloud, "max_vms": 3},
            "spot": {**cloud, "max_vms": 4, "usd_per_hour": 0.1},
        },
        "queues": {
            QUEUE: {
                "pool": "local",
                "jobs": f'MATCH_APF_QUEUE == "{QUEUE}"',
                "cascade": [["private"], ["spot"]],
                "release_after_s": 1.0,
            }
        },
    }


def merged(before: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged key by key; everything else is replaced, and None removes."""
    after = dict(before)
    for key, value in changes.items():
        known = after.get(key)
        after[key] = merged(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return {key: value for key, value in after.items() if value is not None}


def toml(tables: Mapping[str, Any]) -> str:
    """Every top table's entries as inline values: JSON's texts, numbers and lists are TOML's too."""
    return "".join(
        f"[{table}]\n" + "".join(f"{json.dumps(key)} = {_inline(value)}\n" for key, value in entries.items())
        for table, entries in tables.items()
    )


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_inline(one)}" for key, one in value.items()) + "}"
    return json.dumps(value)


@pytest.fixture
def make_hosts(tmp_path: Path) -> Iterator[MakeHosts]:
    """make_hosts(name="hosts", beside=None, **configuration changes) -> Factory. All ends with the test."""
    with ExitStack() as stack:

        def make(name: str = "hosts", beside: Factory | None = None, **changes: Any) -> Factory:
            directory = tmp_path / name
            directory.mkdir()
            return stack.enter_context(Factory(directory, changes, name, beside))

        yield make
