"""Mail that nobody can read, in every mailbox, while jobs run.

The rule: what cannot be acted on is parked with its reason, the actors live, and the mail behind it is read.
"""

import pytest

from actors.config.posts import posts_of
from actors.host.engine import _mailboxes
from actors.runtime.post_office import OPERATOR
from broker.codec import CONTENT_TYPE
from tests.factory_on_lab import Factory, MakeFactory

pytestmark = pytest.mark.lab

# body, content type
MAIL = (
    (b"\xc1 is no msgpack", CONTENT_TYPE),
    (b"cos\nsystem\n(S'true'\ntR.", "application/x-python-serialize"),
    (b'{"kind": "look-at-want"}', "application/json"),
    (b"\x81\xa4kind\xa5order", CONTENT_TYPE),
)


def test_garbage_in_every_mailbox_is_parked_with_its_reason_and_stops_nobody(make_factory: MakeFactory) -> None:
    factory = make_factory()
    host = factory.host()
    factory.submit(2, gate=factory.gate())
    host.start()
    factory.until(lambda: len(factory.terms()) == 4, "all posts are held", 20)
    mailboxes = [OPERATOR, *(box for post in posts_of(factory.config) for box in _mailboxes(post))]
    assert len(mailboxes) == 6
    for mailbox in mailboxes:
        throw_in(factory, mailbox)
    parked = len(mailboxes) * (len(MAIL) + 1)
    factory.until(lambda: factory.dead_letters.count() >= parked, "all of it is parked", 30)
    for mailbox in mailboxes:
        reasons = [letter.reason for letter in factory.dead_letters.list() if letter.mailbox == mailbox]
        assert len(reasons) == len(MAIL) + 1
        assert len(set(reasons)) == len(reasons), reasons
    factory.until(lambda: len(factory.running_jobs()) == 2, "both jobs run", 40)
    factory.wish("vm", factory.alive()[0].id)  # mail still gets through
    factory.until_done()
    factory.judge()
    assert not host.said("actor died")


def throw_in(factory: Factory, mailbox: str) -> None:
    """Once as raw bytes in Redis, and each of MAIL by Kombu, as an outsider may send it."""
    queue = factory.redis_site.mailbox(mailbox)
    factory.client.lpush(queue, b"\x00 raw bytes, no mail at all")
    with factory.redis_site.connection() as connection:
        producer = connection.Producer()
        for body, content_type in MAIL:
            producer.publish(body, exchange="", routing_key=queue, content_type=content_type, content_encoding="binary")
