"""Garbage in every key and field of a live factory of three hosts, one kind of key after the other, while jobs run.

The rule: one bad value stops nobody. It spoils itself; hosts still own posts, buy and drain, no job is disturbed, and a
person is told which value it is. What hosts can know again they write anew; the rest is set aside when asked.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
import pytest
from typer.testing import CliRunner

from actors.cli import app
from broker.errors import Unreachable
from tests.factory_in_a_world import Factory, MakeHosts

JOBS = 3
AGAIN_S = 45.0  # a lease that was spoiled, or a loss that was seen, costs a TTL; a busy machine more
NOT_OURS = (float("nan"), float("inf"), float("-inf"), None, [[]], {"a": 1}, b"\xff")
VALUES = (b"", b"garbage", b"\xff\xfe\x00", b"nan", b"inf", b"-1", b"9" * 400, b"\xc1", b"0 - 0 0", b"{" * 500)


def keys_of(factory: Factory) -> list[bytes]:
    """Of the factory's own values; mail has a test of its own."""
    mine = factory.site.prefix.encode()
    found = sorted(factory.client.scan_iter(match=mine + b"*", count=1_000))
    return [
        key for key in found if not key[len(mine) :].startswith((b"mail", b"aside", b"damaged", b"_kombu", b"unacked"))
    ]


def garbage_for(value: bytes, chance: random.Random) -> bytes:
    """Half of it is as near to a row as can be: its head is kept, its fields are not what they should be."""
    head, newline, body = value.partition(b"\n")
    if not newline or chance.random() < 0.4:
        return chance.choice(VALUES)
    try:
        content = msgpack.unpackb(body)
    except ValueError:
        content = None
    if isinstance(content, dict) and content and chance.random() < 0.7:
        content[chance.choice(list(content))] = chance.choice(NOT_OURS)
        return head + b"\n" + bytes(msgpack.packb(content))
    return head + b"\n" + chance.choice(VALUES)


def spoil_fields(factory: Factory, key: bytes, chance: random.Random) -> None:
    client: Any = factory.client
    match client.type(key):
        case b"hash":
            for field, value in client.hgetall(key).items():
                client.hset(key, field, garbage_for(value, chance))
            for field in (b"zzz", b"cloud/zzz", b"\xff\xfe", b"a b"):
                client.hset(key, field, chance.choice(VALUES))
        case b"zset":
            client.zadd(key, {b"nobody": float("inf"), b"\xff#1": 1e300, b"a#b": -1.0})
        case b"stream":
            client.xadd(key, {b"\xff": b"garbage"})
            client.xadd(key, {b"k": b"\xff", b"b": b"garbage"})
        case _:
            client.set(key, chance.choice(VALUES))


def spoil_type(factory: Factory, key: bytes, chance: random.Random) -> None:
    client: Any = factory.client
    was = client.type(key)
    with client.pipeline(transaction=True) as both:  # a host may write it anew in between
        both.delete(key)
        if was != b"string" and chance.random() < 0.5:
            both.set(key, b"garbage")
        else:
            both.sadd(key, b"garbage")
        both.execute()


def groups(factory: Factory) -> Iterator[list[bytes]]:
    """The keys, by their kind."""
    kinds = dict.fromkeys(b":".join(key[len(factory.site.prefix) :].split(b":")[:2]) for key in keys_of(factory))
    for kind in kinds:
        yield [key for key in keys_of(factory) if key[len(factory.site.prefix) :].startswith(kind)]


def settled(factory: Factory) -> bool:
    try:
        return factory.settled()
    except Unreachable:  # the leases are no leases now
        return False


@pytest.mark.parametrize("spoil", [spoil_fields, spoil_type])
def test_garbage_in_every_key_and_field_stops_nobody(
    make_hosts: MakeHosts, spoil: Callable[[Factory, bytes, random.Random], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    factory, chance = make_hosts(), random.Random(1)
    factory.start(3)
    monkeypatch.setenv("APF_TEST_REDIS", factory.redis.address.password or "")
    factory.wish("hold", "queue", "atlas")
    factory.wish("release", "queue", "atlas")
    factory.submit(JOBS)
    factory.until(lambda: len(factory.busy()) == JOBS, "all jobs run", 40)
    for keys in groups(factory):
        for key in keys:
            spoil(factory, key, chance)
        told = CliRunner().invoke(app, ["status", str(factory.config_file)])
        assert told.exception is None or isinstance(told.exception, SystemExit), (keys, told.exception)
        factory.until(lambda: settled(factory), f"three hosts share all posts after garbage in {keys}", AGAIN_S)
        assert len(factory.busy()) == JOBS, f"a job was disturbed after garbage in {keys}\n{factory.story()}"
    doctor = ["doctor", "rows", str(factory.config_file)]
    CliRunner().invoke(app, [*doctor, "--set-aside"])
    factory.until(lambda: CliRunner().invoke(app, doctor).exit_code == 0, "every value can be read", AGAIN_S)
    factory.submit(2)
    factory.until(lambda: len(factory.busy()) == JOBS + 2, "more is bought", 60)
    for host in factory.hosts.values():
        assert host.runs
        assert not host.said("actor died")
        assert not host.said("thread failed"), host.said("thread failed")
    factory.until_done(90)
