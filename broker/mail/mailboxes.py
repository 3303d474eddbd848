"""Mail between hosts: Kombu over Redis, or over RabbitMQ with the same code.

Mail only wakes; rows are the truth. Kombu over Redis may lose a mail (a consumer killed in the wrong moment) and
may repeat one (a consumer slower than the visibility time-out). Both must be harmless to the receiver.

The rules it keeps, each from a measured loss:

- Only the default exchange, the routing key being the queue's name: named exchanges lose mail silently.
- One consumer thread and one channel for all mailboxes of a process. A mail is acknowledged after `deliver`
  returned. What cannot be read or delivered goes to the dead letters, and never ends the thread.
- The thread drains for less than a second at a time, else nothing is ever delivered again; and a janitor with a
  connection of its own gives back what dead consumers held.
- Nothing is cancelled before closing: closing alone waits for what was popped already.
- A mailbox that nobody reads is trimmed by its senders, the oldest first.
- No priorities: they would go to Redis lists that nobody reads.

An outsider writes to a mailbox with plain kombu: `producer.publish(msgpack_bytes, exchange="", routing_key=
"apf:FACTORY:mail:NAME", content_type="application/x-msgpack", content_encoding="binary")`.
"""

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import Any

import structlog
from kombu.entity import Queue
from kombu.exceptions import KombuError
from kombu.messaging import Consumer
from kombu.pools import ProducerPool

from broker.codec import CONTENT_TYPE, decode, encode
from broker.connection.address import Site
from broker.connection.clock import RedisClock
from broker.envelope import Envelope, Kinds, Message
from broker.errors import BadMail, Unreachable, reaching
from broker.mail.backoff import Pauses
from broker.mail.dead_letters import DeadLetters
from broker.mail.redelivery import Janitor

Deliver = Callable[[str, Message, Envelope], None]

ADDED_AT_ONCE = 50  # mailboxes: a takeover of hundreds is no burst
DRAIN_S = 0.5  # above 1 s kombu never redelivers; it is also how soon a subscription is noticed
SEND_TIMEOUT_S = 5.0
MAX_BACKLOG = 4096  # mails in a mailbox that nobody reads
TRIM_EVERY = 256  # sends to a mailbox

log = structlog.get_logger("broker.mail.mailboxes")


class Mailer:
    """Sends from any thread. `sender` is 'host#incarnation'."""

    def __init__(self, site: Site, kinds: Kinds, sender: str, clock: RedisClock, connections: int = 16) -> None:
        self._site, self._kinds, self._sender, self._clock = site, kinds, sender, clock
        self._connections = site.connection().Pool(connections)
        self._producers = ProducerPool(self._connections, connections)
        self._over_redis = site.mail is None or site.mail.holds_rows
        self._trimmer = (site.mail or site.address).client() if self._over_redis else None
        self._sent: Counter[str] = Counter()

    def send(self, mailbox: str, message: Message, not_after_s: float | None = None, mail_id: str | None = None) -> str:
        """Send; return the mail's id. `not_after_s`: seconds from now after which it is of no use.

        Raises Unreachable (it may have been sent), BadMail (too large, or a kind outside the vocabulary).
        """
        if self._kinds.get(message.kind) is not type(message):
            raise BadMail(f"{type(message).__name__} ({message.kind}) is not in the vocabulary")
        now = self._clock.now()
        not_after = None if not_after_s is None else now + not_after_s
        mail_id = mail_id or uuid.uuid4().hex
        data = encode(message, sender=self._sender, sent_at=now, not_after=not_after, mail_id=mail_id)
        queue = _queue(self._site, mailbox)
        try:
            self._publish(queue, data)
        except (KombuError, OSError) as away:
            raise Unreachable(f"mail to {mailbox} was not sent: {away}") from away
        self._trim(queue.name)
        return mail_id

    def close(self) -> None:
        """Close all connections. Mail under way in other threads fails."""
        self._producers.force_close_all()
        self._connections.force_close_all()
        if self._trimmer:
            self._trimmer.close()

    def _publish(self, queue: Queue, data: bytes) -> None:
        with self._producers.acquire(block=True, timeout=SEND_TIMEOUT_S) as producer:
            producer.publish(
                data,
                exchange="",
                routing_key=queue.name,
                content_type=CONTENT_TYPE,
                content_encoding="binary",
                declare=[] if self._over_redis else [queue],
                retry=True,
                retry_policy={"max_retries": 1, "interval_start": 0.05},
            )

    def _trim(self, queue: str) -> None:
        self._sent[queue] += 1
        if self._trimmer and self._sent[queue] % TRIM_EVERY == 0:
            with reaching():
                self._trimmer.ltrim(queue, 0, MAX_BACKLOG - 1)


