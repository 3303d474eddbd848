"""Mail to actors, wherever their post is held: the mailbox of an actor of a post is "actor@post".

Row first, then mail. Mail that cannot be sent is dropped with a count: the receiver looks by itself before long.

What is for an actor of this very host is handed over without Redis: two trips by mail cost 3 ms of CPU, which a launch
waits for, and 200 idle queues pay for too. Only where this host holds the post for sure: else the news would wake a
former holder, and the present one would not hear of it.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from actors.runtime.metrics import Gauges
from broker.envelope import Message
from broker.errors import Unreachable
from broker.mail.mailboxes import Mailer

NOT_AFTER_S = 60.0  # older news is of no use: the receiver has looked by itself since
OPERATOR = "operator"  # the one mailbox that belongs to no post: any host reads it

log = structlog.get_logger("mail")


class PostOffice:
    """Thread-safe. `hand_over(mailbox, message)`: whether it was given to an actor of this host."""

    def __init__(
        self, mailer: Mailer, gauges: Gauges, hand_over: Callable[[str, Message], bool] = lambda *_: False
    ) -> None:
        self._mailer, self._gauges, self._hand_over = mailer, gauges, hand_over

    def send(self, mailbox: str, message: Message) -> None:
        """News for an actor. Never raises for a Redis that is away."""
        if self._hand_over(mailbox, message):
            return
        try:
            self._mailer.send(mailbox, message, not_after_s=NOT_AFTER_S)
        except Unreachable as away:
            self._gauges.mail_dropped.inc()
            log.debug("mail dropped", mailbox=mailbox, why=str(away))
