"""One host: everything that `apf run` starts, in order, and how it stops.

| thread or process | how many | what for |
| --- | --- | --- |
| main | 1 | waits for a signal |
| config | 1 | watches for another active configuration; tidies up |
| supervisor | 1 | ticks and watches the actors |
| ownership | 1 | beats, takes, renews and gives back posts |
| actors | 3 + `schedulers` | monitor, submitter, retirement; schedulers share the queues |
| mail consumer, janitor | 2 | one channel for all mailboxes; what dead consumers held comes back |
| calls | at most `calls`, or six | calls to pools and clouds, in six lanes |
| console | 1, and at most 16 for requests | /metrics and /healthz |
| pool threads | at most `children` + 2 a pool | wait for the children |
| children | at most 3 x `children` a pool | htcondor2, which holds the interpreter's lock; killable |
| embedded Redis | 0 or 1 | a child, ended with the host; a thread keeps it |

Nothing here grows with the number of queues or VMs.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version
from typing import Any

import structlog

from actors.config.schema import Config
from actors.host.caretaker import Caretaker
from actors.host.engine import Ground, Works
from actors.host.gc_tuning import Garbage
from actors.host.http_server import ConsoleServer
from actors.host.restore import Keepsake
from actors.runtime.freeze_file import FreezeFile
from actors.runtime.messages import KINDS
from actors.runtime.metrics import Gauges
from actors.runtime.pauses import pause_s
from actors.runtime.post_office import OPERATOR, PostOffice
from actors.runtime.rounds import Rounds
from actors.store import active_config
from actors.store.active_config import NotServable
from actors.store.site import bad_directory, embedded_directory, site_of
from actors.store.vms import clouds_in_use
from broker.connection.address import Site
from broker.connection.clock import RedisClock
from broker.connection.embedded import EmbeddedServer
from broker.envelope import Envelope, Message
from broker.errors import DamagedRow, StaleRow, Unreachable
from broker.mail.dead_letters import DeadLetters
from broker.mail.mailboxes import Mailer, Mailroom
from broker.posts.hosts import HostInfo, new_incarnation
from broker.rows.document import Document, Edition
from broker.rows.table import Table

WATCH_STOP_S = 5.0
RETRY_S = (1.0, 2.0, 5.0, 10.0)
# How long a thread may keep the interpreter's lock from others. A look is many short waits for Redis, and after each a
# thread may have to wait so long for every busy one: with Python's 5 ms a launch took three times as long as it had to.
SWITCH_S = 0.0005

log = structlog.get_logger("host")


class Host:
    """One `apf run`. `with Host(config): ...` runs it; leaving gives up all posts and touches no VM."""

    def __init__(self, config: Config, name: str = "", posts: str = "*") -> None:
        self.config = config
        self.name = name or socket.gethostname()
        self._incarnation = new_incarnation()
        self.holder = f"{self.name}#{self._incarnation}"
        self._posts = tuple(posts.split(","))
        self._exits = ExitStack()
        self.gauges = Gauges()
        self._garbage = Garbage()
        self.generation = 0  # of the configuration that is served; 0: none, this host holds nothing
        self._seen: Edition | None = None  # the newest one that was looked at
        self._lock = threading.Lock()

    def __enter__(self) -> Host:
        with self._exits:
            self._start()
            self._exits = self._exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    @property
    def table(self) -> Table:
        return self._ground.table

    def _start(self) -> None:
        sys.setswitchinterval(SWITCH_S)
        site = self._site()
        client = site.client()
        clock = RedisClock(client)
        _until_reached(clock.sync, f"Redis at {site.address}")
        mailer = Mailer(site, KINDS, self.holder, clock)
        self._exits.callback(mailer.close)
        dead = DeadLetters(client, site)
        mailroom = Mailroom(site, KINDS, self._deliver, dead, clock)
        office = PostOffice(mailer, self.gauges, lambda mailbox, message: self.works.hand_over(mailbox, message))
        table = Table(client, site)
        self._document = Document(client, site, active_config.NAME)
        self._keepsake = Keepsake(table, self._document)
        self._caretaker = Caretaker(table, self._document.infirmary, self.gauges, lambda: self.works)
        self._ground = Ground(
            site=site,
            clock=clock,
            table=table,
            office=office,
            mailroom=mailroom,
            gauges=self.gauges,
            keepsake=self._keepsake,
            dead=dead,
        )
        failed = self.gauges.thread_failures
        self._watch = Rounds("config", self._round, self.config.factory.tick_s, lambda name: failed.labels(name).inc())
        self.works = self._first_works()
        self._open(mailroom)
        log.info("host up", host=self.holder, generation=self.generation, pid=os.getpid())

    def _open(self, mailroom: Mailroom) -> None:
        """From here on it is asked, gets mail, and works; it stops in the other order."""
        console = ConsoleServer(self.config.factory.console, self.gauges, self.health)
        self._exits.callback(console.close)
        self.console_port = console.start()
        mailroom.subscribe(OPERATOR)
        mailroom.start()
        self._exits.callback(mailroom.close)
        self._exits.callback(lambda: self.works.stop())
        self.works.start()
        self._watch.start()
        self._exits.callback(lambda: self._watch.stop(WATCH_STOP_S))

    def _site(self) -> Site:
        if self.config.factory.redis == "embedded":
            try:
                self._exits.enter_context(EmbeddedServer(embedded_directory(self.config)))
            except OSError as wrong:
                raise bad_directory(self.config, wrong) from wrong
        return site_of(self.config)

    # --- which configuration is served

    def _first_works(self) -> Works:
        """Serve the host's own file if it is the active configuration, or becomes it now: a shadow's does.

        Hosts that start at one moment all find none; the first to write wins, the others look at what it wrote.
        """
        while True:
            try:
                return self._works_of_active()
            except StaleRow as stale:
                log.info("another host was first to apply its configuration", why=str(stale))

    def _works_of_active(self) -> Works:
        try:
            edition = self._document.read()
        except DamagedRow as damaged:
            log.error("this host holds nothing", why=str(damaged), hint="a host that knows it puts it back")
            return self._idle_works()
        own = active_config.shared(self.config)
        factory = self.config.factory
        alone = factory.redis == "embedded" and edition is not None and not active_config.chosen_by_a_person(edition)
        if edition is None or alone or factory.shadow:
            used = clouds_in_use(self._ground.table, active_config.clouds_of(edition))
            number, changed = active_config.activate(self._document, self.config, used, self.holder)
            if changed:
                log.info("configuration applied", generation=number, digest=active_config.digest(own))
            self._seen = self._document.read()
            return self._works_of(self._seen)
        self._seen = edition
        if active_config.says_the_same(self.config, edition):
            return self._works_of(edition)
        if factory.redis == "embedded":
            self._keeps_what_was_applied(edition)
            return self._works_of(edition)
        log.warning(
            "this host holds nothing: its file is not the active configuration",
            active=f"generation {edition.number}, {active_config.digest(edition.body)}, by {edition.by}",
            own=active_config.digest(own),
            hint="`apf apply` shows the difference and makes a file the active one",
        )
        return self._idle_works()

    def _keeps_what_was_applied(self, edition: Edition) -> None:
        """There is no other host that could serve it: it is served, as before the restart, and the file is not."""
        log.warning(
            "this host serves what was applied, and not its file, which says something else",
            active=f"generation {edition.number}, {active_config.digest(edition.body)}, by {edition.by}",
            own=active_config.digest(active_config.shared(self.config)),
            hint="`apf apply` shows the difference and makes a file the active one; `apf apply --show` prints what is",
        )

    def _works_of(self, edition: Any) -> Works:
        try:
            config = active_config.with_shared(self.config, edition.body)
        except NotServable as wrong:
            log.error("this host holds nothing", generation=edition.number, why=str(wrong))
            return self._idle_works()
        self.config, self.generation = config, edition.number
        return self._telling(Works(config, self._ground, self._info(self._posts), serve=True))

    def _telling(self, works: Works) -> Works:
        works.ownership.troubles = self.troubles
        return works

    def _idle_works(self) -> Works:
        self.generation = 0
        return self._telling(Works(self.config, self._ground, self._info(()), serve=False))

    def _info(self, posts: tuple[str, ...]) -> HostInfo:
        return HostInfo(
            host=self.name,
            incarnation=self._incarnation,
            version=version("autopyfactory-cloud"),
            posts=posts,
            started_at=self._ground.clock.now(),
            config_generation=self.generation or None,
        )

    def _round(self) -> None:
        """Serve a new generation as soon as it is active: without a restart, and without touching a VM. Then tidy up:
        what fails of one of these stops none of the others.
        """
        wrong: list[Exception] = []
        for work in (self._follow, self._keep_wishes, self._forget_old, self._caretaker.round, self._garbage.tidy):
            try:
                work()
            except Unreachable as away:
                log.debug("redis away", why=str(away))
            except Exception as cause:  # noqa: BLE001 - supervision: told by the thread's rounds
                wrong.append(cause)
        if wrong:
            raise wrong[0]

    def _follow(self) -> None:
        if (edition := self._keepsake.newer(self._seen)) is not None:
            self._change_to(edition)

    def _keep_wishes(self) -> None:
        self._keepsake.keep_wishes(self._ground.clock.now())

    def _forget_old(self) -> None:
        self._keepsake.forget_old(self._ground.clock.now(), self.config.factory.history_kept_s)

    def _change_to(self, edition: Edition) -> None:
        self._seen = edition
        log.info("configuration changes", generation=edition.number, by=edition.by)
        with self._lock:
            self.works.stop()
            self.works = self._works_of(edition)
            self.works.start()
        self._garbage.sweep()

    # --- mail and health

    def troubles(self) -> tuple[str, ...]:
        """What a person should know of this host, for its beats and /healthz."""
        return (*filter(None, [self._watch.trouble]), *self.works.troubles(), *self._caretaker.troubles)

    def _deliver(self, mailbox: str, message: Message, envelope: Envelope) -> None:
        self.works.deliver(mailbox, message, envelope)

    def health(self) -> dict[str, object]:
        """What /healthz says. Not healthy: Redis is away, or a thread of this host does not do its work."""
        ownership = self.works.ownership
        threads = [one for one in (ownership.trouble, self._watch.trouble) if one]
        return {
            "healthy": not ownership.away and not threads,
            "troubles": self.troubles(),
            "redis": ownership.away or "ok",
            "generation": self.generation,
            "posts": ownership.held,
            "frozen": FreezeFile.of(self.config).told(),
        }


def _until_reached(call: Callable[[], object], what: str) -> None:
    """Try for ever, with backoff: a host that comes up before Redis waits for it and says so."""
    tries = 0
    while True:
        try:
            call()
            return
        except Unreachable as away:
            wait_s = pause_s(RETRY_S, tries)
            log.error("not reached", what=what, why=str(away), again_in_s=wait_s)
            time.sleep(wait_s)
            tries += 1
