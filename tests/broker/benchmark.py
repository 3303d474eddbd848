"""Speed of the broker beside the raw calls: `python -m tests.broker.benchmark`. Prints a table."""

import sys
import tempfile
import threading
import time
from collections.abc import Callable
from statistics import quantiles

from broker.connection.address import Site
from broker.connection.clock import RedisClock
from broker.connection.embedded import EmbeddedServer
from broker.envelope import Envelope, Message
from broker.mail.dead_letters import DeadLetters
from broker.mail.mailboxes import Mailer, Mailroom
from broker.posts.leases import Leases, Term
from broker.rows.table import Put, Table
from tests.broker.words import KINDS, Look

MAILS = 500


def say(what: str, figure: str) -> None:
    sys.stdout.write(f"{what:<52} {figure}\n")


def milliseconds(samples_s: list[float]) -> str:
    cuts = quantiles(samples_s, n=100)
    return f"p50 {cuts[49] * 1e3:7.2f} ms   p99 {cuts[98] * 1e3:7.2f} ms   max {max(samples_s) * 1e3:7.2f} ms"


def timed(call: Callable[[], object], times: int) -> list[float]:
    samples = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        samples.append(time.perf_counter() - began)
    return samples


def raw_latency(site: Site) -> list[float]:
    """One thread pushes a time, another pops it: no kombu."""
    samples: list[float] = []

    def pop() -> None:
        client = site.client()
        for _ in range(MAILS):
            _, sent = client.brpop(["raw"], 4)  # type: ignore[misc]
            samples.append(time.perf_counter() - float(sent))

    popper = threading.Thread(target=pop)
    popper.start()
    client = site.client()
    for _ in range(MAILS):
        client.lpush("raw", repr(time.perf_counter()))
        time.sleep(0.004)
    popper.join()
    return samples


def mail(site: Site) -> None:
    """Publish to deliver at a steady rate, then as fast as it goes."""
    sent: dict[int, float] = {}
    samples: list[float] = []
    arrived = threading.Semaphore(0)

    def deliver(_mailbox: str, message: Message, _envelope: Envelope) -> None:
        assert isinstance(message, Look)
        samples.append(time.perf_counter() - sent[message.row])
        arrived.release()

    client = site.client()
    clock = RedisClock(client)
    clock.sync()
    mailer = Mailer(site, KINDS, "bench#1", clock)
    room = Mailroom(site, KINDS, deliver, DeadLetters(client, site), clock)
    for mailbox in (f"queue/{number}" for number in range(100)):
        room.subscribe(mailbox)
    room.start()

    def send(row: int) -> None:
        sent[row] = time.perf_counter()
        mailer.send(f"queue/{row % 100}", Look(row=row))

    send(0)
    arrived.acquire()
    samples.clear()
    for row in range(MAILS):
        send(row)
        time.sleep(0.004)
    for _ in range(MAILS):
        arrived.acquire()
    say("mail, publish to deliver, 100 mailboxes", milliseconds(samples))
    began = time.perf_counter()
    for row in range(MAILS):
        send(row)
    say("mail, sends a second", f"{MAILS / (time.perf_counter() - began):7.0f}")
    for _ in range(MAILS):
        arrived.acquire()
    say("mail, sent and delivered a second", f"{MAILS / (time.perf_counter() - began):7.0f}")
    busy = time.process_time()
    time.sleep(3)
    say("mail, idle, of a core", f"{(time.process_time() - busy) / 3 * 100:7.2f} %")
    room.close()
    mailer.close()


def rows(site: Site) -> None:
    """Leases and the table."""
    client = site.client()
    leases, table = Leases(client, site, "bench#1", 60), Table(client, site)
    terms = [term for n in range(1000) if isinstance(term := leases.acquire(f"queue/{n}"), Term)]
    say("raw PING", milliseconds(timed(client.ping, 500)))
    say("renew 1 term", milliseconds(timed(lambda: leases.renew(terms[:1]), 500)))
    say("renew 1,000 terms in one call", milliseconds(timed(lambda: leases.renew(terms), 30)))

    def put(count: int) -> list[int]:
        body = b"x" * 300
        return table.write(
            terms[0], [Put(kind="vm", key=str(n), body=body, expected_version=None) for n in range(count)]
        )

    say("write 1 row", milliseconds(timed(lambda: put(1), 500)))
    say("write 1,000 rows in one call", milliseconds(timed(lambda: put(1000), 30)))
    say("write 10,000 rows in one call", milliseconds(timed(lambda: put(10_000), 5)))
    key = site.key("rows", "vm", terms[0].post)
    say("raw HGETALL of 10,000 rows", milliseconds(timed(lambda: client.hgetall(key), 10)))
    say("read 10,000 rows", milliseconds(timed(lambda: table.read("vm", terms[0].post), 10)))


def main() -> None:
    """Run all on an embedded server of our own."""
    with tempfile.TemporaryDirectory() as directory, EmbeddedServer(directory, port=0) as server:
        site = Site(address=server.address, factory="bench")
        say("raw LPUSH to BRPOP", milliseconds(raw_latency(site)))
        mail(site)
        rows(site)


if __name__ == "__main__":
    main()
