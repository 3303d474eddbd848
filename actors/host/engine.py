"""What one host runs for one configuration: adapters, actors, supervisor, ownership. A new one for each generation.

Leaving it gives up all posts and touches no VM; its successor takes them again and goes on from the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, cast

import pykka

from actors.clouds.port import Cloud
from actors.config.posts import posts_of
from actors.config.schema import Config
from actors.host.operator_mailbox import OperatorDesk
from actors.host.ownership import Listeners, Ownership, Rhythm, SharedState
from actors.host.restore import Keepsake
from actors.host.supervisor import Supervisor
from actors.monitor.actor import Monitor
from actors.pools.port import Pool
from actors.retirement.actor import Retirement
from actors.runtime import adapters
from actors.runtime.calls import Calls
from actors.runtime.messages import OperatorWish
from actors.runtime.metrics import Gauges
from actors.runtime.post_actor import Wake
from actors.runtime.post_office import PostOffice
from actors.runtime.publisher import Noticeboard
from actors.runtime.services import Services
from actors.runtime.terms import Terms
from actors.scheduler.actor import Scheduler
from actors.store.history import chronicle_of
from actors.store.quotas import Accounts
from actors.store.vms import Registries
from actors.submitter.actor import Submitter
from broker.connection.address import Site
from broker.connection.clock import RedisClock
from broker.connection.generation import Generation
from broker.envelope import Envelope, Message
from broker.mail.dead_letters import DeadLetters
from broker.mail.mailboxes import Mailroom
from broker.posts.hosts import HostInfo, Hosts
from broker.posts.leases import Leases
from broker.rows.allotments import Allotments
from broker.rows.streams import Lines
from broker.rows.table import Table

BLIND_TTLS = 4  # a cloud or pool not reached for so many TTLs is left to a host that may reach it

MAILBOXES: Mapping[str, tuple[str, ...]] = {
    "pool": (),
    "queue": ("scheduler",),
    "cloud": ("submitter", "retirement"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a host has whatever its configuration: its Redis, clock, mail, metrics and memory."""

    site: Site
    clock: RedisClock
    table: Table
    office: PostOffice
    mailroom: Mailroom
    gauges: Gauges
    keepsake: Keepsake
    dead: DeadLetters


