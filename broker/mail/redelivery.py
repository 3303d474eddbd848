"""Gives back the mail that dead consumers held.

Kombu over Redis does this in the consumer itself, when its drain comes back empty: never while it is busy, and
never with a long drain. So a thread with a connection of its own does it, steadily, on every host; a short-lived
mutex in Redis lets one of them work at a time. RabbitMQ does it by itself.
"""

import threading

import structlog

from broker.connection.address import Site
from broker.mail.backoff import Pauses

INTERVAL_S = 1.5

log = structlog.get_logger("broker.mail.redelivery")


class Janitor:
    """One thread, until `stop` is set."""

    def __init__(self, site: Site, stop: threading.Event) -> None:
        self._site, self._stop = site, stop
        self._needed = site.mail is None or site.mail.holds_rows
        self.thread = threading.Thread(target=self._run, name="mail-janitor", daemon=True)

    def start(self) -> None:
        """Start the thread. Over AMQP there is nothing to do."""
        if self._needed:
            self.thread.start()

    def _run(self) -> None:
        pauses = Pauses(self._stop)
        while not self._stop.is_set():
            try:
                self._sweep(pauses)
            except Exception as error:  # noqa: BLE001  supervised: Redis comes back
                log.debug("janitor lost its connection", error=str(error)[:300])
                pauses.wait()

    def _sweep(self, pauses: Pauses) -> None:
        with self._site.connection() as connection:
            channel = connection.channel()
            while not self._stop.wait(INTERVAL_S):
                channel.qos.restore_visible(num=None, interval=1)
                pauses.reset()
