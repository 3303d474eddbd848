"""Mail to actors, wherever their post is held: the mailbox of an actor of a post is "actor@post".

Row first, then mail. Mail that cannot be sent is dropped with a count: the receiver looks by itself before long.
"""

from __future__ import annotations

import structlog

from actors.gauges import Gauges
from broker.envelope import Message
from broker.errors import Unreachable
from broker.mail import Mailer

NOT_AFTER_S = 60.0  # older news is of no use: the receiver has looked by itself since
OPERATOR = "operator"  # the one mailbox that belongs to no post: any host reads it

log = structlog.get_logger("mail")


class PostOffice:
    """Thread-safe."""

    def __init__(self, mailer: Mailer, gauges: Gauges) -> None:
        self._mailer, self._gauges = mailer, gauges

    def send(self, mailbox: str, message: Message) -> None:
        """News for an actor. Never raises for a Redis that is away."""
        try:
            self._mailer.send(mailbox, message, not_after_s=NOT_AFTER_S)
        except Unreachable as away:
            self._gauges.mail_dropped.inc()
            log.debug("mail dropped", mailbox=mailbox, why=str(away))
