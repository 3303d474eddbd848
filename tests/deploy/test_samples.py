"""Upgrades: this version reads the rows and the mail of every version before it, from a real Redis."""

import base64
import json
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgpack
import pytest

from actors.runtime.messages import KINDS
from actors.store.codec import VERSION, BadRow, pack, unpack
from actors.store.wants import WishOutcome
from broker.codec import CONTENT_TYPE
from broker.connection.address import Address, Site
from broker.connection.clock import RedisClock
from broker.envelope import Message
from broker.mail.dead_letters import DeadLetters
from broker.mail.mailboxes import Mailroom
from broker.posts.hosts import Hosts
from broker.posts.leases import Leases
from broker.rows.document import Document
from broker.rows.table import Table
from tests.broker.post import Post, wait_for
from tests.samples.__main__ import CONFIG, FACTORY, HOLDER, HOST
from tests.samples.shapes import SHAPES, message, plain

FOLDER = Path(__file__).parents[1] / "samples"
ACTORS = Path(__file__).parents[2] / "actors"
SAMPLES = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


@pytest.fixture(params=SAMPLES)
def sample(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = SAMPLES[request.param]
    return found


@pytest.fixture
def old(sample: dict[str, Any], redis_address: Address) -> Iterator[Site]:
    """A Redis as that version left it."""
    site = Site(address=redis_address, factory=FACTORY)
    client: Any = site.client()
    for key, value in sample["keys"].items():
        _restore(client, key, value["type"], value["holds"])
    yield site
    client.delete(*client.keys(f"{site.prefix}*"))


def _restore(client: Any, key: str, kind: str, holds: Any) -> None:
    if kind == "hash":
        client.hset(key, mapping={_bytes(name): _bytes(body) for name, body in holds.items()})
    elif kind == "zset":
        client.zadd(key, {_bytes(name): score for name, score in holds.items()})
    else:
        client.rpush(key, *map(_bytes, holds))


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)


NOT_READ = {"joined_recently"}  # what was written for nobody


def says(now: Any, then: Any) -> bool:
    """Whether what is read now says all that was said then; fields that are new may say more."""
    if isinstance(then, dict):
        read = {name: value for name, value in then.items() if name not in NOT_READ}
        return isinstance(now, dict) and all(name in now and says(now[name], value) for name, value in read.items())
    if isinstance(then, list):
        return isinstance(now, list) and len(now) == len(then) and all(map(says, now, then))
    return bool(now == then)


def test_every_kind_of_row_and_mail_of_this_version_has_a_sample() -> None:
    source = "\n".join(path.read_text() for path in ACTORS.rglob("*.py"))
    written = set(re.findall(r'(?:Put\(kind=|put_once\(|_put\()"([a-z-]+)"', source))
    assert {"vm", "want", "wish"} <= written
    mine = SAMPLES[version("autopyfactory-cloud")]
    advice = "add it to tests/samples/shapes.py, then run `python -m tests.samples`"
    assert {place.split()[0] for place in mine["rows"]} == written, advice
    assert set(mine["mail"]) == set(KINDS), advice


def test_a_sample_of_a_release_has_every_field_set_to_something() -> None:
    for shape in SHAPES:
        for one in shape.made if isinstance(shape.made, tuple) else (shape.made,):
            assert all(value not in (None, "", 0, ()) for value in plain(one).values()), shape.place


def test_every_row_is_read_as_it_was_meant(sample: dict[str, Any], old: Site) -> None:
    table, shapes = Table(old.client(), old), {shape.place: shape for shape in SHAPES}
    for place, meant in sample["rows"].items():
        shape = shapes[place]
        row = table.get(shape.kind, shape.post, shape.key) if shape.post else None
        body = row.body if row else table.get_once(shape.kind, shape.key)
        assert body is not None, place
        assert says(plain(shape.read(body)), meant), place


def test_every_mail_is_delivered_as_it_was_meant(sample: dict[str, Any], old: Site) -> None:
    client = old.client()
    clock, dead = RedisClock(client), DeadLetters(client, old)
    came: dict[str, Message] = {}
    room = Mailroom(old, KINDS, lambda _box, word, _envelope: came.update({word.kind: word}), dead, clock)
    for kind in sample["mail"]:
        room.subscribe(f"sample@{kind}")
    room.start()
    wait_for(lambda: len(came) + dead.count() >= len(sample["mail"]))
    assert room.close()
    assert [letter.reason for letter in dead.list()] == []
    for kind, meant in sample["mail"].items():
        assert says(came[kind].model_dump(mode="json"), meant), kind


def test_hosts_terms_and_the_active_configuration_are_read(old: Site) -> None:
    client = old.client()
    (live,) = Hosts(client, old).live(within_s=1e10)
    assert live.info == HOST
    owners = Leases(client, old, HOLDER, 5.0).owners()
    assert {owner.post for owner in owners} == {shape.post for shape in SHAPES if shape.post}
    assert all(owner.fence > 1_700_000_000_000 for owner in owners)
    edition = Document(client, old, "config").read()
    assert edition is not None
    assert (edition.number, edition.body, edition.by) == (1, CONFIG, HOLDER)


# --- what the next version may send us


def test_a_field_that_is_not_known_yet_is_passed_over() -> None:
    outcome = WishOutcome(id="wish-0001", verdict="accepted", why="", at=1.0)
    newer = msgpack.packb({**msgpack.unpackb(pack(outcome)), "of_tomorrow": 1})
    assert unpack(WishOutcome, newer) == outcome


def test_a_shape_of_tomorrow_is_refused_and_never_misread() -> None:
    outcome = WishOutcome(id="wish-0001", verdict="accepted", why="", at=1.0)
    newer = msgpack.packb({**msgpack.unpackb(pack(outcome)), VERSION: 2})
    with pytest.raises(BadRow, match="shape 2; this version reads 1: upgrade this host"):
        unpack(WishOutcome, newer)


def test_rows_of_before_the_version_was_written_are_the_first_shape() -> None:
    outcome = WishOutcome(id="wish-0001", verdict="accepted", why="", at=1.0)
    older = {name: value for name, value in msgpack.unpackb(pack(outcome)).items() if name != VERSION}
    assert unpack(WishOutcome, msgpack.packb(older)) == outcome


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kind": "look-at-tomorrow"}, "kind 'look-at-tomorrow' is not known here"),
        ({"schema_version": 2}, "schema version '2'; only 1 is read"),
        ({"body": {"cloud": "spot", "of_tomorrow": 1}}, "of_tomorrow: Extra inputs are not permitted"),
    ],
)
def test_mail_of_tomorrow_is_put_aside_with_its_reason(site: Site, changes: dict[str, Any], reason: str) -> None:
    post = Post(site)
    assert post.room.close()
    post.room = Mailroom(site, KINDS, post.deliver, post.dead, post.clock)
    post.room.subscribe("q")
    post.room.start()
    word = message("look-at-fleet")
    mail = {"schema_version": 1, "id": "a", "kind": word.kind, "sender": "b#1", "sent_at": 1.0}
    mail["body"] = word.model_dump()
    post.raw("q", msgpack.packb(mail | changes), CONTENT_TYPE)
    wait_for(lambda: post.dead.count() == 1)
    (letter,) = post.dead.list()
    assert reason in letter.reason
    assert letter.whole
    assert post.got == []
    post.close()
