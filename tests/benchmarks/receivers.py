"""One process that handles mail, ours or Celery's: python -m tests.benchmarks.receivers

What is the same for both: the Redis (its URL in APF_BENCH_URL), and what handling a mail is: a line "number, monotonic
seconds" into the list HANDLED. Celery's side is `app`, for `celery -A tests.benchmarks.receivers worker`: Celery's own
settings but for those that make it do the same work: acknowledged after handling, one at a time, no results kept.
"""

from __future__ import annotations

import importlib
import os
import signal
import threading
import time
from typing import Any

from actors.runtime.messages import KINDS, LookAtDemand
from broker.connection.address import Address, Site
from broker.connection.clock import RedisClock
from broker.envelope import Envelope, Message
from broker.mail.dead_letters import DeadLetters
from broker.mail.mailboxes import Mailroom

URL = "APF_BENCH_URL"
MAILBOX, HANDLED, TASK = "scheduler@queue/bench", "handled", "look"


def site() -> Site:
    return Site(address=Address.parse(os.environ[URL]), factory="bench")


def celery_app() -> Any:
    """Raises ModuleNotFoundError where Celery is not installed."""
    celery: Any = importlib.import_module("celery")
    app = celery.Celery("bench", broker=os.environ[URL])
    app.conf.update(
        task_ignore_result=True,
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
    )
    client = site().client()

    @app.task(name=TASK)  # type: ignore[untyped-decorator]
    def look(number: int) -> None:
        client.rpush(HANDLED, f"{number} {time.monotonic()}")

    return app


def main() -> None:
    """Ours: the mail room of a host, until SIGTERM."""
    over, client = threading.Event(), site().client()

    def deliver(_mailbox: str, message: Message, _envelope: Envelope) -> None:
        assert isinstance(message, LookAtDemand)
        client.rpush(HANDLED, f"{message.pool.removeprefix('n')} {time.monotonic()}")

    signal.signal(signal.SIGTERM, lambda *_: over.set())
    room = Mailroom(site(), KINDS, deliver, DeadLetters(client, site()), RedisClock(client))
    room.subscribe(MAILBOX)
    room.start()
    over.wait()
    room.close()


if __name__ == "__main__":
    main()
elif URL in os.environ and "APF_BENCH_CELERY" in os.environ:
    app = celery_app()