class Works:
    """`serve` False: hold nothing, only beat, so that the host is seen. Start and stop once."""

    def __init__(self, config: Config, ground: Ground, host: HostInfo, *, serve: bool) -> None:
        self.config, self._ground = config, ground
        self._exits = ExitStack()
        self._terms = Terms()
        self._desk = OperatorDesk(config, ground.table, ground.office, ground.clock.now, ground.keepsake.remember)
        self._registries: Registries | None = None
        self.supervisor = self._supervisor() if serve else None
        self.ownership = self._ownership(host, posts_of(config) if serve else ())

    def start(self) -> None:
        if self.supervisor:
            self.supervisor.start()
            self._exits.callback(self.supervisor.stop)
        self.ownership.start()
        self._exits.callback(self.ownership.stop)

    @property
    def held(self) -> tuple[str, ...]:
        return self.ownership.held

    def troubles(self) -> list[str]:
        """What a person should know of this host: its threads, its actors, the posts that they have set aside."""
        aside = [f"its {actor} has set {post} aside: {why}" for (post, actor), why in self._terms.aside().items()]
        dead = self.supervisor.troubles() if self.supervisor else []
        return [*filter(None, [self.ownership.trouble]), *dead, *aside]

    def mend(self, post: str, kinds: Iterable[tuple[str, str]]) -> bool:
        """Write rows (kind, key; no key: all of it) of a cloud as its registry here knows them."""
        term = self._terms.get(post)
        registry = self._registries.kept(term) if term and self._registries else None
        if term is None or registry is None:
            return False
        registry.mend(term, list(kinds))
        return True

    def take_anew(self, post: str) -> None:
        self.ownership.take_anew(post)

    def stop(self) -> None:
        """Give up all posts, stop the actors, end the child processes. Bounded."""
        self._exits.close()

    def deliver(self, mailbox: str, message: Message, _envelope: Envelope) -> None:
        """On the mail consumer's thread: hand over, at once."""
        if isinstance(message, OperatorWish):
            self._desk.take(message)
            return
        title, _, post = mailbox.partition("@")
        self._wake(title, post, message)

    def hand_over(self, mailbox: str, message: Message) -> bool:
        """Wake an actor of this host, if it holds the actor's post for sure (no other host can hold it then)."""
        title, _, post = mailbox.partition("@")
        return self._terms.get(post) is not None and self._wake(title, post, message)

    def _wake(self, title: str, post: str, message: Message) -> bool:
        """Whether there is an actor to wake: not where this host serves nothing."""
        if self.supervisor is None:
            return False
        self.supervisor.tell(title, post, Wake(post=post, message=message))
        return True

    def _supervisor(self) -> Supervisor:
        config, ground, terms = self.config, self._ground, self._terms
        table, office, gauges, now = ground.table, ground.office, ground.gauges, ground.clock.now
        calls = Calls(config.factory.actors.calls)
        self._exits.callback(calls.close)
        pools = {name: adapters.pool(config, name) for name in config.pools}
        joined = {name: cast(Pool, pool) for name, pool in pools.items() if config.pools[name].has_startds}
        clouds: dict[str, Cloud] = {name: adapters.cloud(config, name) for name in config.clouds}
        notices = adapters.notice_queues(config)
        closes = [one.close for one in pools.values()] + [one.close for one in clouds.values()]
        for close in (*closes, *(one.close for one in notices.values())):
            self._exits.callback(close)
        chronicle = chronicle_of(config.factory, now, Lines(ground.site.client(), ground.site))
        self._exits.callback(chronicle.close)
        registries = self._registries = Registries(table, config, chronicle)
        board = Noticeboard(config, table, office, now, gauges)
        recipe = adapters.recipe(config)
        accounts = Accounts(config, Allotments(ground.site.client(), ground.site))
        services = Services(config=config, table=table, office=office, terms=terms, calls=calls, gauges=gauges, now=now)
        makers: dict[str, Callable[[], pykka.ActorRef[Any]]] = {
            "monitor": lambda: Monitor.start(services, pools, clouds, notices, ground.dead),
            "submitter": lambda: Submitter.start(services, registries, board, clouds, recipe, accounts),
            "retirement": lambda: Retirement.start(services, registries, board, joined, clouds),
        }
        for number in range(config.factory.actors.schedulers):
            makers[f"scheduler-{number}"] = lambda: Scheduler.start(services)
        return Supervisor(makers, gauges)

    def _ownership(self, host: HostInfo, posts: tuple[str, ...]) -> Ownership:
        factory, site = self.config.factory, self._ground.site
        client = site.client()
        rhythm = Rhythm(
            ttl_s=factory.ttl_s,
            tick_s=factory.tick_s,
            stalled_s=max(2 * factory.ttl_s, 30.0),
            blind_s=BLIND_TTLS * factory.ttl_s,
            alone=factory.redis == "embedded",
        )
        shared = SharedState(
            hosts=Hosts(client, site),
            leases=Leases(client, site, host.name, factory.ttl_s),
            clock=self._ground.clock,
            generation=Generation(client, site),
        )
        failures = self._ground.gauges.thread_failures
        listeners = Listeners(gained=self._gained, lost=self._lost, failed=lambda name: failures.labels(name).inc())
        return Ownership(posts, host, shared, self._terms, rhythm, listeners)

    def _gained(self, post: str) -> None:
        if self.supervisor:
            self.supervisor.hold(post)
        self._ground.gauges.terms.labels(post.partition("/")[0]).inc()
        for mailbox in _mailboxes(post):
            self._ground.mailroom.subscribe(mailbox)

    def _lost(self, post: str) -> None:
        if self.supervisor:
            self.supervisor.drop(post)
        self._ground.gauges.forget(post)
        self._ground.gauges.terms.labels(post.partition("/")[0]).dec()
        for mailbox in _mailboxes(post):
            self._ground.mailroom.unsubscribe(mailbox)


def _mailboxes(post: str) -> list[str]:
    return [f"{title}@{post}" for title in MAILBOXES[post.partition("/")[0]]]
