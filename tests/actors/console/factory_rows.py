"""A factory's rows without a host: a real Redis, a configuration for it, and a hand that writes as holders do."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from actors.config.schema import Config
from actors.fleet.vm import State, Vm
from actors.store.codec import pack
from broker.connection.address import Site
from broker.connection.clock import RedisClock
from broker.posts.hosts import HostInfo, Hosts
from broker.posts.leases import Leases, Term
from broker.rows.table import Put, Table

_HOLDER = "test#1a2b3c4d"


def config_at(site: Site, folder: Path) -> Config:
    """Two simulated clouds that nobody serves, one queue; its Redis is the site's."""
    password = folder / "redis-password"
    password.write_text(site.address.password or "")
    host, port = site.address.nodes[0]
    cloud = {"kind": "simulated", "world": "127.0.0.1:9", "shape": {"cpus": 1, "memory_mib": 512}}
    return Config.model_validate(
        {
            "factory": {
                "name": site.factory,
                "redis": f"redis://{host}:{port}/0",
                "redis_password": f"file:{password}",
                "directory": str(folder),
                "ttl_s": 15.0,
            },
            "pools": {"local": {"kind": "simulated", "world": "127.0.0.1:9", "interval_s": 5}},
            "clouds": {
                "private": {**cloud, "max_vms": 2},
                "spot": {**cloud, "max_vms": 4, "usd_per_hour": 0.5},
            },
            "queues": {
                "atlas": {"pool": "local", "jobs": 'MATCH_APF_QUEUE == "atlas"', "cascade": [["private"], ["spot"]]}
            },
        }
    )


class Rows:
    """Writes rows as the holders of posts would."""

    def __init__(self, site: Site) -> None:
        client = site.client()
        self.table = Table(client, site)
        self.leases = Leases(client, site, _HOLDER, ttl_s=60.0)
        self.hosts = Hosts(client, site)
        clock = RedisClock(client)
        clock.sync()
        self.now = clock.now
        self._terms: dict[str, Term] = {}
        self._numbers = itertools.count(1)

    def host(self, *declines: str) -> None:
        """A host that beats now."""
        name, _, incarnation = _HOLDER.partition("#")
        info = HostInfo(
            host=name, incarnation=incarnation, version="1.0", started_at=self.now() - 100, declines=declines
        )
        self.hosts.beat(info, within_s=15.0)

    def hold(self, *posts: str) -> None:
        for post in posts:
            self.term(post)

    def term(self, post: str) -> Term:
        if post not in self._terms:
            term = self.leases.acquire(post)
            assert isinstance(term, Term)
            self._terms[post] = term
        return self._terms[post]

    def write(self, kind: str, post: str, key: str, value: Any) -> None:
        self.table.write(self.term(post), [Put(kind=kind, key=key, body=pack(value), expected_version=None)])

    def vm(self, cloud: str, state: State, **changes: Any) -> Vm:
        """A VM's row of queue atlas."""
        number = next(self._numbers)
        facts: dict[str, Any] = {
            "id": f"x-{number}",
            "instance_id": f"i-{number}",
            "since": self.now() - 30,
            "born": self.now() - 60,
            "reason": "made for a test",
        }
        vm = Vm(cloud=cloud, queue="atlas", state=state, **(facts | changes))
        self.write("vm", f"cloud/{cloud}", vm.id, vm)
        return vm
