"""A mailroom, a mailer, and what came in."""

import threading
from collections.abc import Callable

import kombu

from broker.codec import CONTENT_TYPE
from broker.connection.address import Site
from broker.connection.clock import RedisClock
from broker.envelope import Envelope, Message
from broker.mail.dead_letters import DeadLetters
from broker.mail.mailboxes import Mailer, Mailroom
from tests.broker.words import KINDS, Call, Look
from tests.late import within

DEADLINE_S = 40.0


def wait_for(what: Callable[[], bool], deadline_s: float = DEADLINE_S) -> None:
    within(deadline_s, "it happens", what, poll_s=0.01)


class Post:
    """A mailroom, a mailer, and what came in."""

    def __init__(self, site: Site) -> None:
        self.site, self.client = site, site.client()
        self.clock = RedisClock(self.client)
        self.clock.sync()
        self.dead = DeadLetters(self.client, site)
        self.got: list[tuple[str, Message]] = []
        self.threads: set[str] = set()
        self.mailer = Mailer(site, KINDS, "test#1", self.clock)
        self.room = Mailroom(site, KINDS, self.deliver, self.dead, self.clock)
        self.room.start()

    def deliver(self, mailbox: str, message: Message, _envelope: Envelope) -> None:
        self.threads.add(threading.current_thread().name)
        if isinstance(message, Call) and message.name == "raise":
            raise RuntimeError("the receiver stumbled")
        self.got.append((mailbox, message))

    def rows(self, mailbox: str) -> list[int]:
        return [message.row for box, message in self.got if box == mailbox and isinstance(message, Look)]

    def still_lives(self, mailbox: str) -> None:
        before = len(self.rows(mailbox))
        self.mailer.send(mailbox, Look(row=-1))
        wait_for(lambda: len(self.rows(mailbox)) > before)

    def raw(self, mailbox: str, body: bytes, content_type: str = CONTENT_TYPE, **how: object) -> None:
        """Publish as a stranger with plain kombu does."""
        address = self.site.address
        host, port = address.nodes[0]
        with kombu.Connection(f"redis://:{address.password}@{host}:{port}/0") as connection:
            connection.Producer().publish(
                body,
                **{"exchange": "", "routing_key": self.site.mailbox(mailbox), **how},
                content_type=content_type,
                content_encoding="binary",
            )

    def close(self) -> None:
        assert self.room.close()
        self.mailer.close()
