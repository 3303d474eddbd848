"""A factory's Redis, opened for one command of the operator and closed after it. No host needs to answer."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from actors.config.schema import Config
from actors.store import active_config
from actors.store.active_config import NotServable
from actors.store.site import site_of
from broker.connection.address import Site
from broker.connection.clock import RedisClock
from broker.connection.damage import Infirmary, Where
from broker.errors import DamagedRow
from broker.mail.dead_letters import DeadLetters
from broker.posts.hosts import Hosts
from broker.posts.leases import Leases
from broker.rows.document import Document, Edition
from broker.rows.streams import Lines
from broker.rows.table import Table

_LOOKER = "console#0"  # holds no post


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """What commands read and write. `now` is Redis time when it was opened."""

    site: Site
    now: float
    table: Table
    lines: Lines
    hosts: Hosts
    leases: Leases
    dead: DeadLetters
    infirmary: Infirmary
    document: Document


@contextmanager
def store(config: Config) -> Iterator[Store]:
    """Raises NotRunning, NoSecret, BadUrl, Unreachable."""
    site = site_of(config)
    client = site.client()
    try:
        yield Store(
            site=site,
            now=RedisClock(client).sync(),
            table=Table(client, site),
            lines=Lines(client, site),
            hosts=Hosts(client, site),
            leases=Leases(client, site, _LOOKER, config.factory.ttl_s),
            dead=DeadLetters(client, site),
            infirmary=Infirmary(client, site),
            document=Document(client, site, active_config.NAME),
        )
    finally:
        client.close()


def served(config: Config, edition: Edition | None) -> Config:
    """What the hosts serve: the active configuration, else (none yet, or a newer version's) the file's."""
    try:
        return active_config.with_shared(config, edition.body) if edition else config
    except NotServable:
        return config


def with_served(config: Config, edition: Edition | None) -> Config:
    """The file's pools, clouds and queues, and those that hosts serve though the file leaves them out: a cloud that is
    drained before it goes, or all that differs while the file is not applied. The file's own come first."""
    now = served(config, edition)
    return config.model_copy(
        update={
            "pools": config.pools | {name: one for name, one in now.pools.items() if name not in config.pools},
            "clouds": config.clouds | {name: one for name, one in now.clouds.items() if name not in config.clouds},
            "queues": config.queues | {name: one for name, one in now.queues.items() if name not in config.queues},
        }
    )


def clouds_known(config: Config, rows: Store) -> tuple[str, ...]:
    """The clouds of the file, of what the hosts serve, and those that a host ever held: rows may stand there still."""
    held = held_clouds(rows.leases)
    return tuple(dict.fromkeys((*config.clouds, *served(config, edition_of(rows)).clouds, *held)))


def held_clouds(leases: Leases) -> list[str]:
    """Those whose post a host ever held."""
    return [owner.post.partition("/")[2] for owner in leases.owners() if owner.post.startswith("cloud/")]


def edition_of(rows: Store) -> Edition | None:
    """The active configuration; None where there is none, or what stands there cannot be read (it is noted)."""
    return known_edition(rows.document, rows.table)


def known_edition(document: Document, table: Table) -> Edition | None:
    try:
        return document.read()
    except DamagedRow as bad:
        table.damages.note(Where(key=f"document:{active_config.NAME}"), str(bad))
        return None


def author() -> str:
    """Who runs this command, for what is written down."""
    return f"{getpass.getuser()}@{socket.gethostname()}"[:100]
