"""deploy/redis/users.acl on real servers over TLS: each user can do its work, and nothing else."""

import contextlib
import io
import json
import math
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import kombu
import msgpack
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from broker.errors import RedisRefused, reaching
from broker.rows.table import Table
from deploy.lab.demo.simulated import SimulatedStage
from tests.condor_pool import until
from tests.deploy.redis_site import RedisSite
from tests.deploy.served import Served
from tests.factory_process import HostProcess
from tests.readme import manual
from tests.samples.shapes import CLOUD, SHAPES

Call = Callable[[redis.Redis], object]


@pytest.fixture(scope="module")
def served(secured: RedisSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A factory of one host that logs in as `prod-host`; it has run two jobs and drained their VM."""
    folder = tmp_path_factory.mktemp("factory")
    secured.forget()  # a factory before this one had its wishes there, and VMs of a world that is gone
    with SimulatedStage() as stage:
        made = Served(secured, stage, folder, ttl_s=3.0, tick_s=0.5)
        host = HostProcess("here", made.path, folder, made.environment("host"))
        try:
            host.start()
            stage.submit([math.inf, math.inf])
            until(lambda: has_met_its_jobs(made), "the factory sees the VMs that run them")
            stage.finish()
            until(lambda: bool(stage.lives()) and all(life.ended_at for life in stage.lives()), "they come and go", 90)
            assert all(job.undisturbed for job in stage.jobs())
            yield made
        finally:
            host.close()


def has_met_its_jobs(served: Served) -> bool:
    """Both run, on VMs that the factory knows to have joined: only then does their life have all its states."""
    status = json.loads(served.apf("dashboard", "status", "--json").stdout)
    (queue,) = status["queues"]
    return queue["running"] == 2 and {vm["state"] for vm in status["vms"]} == {"ready"}


@pytest.fixture
def log(secured: RedisSite) -> Callable[[str], list[dict[str, Any]]]:
    """What the server refused a user since the test began."""
    client = secured.address("test", secured.alone).client()
    client.acl_log_reset()

    def refused(user: str) -> list[dict[str, Any]]:
        return [entry for entry in client.acl_log() if entry["username"] == f"prod-{user}"]

    return refused


def client_of(secured: RedisSite, user: str) -> redis.Redis:
    return secured.address(user, secured.alone).client()


# --- who nobody knows


def test_nobody_comes_in_without_a_name_and_without_tls(secured: RedisSite) -> None:
    once = Retry(NoBackoff(), 0)
    nameless = redis.Redis("localhost", secured.alone, retry=once, ssl=True, ssl_ca_certs=str(secured.ca))
    with pytest.raises(redis.AuthenticationError):
        nameless.ping()
    with pytest.raises(redis.ConnectionError):
        redis.Redis("localhost", secured.alone, retry=once).ping()
    with pytest.raises(redis.ConnectionError, match="certificate"):
        redis.Redis("localhost", secured.alone, retry=once, ssl=True).ping()


# --- the host


def test_a_factory_runs_as_the_host_user_and_is_refused_nothing(served: Served) -> None:
    client = served.redis.address("test", served.redis.alone).client()
    assert [entry for entry in client.acl_log() if entry["username"] == "prod-host"] == []
    kinds = {key.decode().split(":")[2] for key in client.scan_iter("apf:prod:*")}
    assert {"rows", "leases", "hosts", "document", "generation"} <= kinds


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.set("elsewhere", 1),
        lambda client: client.hgetall("apf:other:leases"),
        lambda client: client.flushall(),
        lambda client: client.flushdb(),
        lambda client: client.keys("*"),
        lambda client: client.config_get("*"),
        lambda client: client.acl_list(),
        lambda client: client.shutdown(),
        lambda client: client.execute_command("DEBUG", "SLEEP", "0"),
        lambda client: client.execute_command("REPLICAOF", "NO", "ONE"),
        lambda client: client.eval("return redis.call('GET', KEYS[1])", 1, "apf:other:x"),
    ],
)
def test_the_host_reaches_its_own_factorys_keys_and_nothing_else(secured: RedisSite, call: Call) -> None:
    with pytest.raises(RedisRefused), reaching():
        call(client_of(secured, "host"))


# --- the operator


def test_the_readmes_script_works_as_the_operator(served: Served) -> None:
    (script,) = re.findall(r"```python\n(.*?)```", manual(), re.DOTALL)
    url = served.redis.url("operator", served.redis.alone) + f"?ssl_ca_certs={served.redis.ca}"
    script = script.replace('"redis://localhost:6379/0"', repr(url))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(script, "operate.md", "exec"), {})
    assert "'verdict': 'accepted'" in printed.getvalue()


def test_apf_drain_works_as_the_operator(served: Served) -> None:
    result = served.apf("operator", "drain", "--cloud", "spot", "--reason", "as the operator", "--life", "1m")
    assert result.exit_code == 0, result.output
    assert "accepted" in result.output


def test_the_operator_may_say_that_to_one_mailbox_only(secured: RedisSite) -> None:
    client = client_of(secured, "operator")
    client.lpush("apf:prod:mail:operator", "x")
    with pytest.raises(RedisRefused), reaching():
        client.lpush("apf:prod:mail:scheduler@queue/atlas", "x")


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.hgetall("apf:prod:rows:vm:cloud/spot"),
        lambda client: client.hgetall("apf:prod:leases"),
        lambda client: client.hgetall("apf:prod:document:config"),
        lambda client: client.hgetall("apf:prod:once:wish"),
        lambda client: client.hset("apf:prod:once:outcome", "wish-0001", b"accepted"),
        lambda client: client.hset("apf:prod:leases", "cloud/spot", "1 me 0 9"),
        lambda client: client.rpop("apf:prod:mail:operator"),
        lambda client: client.lrange("apf:prod:mail:operator", 0, -1),
        lambda client: client.delete("apf:prod:mail:operator"),
        lambda client: client.eval("return 1", 0),
        lambda client: client.flushall(),
        lambda client: client.flushdb(),
        lambda client: client.keys("*"),
        lambda client: client.scan(),
        lambda client: client.info(),
        lambda client: client.publish("news", "x"),
        lambda client: client.config_set("appendonly", "no"),
        lambda client: client.client_list(),
    ],
)
def test_the_operator_may_do_nothing_else(secured: RedisSite, call: Call) -> None:
    with pytest.raises(RedisRefused), reaching():
        call(client_of(secured, "operator"))


# --- the dashboard


@pytest.mark.parametrize("command", ["status", "owners", "wishes", "why"])
def test_the_dashboard_reads_the_whole_factory(
    served: Served, command: str, log: Callable[[str], list[dict[str, Any]]]
) -> None:
    options = {"status": "--json", "owners": "--json", "wishes": "--all", "why": "atlas"}
    result = served.apf("dashboard", command, options[command])
    assert result.exit_code == 0, result.output
    assert {entry["object"].split(":")[3] for entry in log("dashboard")} <= {"intent"}
    if command == "owners":
        seen = json.loads(result.stdout)
        assert [host["alive"] for host in seen["hosts"]] == [True]
        assert seen["unowned"] == []


def test_the_dashboard_tells_the_life_of_a_vm_from_its_history(
    served: Served, log: Callable[[str], list[dict[str, Any]]]
) -> None:
    ended: list[str] = []

    def is_known_to_have_ended() -> bool:
        status = json.loads(served.apf("dashboard", "status", "--json").stdout)
        ended.extend(vm["id"] for vm in status["vms"] if vm["state"] == "ended")
        return bool(ended)

    until(is_known_to_have_ended, "a listing shows the end of their VM", 60)
    vm = ended[0]
    result = served.apf("dashboard", "why", vm, "--json")
    assert result.exit_code == 0, result.output
    story = json.loads(result.stdout)
    walked = [one["now"] for one in story["moments"] if one["was"] != one["now"]]
    assert walked == ["launching", "booting", "ready", "draining", "drained", "ending", "ended"]
    assert story["whole"]
    assert all(one["by"].startswith("here#") for one in story["moments"])
    assert {entry["object"].split(":")[3] for entry in log("dashboard")} <= {"intent"}


def test_the_dashboard_may_read_every_kind_of_row_but_the_intents(secured: RedisSite) -> None:
    site = secured.site("dashboard", secured.alone)
    table = Table(site.client(), site)
    for kind, post in {(shape.kind, shape.post) for shape in SHAPES} - {("intent", CLOUD)}:
        assert table.read(kind, post) is not None if post else table.read_once(kind) is not None


def test_the_dashboard_reads_dead_letters_and_drops_none(served: Served) -> None:
    site = served.redis.site("host", served.redis.alone)
    with kombu.Connection(
        served.redis.url("operator", served.redis.alone) + f"?ssl_ca_certs={served.redis.ca}"
    ) as connection:
        connection.Producer().publish(msgpack.packb([1]), routing_key=site.mailbox("operator"), content_type="a/b")
    until(lambda: "a/b" in served.apf("dashboard", "dead", "list").output, "the letter is listed")
    letters = site.client().xrange(site.key("dead-letters"))
    result = served.apf("dashboard", "dead", "drop", letters[-1][0].decode())
    assert result.exit_code == 1
    assert "refused" in result.output.lower()


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.hset("apf:prod:rows:vm:cloud/spot", "x", "1 1\n"),
        lambda client: client.hdel("apf:prod:leases", "cloud/spot"),
        lambda client: client.lpush("apf:prod:mail:operator", "x"),
        lambda client: client.hgetall("apf:prod:rows:intent:cloud/spot"),  # the worker's token stands in it
        lambda client: client.set("apf:prod:generation", "x"),
        lambda client: client.eval("return 1", 0),
        lambda client: client.flushall(),
        lambda client: client.config_get("*"),
        lambda client: client.hgetall("apf:other:leases"),
    ],
)
def test_the_dashboard_writes_nothing_and_sees_no_secret(secured: RedisSite, call: Call) -> None:
    with pytest.raises(RedisRefused), reaching():
        call(client_of(secured, "dashboard"))


def test_a_wish_by_the_dashboard_is_refused_by_redis(served: Served) -> None:
    result = served.apf("dashboard", "drain", "--cloud", "spot", "--reason", uuid.uuid4().hex, "--wait", "5")
    assert result.exit_code == 1
    assert "permission" in result.output


# --- rows that the limits rest on


def test_a_full_memory_refuses_writes_and_throws_nothing_away(secured: RedisSite) -> None:
    seen: Any = secured.address("test", secured.alone).client().config_get("*")
    assert seen["maxmemory-policy"] == "noeviction"
    assert seen["appendonly"] == "yes"
    assert (seen["min-replicas-to-write"], seen["min-replicas-max-lag"]) == ("1", "3")
