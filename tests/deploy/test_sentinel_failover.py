"""deploy/redis on real servers: the master is cut off, its Sentinels name another, and the factory goes on there.

What is shown: the old master refuses writes when its replicas are out of reach; the hosts give up their terms when
another server answers, and take them again with larger fences; no row was written with a smaller fence than before; a
host that still reaches the lonely master lets go of it; the Sentinels answer questions and take no orders.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from broker.errors import RedisRefused, Unreachable, reaching
from broker.posts.leases import Leases, Term
from broker.rows.table import Put, Table
from deploy.lab.demo.simulated import SimulatedStage
from deploy.lab.demo.stage import PLACES
from tests.condor_pool import until
from tests.deploy.redis_site import RedisSite
from tests.deploy.served import Served
from tests.factory_process import HostProcess
from tests.written_rows import steps_back, written

POSTS = 2 + len(PLACES)  # the pool, the queue, and each cloud
FAILOVER_S = 60.0  # seconds; a busy machine takes its time


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSite]:
    """One set for the tests that leave it as it is."""
    with RedisSite(tmp_path_factory.mktemp("watched")) as made:
        yield made


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[RedisSite]:
    """A set whose master is another afterwards."""
    folder = tmp_path / "redis"
    folder.mkdir()
    with RedisSite(folder) as made:
        yield made


def sentinel(watched: RedisSite) -> redis.Redis:
    port = watched.sentinel_ports[0]
    return redis.Redis(
        "localhost", port, ssl=True, ssl_ca_certs=str(watched.ca), retry=Retry(NoBackoff(), 0), decode_responses=True
    )


def master_port(watched: RedisSite) -> int:
    said: Any = sentinel(watched).sentinel_get_master_addr_by_name("apf")
    return int(said[1])


def refuses_writes(client: redis.Redis) -> bool:
    try:
        client.set("apf:prod:probe", "x")
    except redis.ResponseError as no:
        return "NOREPLICAS" in str(no)
    except redis.ConnectionError:
        pass
    return False


def follows(client: redis.Redis) -> bool:
    """Whether it is a replica. A server that becomes one closes its clients' connections."""
    try:
        said: Any = client.info("replication")
    except redis.ConnectionError:
        return False
    return bool(said["role"] == "slave")


def test_a_host_that_still_reaches_the_lonely_master_lets_go_of_it(watched: RedisSite) -> None:
    """Its connections stay open, and nothing but the refusal tells that the Sentinels have named another."""
    site = watched.site("host")
    client = site.client()
    leases = Leases(client, site, "test#1", 60.0)
    assert isinstance(leases.acquire("cloud/lonely"), Term)
    watched.freeze_replicas()
    until(lambda: _refused(leases), "writes are refused", FAILOVER_S)
    assert _connections(client) == 0
    watched.thaw_replicas()
    until(lambda: not _refused(leases), "writes are taken again", FAILOVER_S)
    term = leases.acquire("cloud/lonely")
    assert isinstance(term, Term)
    Table(client, site).write(term, [Put(kind="vm", key="a", body=b"1", expected_version=None)])
    leases.release(term)


def test_anyone_may_ask_a_sentinel_and_nobody_may_order_it_about(watched: RedisSite) -> None:
    assert master_port(watched) == watched.cable.port
    orders = (("SENTINEL", "FAILOVER", "apf"), ("SENTINEL", "SET", "apf", "quorum", "1"), ("SENTINEL", "REMOVE", "apf"))
    for order in (*orders, ("SENTINEL", "RESET", "*"), ("SHUTDOWN",), ("CONFIG", "GET", "*"), ("ACL", "LIST")):
        with pytest.raises(RedisRefused), reaching():
            sentinel(watched).execute_command(*order)


def test_a_factory_goes_on_with_the_new_master_and_the_old_one_takes_no_writes(
    doomed: RedisSite, tmp_path: Any
) -> None:
    with SimulatedStage() as stage:
        served = Served(doomed, stage, tmp_path, ttl_s=5.0, tick_s=0.5)
        host = HostProcess("here", served.path, tmp_path, served.environment("host"))
        try:
            host.start()
            stage.submit([3600.0])
            until(lambda: len(stage.lives()) == 1, "a VM is started", FAILOVER_S)
            fences = {line["post"]: line["fence"] for line in host.said("post taken")}
            assert len(fences) == POSTS

            doomed.cable.cut()
            alone = doomed.address("host", doomed.alone).client()
            until(lambda: refuses_writes(alone), "the lonely master refuses writes", FAILOVER_S)
            until(lambda: master_port(doomed) != doomed.cable.port, "another is the master", FAILOVER_S)
            until(lambda: len(host.said("post taken")) >= 2 * POSTS, "the posts are taken again", FAILOVER_S)
            again = {line["post"]: line["fence"] for line in host.said("post taken")}
            assert host.said("post given up")
            assert all(again[post] > fence for post, fence in fences.items())

            stage.submit([1.0])
            until(lambda: len(stage.lives()) == 2, "the second job gets a VM", FAILOVER_S)
            assert all(life.ended_at is None for life in stage.lives()[:1])

            doomed.cable.mend()
            until(lambda: follows(alone), "the old master follows", FAILOVER_S)
        finally:
            host.close()
    site = doomed.site("host")
    for port in doomed.ports[1:]:
        assert steps_back(written(doomed.aof(port), site)) == []
    accepted = written(doomed.aof(master_port(doomed)), site)
    assert {row.post for row in accepted} >= set(fences)


def _refused(leases: Leases) -> bool:
    try:
        leases.acquire("cloud/lonely")
    except Unreachable:
        time.sleep(0.1)
        return True
    return False


def _connections(client: redis.Redis) -> int:
    pool: Any = client.connection_pool
    return sum(connection._sock is not None for connection in pool._available_connections)