class Mailroom:
    """Receives for many mailboxes in one thread.

    `deliver(mailbox, message, envelope)` is called in that thread: it must be quick (hand over to an actor) and
    may raise; what it raises goes to the dead letters as the reason.
    """

    def __init__(self, site: Site, kinds: Kinds, deliver: Deliver, dead: DeadLetters, clock: RedisClock) -> None:
        self._site, self._kinds, self._deliver, self._dead, self._clock = site, kinds, deliver, dead, clock
        self._lock = threading.Lock()
        self._wanted: frozenset[str] = frozenset()
        self._stop = threading.Event()
        self._connected = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mail-consumer", daemon=True)
        self._janitor = Janitor(site, self._stop)

    def start(self) -> None:
        """Start both threads. Redis may be away: they keep trying."""
        self._thread.start()
        self._janitor.start()

    def close(self, timeout_s: float = 10.0) -> bool:
        """Stop, delivering what was popped already. False: a thread still hangs after `timeout_s`."""
        self._stop.set()
        deadline = time.monotonic() + timeout_s
        threads = [thread for thread in (self._thread, self._janitor.thread) if thread.ident]
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def subscribe(self, mailbox: str) -> None:
        """Receive this mailbox's mail too, within a second or so. Any thread; repeating does nothing."""
        with self._lock:
            self._wanted |= {mailbox}

    def unsubscribe(self, mailbox: str) -> None:
        """Leave this mailbox's mail to others, within a second or so. Mail popped meanwhile is put back."""
        with self._lock:
            self._wanted -= {mailbox}

    @property
    def mailboxes(self) -> frozenset[str]:
        """What is subscribed to."""
        return self._wanted

    @property
    def connected(self) -> bool:
        """Whether the consumer has a connection now."""
        return self._connected.is_set()

    def _run(self) -> None:
        pauses = Pauses(self._stop)
        while not self._stop.is_set():
            try:
                self._consume(pauses)
            except Exception as error:  # noqa: BLE001  the mail's edge: whatever came, the thread lives on
                log.warning("mail connection lost", error=f"{type(error).__name__}: {error}"[:300])
                self._remove_foreign_keys(error)
                pauses.wait()
            finally:
                self._connected.clear()

    def _consume(self, pauses: Pauses) -> None:
        with self._site.connection(self._park) as connection:
            self._clock.sync()
            channel = connection.channel()
            channel.basic_qos(0, 1, False)
            consumer = Consumer(channel, on_message=self._receive)
            consuming: frozenset[str] = frozenset()
            self._connected.set()
            while not self._stop.is_set():
                consuming = self._follow(consumer, consuming)
                try:
                    connection.drain_events(timeout=DRAIN_S)
                except TimeoutError:
                    if connection.supports_heartbeats:
                        connection.heartbeat_check()
                pauses.reset()

    def _follow(self, consumer: Consumer, consuming: frozenset[str]) -> frozenset[str]:
        """Make kombu consume what is wanted, a part at a time, and nothing else."""
        wanted = self._wanted
        for mailbox in consuming - wanted:
            consumer.cancel_by_queue(self._site.mailbox(mailbox))
        added = frozenset(islice(wanted - consuming, ADDED_AT_ONCE))
        for mailbox in added:
            consumer.add_queue(_queue(self._site, mailbox))
        if added:
            consumer.consume()
        return (consuming & wanted) | added

    def _receive(self, raw: Any) -> None:
        """One mail, from kombu. Acknowledged when it is delivered or parked."""
        mailbox = self._mailbox(raw.delivery_info["routing_key"])
        if mailbox not in self._wanted:
            raw.requeue()
            return
        body = raw.body if isinstance(raw.body, bytes) else str(raw.body or "").encode(errors="replace")
        try:
            envelope, message = decode(body, raw.content_type, self._kinds, now=self._clock.now())
            self._deliver(mailbox, message, envelope)
        except BadMail as bad:
            self._dead.add(mailbox, bad.reason, body, str(raw.content_type))
        except Exception as error:  # noqa: BLE001  the mail's edge: the receiver's mistake must not stop the mail
            log.warning("mail was not delivered", mailbox=mailbox, error=repr(error)[:300])
            self._dead.add(mailbox, f"not delivered: {error!r}", body, str(raw.content_type))
        raw.ack()

    def _park(self, queue: str, reason: str, item: bytes) -> None:
        self._dead.add(self._mailbox(queue), reason, item)

    def _mailbox(self, queue: str) -> str:
        return queue.removeprefix(self._site.mailbox(""))

    def _remove_foreign_keys(self, error: Exception) -> None:
        """A mailbox's key that is no list blocks all mailboxes (BRPOP takes them together): move it away."""
        if "WRONGTYPE" not in str(error):
            return
        client = self._site.client()
        for mailbox in self._wanted:
            key = self._site.mailbox(mailbox)
            if client.type(key) not in (b"list", b"none"):
                client.rename(key, self._site.key("foreign", mailbox))
                self._dead.add(mailbox, f"its key was no list; moved to {self._site.key('foreign', mailbox)}", b"")
        client.close()


def _queue(site: Site, mailbox: str) -> Queue:
    """A queue on the default exchange. Quorum is RabbitMQ's word for replicated; Redis ignores it."""
    return Queue(site.mailbox(mailbox), durable=True, queue_arguments={"x-queue-type": "quorum"})
