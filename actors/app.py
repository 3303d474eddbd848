"""The wiring of one host: everything that `apf run` starts, in order, and how it stops.

| thread or process | how many | what for |
| --- | --- | --- |
| main | 1 | waits for a signal |
| supervisor | 1 | ticks and watches the actors |
| ownership | 1 | beats, takes, renews and gives back posts |
| actors | 3 + `schedulers` | monitor, submitter, retirement; schedulers share the queues |
| mail consumer, janitor | 2 | one channel for all mailboxes; what dead consumers held comes back |
| calls | at most `calls` | calls to pools and clouds, in four lanes |
| console | 1 | /metrics and /healthz |
| pool threads | at most `children` + 2 a pool | wait for the children |
| children | at most 2 `children` + 1 a pool | htcondor2, which holds the interpreter's lock; killable |
| embedded Redis | 0 or 1 | a child, ended with the host |

Nothing here grows with the number of queues or VMs.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pykka
import structlog

from actors import adapters
from actors.calls import Calls
from actors.clouds.port import Cloud
from actors.config import Config
from actors.console.server import ConsoleServer
from actors.gauges import Gauges
from actors.messages import KINDS, OperatorWish
from actors.monitor import Monitor
from actors.noticeboard import Noticeboard
from actors.operator_desk import OperatorDesk
from actors.ownership import Ownership, Rhythm
from actors.pools.port import Pool
from actors.post_office import OPERATOR, PostOffice
from actors.posts import posts_of
from actors.registry import Registries
from actors.retirement import Retirement
from actors.scheduler import Scheduler
from actors.serving import Terms, Wake
from actors.submitter import Submitter
from actors.supervisor import Supervisor
from actors.where import site_of
from broker.clock import RedisClock
from broker.connect import Site
from broker.dead_letters import DeadLetters
from broker.embedded import EmbeddedServer
from broker.envelope import Envelope, Message
from broker.errors import Unreachable
from broker.generation import Generation
from broker.hosts import HostInfo, Hosts, new_incarnation
from broker.leases import Leases
from broker.mail import Mailer, Mailroom
from broker.table import Table

RETRY_S = (1.0, 2.0, 5.0, 10.0)

log = structlog.get_logger("host")


class Host:
    """One `apf run`. `with Host(config): ...` runs it; leaving gives up all posts and touches no VM."""

    def __init__(self, config: Config, name: str = "", posts: str = "*") -> None:
        self.config = config
        self.name = name or socket.gethostname()
        self._incarnation = new_incarnation()
        self.holder = f"{self.name}#{self._incarnation}"
        self._posts = posts
        self._exits = ExitStack()
        self.gauges = Gauges()
        self.terms = Terms()

    def __enter__(self) -> Host:
        with self._exits:
            self._start()
            self._exits = self._exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def _start(self) -> None:
        config = self.config
        site = self._site()
        client = site.client()
        self.clock = RedisClock(client)
        _until_reached(self.clock.sync, f"Redis at {site.address}")
        self.table, now = Table(client, site), self.clock.now
        mailer = Mailer(site, KINDS, self.holder, self.clock)
        self._exits.callback(mailer.close)
        office = PostOffice(mailer, self.gauges)
        self._desk = OperatorDesk(config, self.table, office, now)
        self.supervisor = self._supervisor(office, now)
        self.dead = DeadLetters(client, site)
        self._mailroom = Mailroom(site, KINDS, self._deliver, self.dead, self.clock)
        self.ownership = self._ownership(site, now)
        self.supervisor.start()
        self._exits.callback(self.supervisor.stop)
        self._mailroom.subscribe(OPERATOR)
        self._mailroom.start()
        self._exits.callback(self._mailroom.close)
        console = ConsoleServer(config.factory.console, self.gauges, self._health)
        self._exits.callback(console.close)
        self.console_port = console.start()
        self.ownership.start()
        self._exits.callback(self.ownership.stop)
        log.info("host up", host=self.holder, posts=len(posts_of(config)), pid=os.getpid())

    def _site(self) -> Site:
        if self.config.factory.redis == "embedded":
            server = EmbeddedServer(Path(self.config.factory.directory).expanduser() / "redis")
            self._exits.enter_context(server)
        return site_of(self.config)

    def _supervisor(self, office: PostOffice, now: Callable[[], float]) -> Supervisor:
        config, table, gauges, terms = self.config, self.table, self.gauges, self.terms
        calls = Calls(config.factory.actors.calls)
        self._exits.callback(calls.close)
        pools: dict[str, Pool] = {name: adapters.pool(config, name) for name in config.pools}
        clouds: dict[str, Cloud] = {name: adapters.cloud(config, name) for name in config.clouds}
        for close in [one.close for one in pools.values()] + [one.close for one in clouds.values()]:
            self._exits.callback(close)
        registries = Registries(table)
        board = Noticeboard(config, table, office, now, gauges)
        recipe = adapters.recipe(config)
        makers: dict[str, Callable[[], pykka.ActorRef[Any]]] = {
            "monitor": lambda: Monitor.start(terms, calls, config, table, office, pools, clouds, now, gauges),
            "submitter": lambda: Submitter.start(
                terms, calls, config, table, registries, board, clouds, recipe, now, gauges
            ),
            "retirement": lambda: Retirement.start(
                terms, calls, config, table, registries, board, pools, clouds, now, gauges
            ),
        }
        for number in range(config.factory.actors.schedulers):
            makers[f"scheduler-{number}"] = lambda: Scheduler.start(terms, calls, config, table, office, now, gauges)
        return Supervisor(makers, gauges)

    def _ownership(self, site: Site, now: Callable[[], float]) -> Ownership:
        factory, client = self.config.factory, site.client()
        rhythm = Rhythm(
            ttl_s=factory.ttl_s,
            tick_s=factory.tick_s,
            stalled_s=max(2 * factory.ttl_s, 30.0),
            alone=factory.redis == "embedded",
        )
        info = HostInfo(
            host=self.name,
            incarnation=self._incarnation,
            version=version("autopyfactory-cloud"),
            posts=tuple(self._posts.split(",")),
            started_at=now(),
        )
        return Ownership(
            posts_of(self.config),
            Hosts(client, site),
            info,
            Leases(client, site, self.holder, factory.ttl_s),
            self.terms,
            self.clock,
            Generation(client, site),
            rhythm,
            self._gained,
            self._lost,
        )

    def _gained(self, post: str) -> None:
        self.supervisor.hold(post)
        for mailbox in _mailboxes(post):
            self._mailroom.subscribe(mailbox)

    def _lost(self, post: str) -> None:
        self.supervisor.drop(post)
        for mailbox in _mailboxes(post):
            self._mailroom.unsubscribe(mailbox)

    def _deliver(self, mailbox: str, message: Message, _envelope: Envelope) -> None:
        """On the mail consumer's thread: hand over, at once."""
        if isinstance(message, OperatorWish):
            self._desk.take(message)
            return
        title, _, post = mailbox.partition("@")
        self.supervisor.tell(title, post, Wake(post=post, message=message))

    def _health(self) -> dict[str, object]:
        """What /healthz says. Not healthy: Redis is away."""
        return {"healthy": not self.ownership.away, "redis": self.ownership.away or "ok", "posts": self.ownership.held}


def _mailboxes(post: str) -> list[str]:
    titles = {"pool": (), "queue": ("scheduler",), "cloud": ("submitter", "retirement")}[post.partition("/")[0]]
    return [f"{title}@{post}" for title in titles]


def _until_reached(call: Callable[[], object], what: str) -> None:
    """Try for ever, with backoff: a host that comes up before Redis waits for it and says so."""
    tries = 0
    while True:
        try:
            call()
            return
        except Unreachable as away:
            wait_s = RETRY_S[min(tries, len(RETRY_S) - 1)]
            log.error("not reached", what=what, why=str(away), again_in_s=wait_s)
            time.sleep(wait_s)
            tries += 1
