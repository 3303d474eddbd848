"""Mail alone, from monitor to scheduler to submitter: two hops of the real words, beside two hops of raw LPUSH/BRPOP.

The two actors between are replaced by a relay that sends on what it got; what they do is in the launch's figure.
"""

from __future__ import annotations

import tempfile
import threading
import time

from actors.runtime.messages import KINDS, LookAtDemand, LookAtWant
from broker.connection.address import Site
from broker.connection.clock import RedisClock
from broker.connection.embedded import EmbeddedServer
from broker.envelope import Envelope, Message
from broker.mail.dead_letters import DeadLetters
from broker.mail.mailboxes import Mailer, Mailroom
from tests.benchmarks.figures import Figure, percentile

MAILS = 500
QUEUES = 20
PAUSE_S = 0.01
LIMIT_MS = 30.0


def figures() -> list[Figure]:
    with tempfile.TemporaryDirectory() as directory, EmbeddedServer(directory, port=0) as server:
        site = Site(address=server.address, factory="bench")
        raw, ours = raw_hops_s(site), hops_s(site)
    return [
        Figure(
            what=f"mail monitor -> scheduler -> submitter, p{percent} of {MAILS}",
            raw=percentile(raw, percent) * 1e3,
            ours=percentile(ours, percent) * 1e3,
            unit="ms",
            limit=LIMIT_MS if percent == 99 else None,
        )
        for percent in (50, 99)
    ]


def hops_s(site: Site) -> list[float]:
    """Seconds from the first send to the second delivery, MAILS times."""
    client = site.client()
    clock = RedisClock(client)
    clock.sync()
    mailer = Mailer(site, KINDS, "bench#1", clock)
    arrived = threading.Event()

    def deliver(mailbox: str, message: Message, _envelope: Envelope) -> None:
        if isinstance(message, LookAtDemand):
            queue = mailbox.rpartition("/")[2]
            mailer.send("submitter@cloud/private", LookAtWant(queue=queue, cloud="private"))
        else:
            arrived.set()

    room = Mailroom(site, KINDS, deliver, DeadLetters(client, site), clock)
    for mailbox in ("submitter@cloud/private", *(f"scheduler@queue/q{n}" for n in range(QUEUES))):
        room.subscribe(mailbox)
    room.start()

    def once(number: int) -> float:
        arrived.clear()
        began = time.perf_counter()
        mailer.send(f"scheduler@queue/q{number % QUEUES}", LookAtDemand(pool="local"))
        if not arrived.wait(10):
            raise TimeoutError(f"mail {number} did not arrive within 10 s")
        took_s = time.perf_counter() - began
        time.sleep(PAUSE_S)
        return took_s

    try:
        once(0)
        return [once(number) for number in range(MAILS)]
    finally:
        room.close()
        mailer.close()


def raw_hops_s(site: Site) -> list[float]:
    """The same with nothing but Redis lists: no kombu, no envelope, no acknowledgement."""

    def relay() -> None:
        mine = site.client()
        while (got := mine.brpop(["first"], 4)) and got[1] != b"over":
            mine.lpush("second", got[1])

    thread = threading.Thread(target=relay)
    thread.start()
    client, samples = site.client(), []
    for _ in range(MAILS):
        began = time.perf_counter()
        client.lpush("first", "mail")
        client.brpop(["second"], 4)
        samples.append(time.perf_counter() - began)
        time.sleep(PAUSE_S)
    client.lpush("first", "over")
    thread.join()
    return samples
