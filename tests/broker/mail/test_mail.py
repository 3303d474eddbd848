"""Mail over a real Redis: what arrives, what is parked, and what survives crashes and restarts."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from broker.codec import CONTENT_TYPE, encode
from broker.connection.address import Site
from broker.connection.embedded import EmbeddedServer
from broker.errors import BadMail, Unreachable
from broker.mail.dead_letters import DeadLetters
from broker.mail.mailboxes import ADDED_AT_ONCE, MAX_BACKLOG, TRIM_EVERY, Mailroom
from tests.broker.post import Post, wait_for
from tests.broker.words import KINDS, Call, Look
from tests.late import in_time


@pytest.fixture(scope="module")
def leaving() -> Iterator[list[Post]]:
    """Closing takes a second (it waits for what was popped): all posts do it together, after the last test."""
    posts: list[Post] = []
    yield posts
    for post in posts:
        post.close()


@pytest.fixture
def post(site: Site, leaving: list[Post]) -> Iterator[Post]:
    post = Post(site)
    leaving.append(post)
    yield post
    post.room.close(timeout_s=0)


def test_many_mailboxes_share_one_thread_and_each_mail_names_its_own(post: Post) -> None:
    for mailbox in ("queue/atlas", "cloud/private"):
        post.room.subscribe(mailbox)
        post.mailer.send(mailbox, Look(row=1, why=("new", "demand")))
    wait_for(lambda: len(post.got) == 2)
    assert sorted(post.got) == [
        ("cloud/private", Look(row=1, why=("new", "demand"))),
        ("queue/atlas", Look(row=1, why=("new", "demand"))),
    ]
    assert post.threads == {"mail-consumer"}
    wait_for(lambda: not post.client.exists(post.site.key("mail-unacked")))
    assert not [key for key in post.client.scan_iter("_kombu*") if post.site.factory.encode() in key]


def test_hundreds_of_mailboxes_that_come_at_once_are_all_read(post: Post) -> None:
    boxes = [f"queue/{number}" for number in range(2 * ADDED_AT_ONCE + 1)]
    for mailbox in boxes:
        post.mailer.send(mailbox, Look(row=1))
        post.room.subscribe(mailbox)
    wait_for(lambda: len(post.got) == len(boxes))
    assert sorted(box for box, _ in post.got) == sorted(boxes)


def test_a_thousand_mails_from_many_threads_all_arrive(post: Post) -> None:
    post.room.subscribe("q")

    def send(first: int) -> None:
        for row in range(first, first + 125):
            post.mailer.send("q", Look(row=row))

    threads = [threading.Thread(target=send, args=(125 * number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for(lambda: set(post.rows("q")) == set(range(1000)))
    assert post.dead.count() == 0


def raw_item(**changes: object) -> str:
    mail: dict[str, object] = {
        "body": "",
        "content-type": CONTENT_TYPE,
        "content-encoding": "binary",
        "headers": {},
        "properties": {"delivery_tag": "t", "delivery_info": {"exchange": "", "routing_key": "?"}},
    }
    return json.dumps(mail | changes)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (b"", "not kombu's JSON"),
        (b"garbage", "not kombu's JSON"),
        (b"\xff\x00\xfe", "not kombu's JSON"),
        (b"[" * 50_000, "not kombu's JSON"),
        (b"null", "no properties"),
        (b'{"properties": 7}', "no properties"),
        (b'{"properties": {"delivery_info": {}}}', "no delivery_tag"),
        (raw_item().encode(), "default exchange"),
        (b'"' + b"x" * 200_000 + b'"', "at most"),
    ],
)
def test_garbage_pushed_into_a_mailbox_is_parked_and_the_consumer_lives_on(
    post: Post, item: bytes, reason: str
) -> None:
    post.room.subscribe("q")
    post.client.lpush(post.site.mailbox("q"), item)
    wait_for(lambda: post.dead.count() == 1)
    letter = post.dead.list()[0]
    assert reason in letter.reason
    assert (letter.mailbox, letter.size, letter.body) == ("q", len(item), item[:4096])
    post.still_lives("q")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"headers": {"compression": "application/x-gzip"}}, "without compression"),
        ({"headers": None}, "headers must be a map"),
        ({"body": 7}, "body must be text"),
        ({"body": "not msgpack", "content-type": "text/plain"}, "content type"),
        ({"body": "\ud800"}, "not kombu's JSON"),
        ({"headers": {"a": {"__type__": "datetime", "__value__": "never"}}}, "not kombu's JSON"),
        ({"headers": {"a": {"__type__": "decimal", "__value__": "x"}}}, "not kombu's JSON"),
        ({"content-type": None}, "content type"),
        ({"content-type": ["x"]}, "content type"),
    ],
)
def test_forged_kombu_mail_is_parked(post: Post, changes: dict[str, object], reason: str) -> None:
    post.room.subscribe("q")
    item = json.loads(raw_item(**changes))
    item["properties"]["delivery_info"]["routing_key"] = post.site.mailbox("q")
    post.client.lpush(post.site.mailbox("q"), json.dumps(item))
    wait_for(lambda: post.dead.count() == 1)
    assert reason in post.dead.list()[0].reason
    post.still_lives("q")


@pytest.mark.parametrize("content_type", ["", "application/data", "application/json", "application/x-python-serialize"])
def test_other_content_types_are_parked_unread(post: Post, content_type: str) -> None:
    post.room.subscribe("q")
    post.raw("q", b"cos\nsystem\n(S'true'\ntR.", content_type)
    wait_for(lambda: post.dead.count() == 1)
    assert "content type" in post.dead.list()[0].reason
    post.still_lives("q")


def test_a_stranger_with_plain_kombu_is_understood(post: Post) -> None:
    post.room.subscribe("q")
    post.raw("q", encode(Look(row=7), sender="operator", sent_at=0.0))
    wait_for(lambda: post.rows("q") == [7])


def test_mail_that_is_too_old_is_parked(post: Post) -> None:
    post.mailer.send("q", Look(row=1), not_after_s=-0.001)
    post.mailer.send("q", Look(row=2), not_after_s=60)
    post.room.subscribe("q")
    wait_for(lambda: post.rows("q") == [2])
    assert "too old" in post.dead.list()[0].reason


def test_a_receiver_that_raises_loses_that_mail_to_the_dead_letters_only(post: Post) -> None:
    post.room.subscribe("q")
    post.mailer.send("q", Call(name="raise"))
    post.still_lives("q")
    assert "the receiver stumbled" in post.dead.list()[0].reason
    wait_for(lambda: not post.client.exists(post.site.key("mail-unacked")))


def test_a_word_outside_the_vocabulary_is_not_sent(post: Post) -> None:
    class Other(Look):
        kind = "other"

    with pytest.raises(BadMail, match="vocabulary"):
        post.mailer.send("q", Other(row=1))


def test_a_mailbox_key_that_is_no_list_blocks_nobody(post: Post) -> None:
    post.client.set(post.site.mailbox("bad"), "x")
    post.room.subscribe("bad")
    post.room.subscribe("q")
    post.still_lives("q")
    wait_for(lambda: post.dead.count() >= 1)
    assert "no list" in post.dead.list()[0].reason
    post.still_lives("bad")


def test_handing_a_mailbox_over_while_mail_flows_loses_nothing(site: Site) -> None:
    first, second = Post(site), Post(site)
    first.room.subscribe("q")
    sender = threading.Thread(target=lambda: [first.mailer.send("q", Look(row=row)) for row in range(800)])
    sender.start()
    wait_for(lambda: len(first.got) > 100)
    first.room.unsubscribe("q")
    second.room.subscribe("q")
    sender.join()
    wait_for(lambda: set(first.rows("q")) | set(second.rows("q")) == set(range(800)))
    assert second.rows("q")
    first.close()
    second.close()


def test_mail_that_comes_just_after_leaving_a_mailbox_is_put_back(post: Post) -> None:
    post.room.subscribe("q")
    post.still_lives("q")
    post.room.unsubscribe("q")
    post.mailer.send("q", Look(row=5))  # the consumer's pop is still under way
    wait_for(lambda: post.client.llen(post.site.mailbox("q")) == 1, deadline_s=8)
    assert 5 not in post.rows("q")


def test_closing_while_mail_flows_loses_nothing(site: Site) -> None:
    first, second = Post(site), Post(site)
    first.room.subscribe("q")
    sender = threading.Thread(target=lambda: [second.mailer.send("q", Look(row=row)) for row in range(1000)])
    sender.start()
    wait_for(lambda: len(first.got) > 100)
    first.close()
    second.room.subscribe("q")
    sender.join()
    wait_for(lambda: set(first.rows("q")) | set(second.rows("q")) == set(range(1000)))
    second.close()


def test_a_mailbox_that_nobody_reads_is_bounded(post: Post) -> None:
    key = post.site.mailbox("q")
    post.client.lpush(key, *["x"] * (MAX_BACKLOG + 500))
    for row in range(TRIM_EVERY):
        post.mailer.send("q", Look(row=row))
    assert post.client.llen(key) == MAX_BACKLOG


def test_dead_letters_are_bounded_and_the_newest_come_first(site: Site) -> None:
    dead = DeadLetters(site.client(), site, most=10)
    for number in range(25):
        dead.add("q", f"reason {number}", b"x" * 10_000)
    letters = dead.list()
    assert [letter.reason for letter in letters] == [f"reason {number}" for number in range(24, 14, -1)]
    assert all(len(letter.body) == 4096 and letter.size == 10_000 for letter in letters)
    assert abs(letters[0].at - time.time()) < 3600


def test_mail_held_by_a_consumer_that_is_killed_is_delivered_again(post: Post) -> None:
    host, port = post.site.address.nodes[0]
    arguments = [host, str(port), str(post.site.address.password), post.site.factory]
    root = Path(__file__).parents[3]
    other = subprocess.Popen(
        [sys.executable, "-m", "tests.broker.mail.stuck_consumer", *arguments], stdout=subprocess.PIPE, cwd=root
    )
    try:
        assert other.stdout is not None
        post.mailer.send("q", Look(row=42))
        assert other.stdout.readline() == b"holding Look(row=42, why=())\n"
        os.kill(other.pid, signal.SIGKILL)
    finally:
        other.kill()
        other.communicate()
    wait_for(lambda: post.client.llen(post.site.mailbox("q")) == 1)  # nobody consumes: this is the janitor's work
    post.room.subscribe("q")
    wait_for(lambda: post.rows("q") == [42])


def test_mail_flows_again_after_redis_was_restarted(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, port=0)
    site = Site(address=server.start(), factory="restarts")
    post = Post(site)
    post.room.subscribe("q")
    post.still_lives("q")
    server.stop()
    wait_for(lambda: not post.room.connected)
    began = time.monotonic()
    with pytest.raises(Unreachable):
        post.mailer.send("q", Look(row=1))
    in_time(2.0, began, "it is over")
    assert server.start() == site.address
    wait_for(lambda: post.room.connected)
    post.still_lives("q")
    post.close()
    server.stop()


def test_a_mailroom_started_before_redis_waits_for_it(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, port=0)
    address = server.start()
    post = Post(Site(address=address, factory="early"))
    server.stop()
    late = Mailroom(post.site, KINDS, post.deliver, post.dead, post.clock)
    late.subscribe("late")
    late.start()
    server.start()
    wait_for(lambda: late.connected)
    post.still_lives("late")
    assert late.close()
    post.close()
    server.stop()


def test_closing_is_bounded_when_redis_is_frozen(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, port=0)
    post = Post(Site(address=server.start(), factory="frozen"))
    post.room.subscribe("q")
    post.still_lives("q")
    assert server.pid
    os.kill(server.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        post.room.close(timeout_s=2.0)
        in_time(4.0, began, "it is over")
        with pytest.raises(redis.TimeoutError):
            redis.Redis(host="127.0.0.1", port=server.address.nodes[0][1], socket_timeout=0.2, retry=None).ping()
    finally:
        os.kill(server.pid, signal.SIGCONT)
        server.stop()
