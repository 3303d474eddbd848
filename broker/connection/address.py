"""Where the broker is, and how to reach it safely.

Addresses:

    redis://[user[:password]@]host[:port][/db]
    rediss://[user[:password]@]host[:port][/db]?ca=/path/ca.pem[&cert=/path&key=/path]
    sentinel://[user[:password]@]host1[:port],host2[:port][/db]?master=NAME
    sentinels://... as sentinel, with ca, cert and key as rediss: TLS to the Sentinels and to the master
    (a Redis of our own: Address.local, its unix socket)
    amqp://[user[:password]@]host[:port][/vhost]      amqps:// with ca, as rediss     (mail only, never rows)

The rules it keeps. `rediss` alone would encrypt without checking who answers (redis-py through kombu), so the
certificate is always required and checked. Every socket has a time limit. redis-py's own retries are off: a
repeated Lua write could be refused as stale although the first one was done, so the caller retries, knowingly.
A password never shows in `str` or `repr`, nor in an error. User and password are for the master; Sentinels
are asked without, and let those who only ask do so (deploy/redis/sentinel.conf).
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from broker.connection.sentinel_connection import MasterConnection, MasterTlsConnection
from broker.errors import BadUrl

if TYPE_CHECKING:  # kombu takes as long to load as all of `apf status`, which sends no mail
    from kombu.connection import Connection

    from broker.connection.guarded_transport import Park

SOCKET_TIMEOUT_S = 5
CONNECT_TIMEOUT_S = 2
HEALTH_CHECK_S = 5
VISIBILITY_TIMEOUT_S = 12  # an unacknowledged mail is delivered again after this
MAX_CONNECTIONS = 64

PORTS = {"redis": 6379, "rediss": 6379, "sentinel": 26379, "sentinels": 26379, "amqp": 5672, "amqps": 5671}
OPTIONS = {
    "redis": set[str](),
    "rediss": {"ca", "cert", "key"},
    "sentinel": {"master"},
    "sentinels": {"master", "ca", "cert", "key"},
    "amqp": set[str](),
    "amqps": {"ca", "cert", "key"},
}
TLS = ("rediss", "sentinels", "amqps")
SHAPE = (
    "redis://host:port/db, rediss://host:port/db?ca=FILE, sentinel://h1:p1,h2:p2/db?master=NAME, "
    "sentinels://h1:p1,h2:p2/db?master=NAME&ca=FILE"
)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


@dataclass(frozen=True, kw_only=True)
class Address:
    """A broker's address, parsed and checked. `db` is a Redis database number, or an AMQP virtual host."""

    scheme: str
    nodes: tuple[tuple[str, int], ...]
    db: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    master: str | None = None
    socket: str | None = None  # of scheme "unix": the socket's path; there are no nodes then

    @classmethod
    def local(cls, socket: str, password: str | None) -> Self:
        """A Redis on this machine, by its unix socket."""
        return cls(scheme="unix", nodes=(), db="0", socket=socket, password=password)

    @classmethod
    def parse(cls, url: str, *, user: str | None = None, password: str | None = None) -> Self:
        """Read an address. `user` and `password` given here win over those in the text. Raises BadUrl."""
        parts = _split(url)
        options = _options(parts)
        who, at, places = parts.netloc.rpartition("@")
        in_user, _, in_password = who.partition(":") if at else ("", "", "")
        try:
            nodes, db = _nodes(places, parts.scheme), _db(parts)
        except BadUrl:
            if "@" not in url:
                raise
            raise BadUrl(  # a "/" in a password makes its parts look like a place and a database
                f"not host:port/db, with a user or a password that are not shown (write / as %2F); allowed: {SHAPE}"
            ) from None
        return cls(
            scheme=parts.scheme,
            nodes=nodes,
            db=db,
            user=user or unquote(in_user) or None,
            password=password or unquote(in_password) or None,
            **options,
        )

    def __str__(self) -> str:
        if self.socket:
            return f"unix:{self.socket}"
        places = ",".join(f"{_bracketed(host)}:{port}" for host, port in self.nodes)
        query = "&".join(f"{name}={value}" for name in ("master", "ca") if (value := getattr(self, name)))
        return f"{self.scheme}://{places}/{self.db}{'?' if query else ''}{query}"

    @property
    def holds_rows(self) -> bool:
        """Whether rows and leases can live here: Redis yes, AMQP no."""
        return not self.scheme.startswith("amqp")

    @property
    def by_sentinel(self) -> bool:
        """Whether the nodes are Sentinels, which name the master."""
        return "master" in OPTIONS.get(self.scheme, ())

    def client(self) -> redis.Redis:
        """A thread-safe client with a pool of its own; answers are bytes. Makes no call. Raises BadUrl."""
        if not self.holds_rows:
            raise BadUrl(f"{self} carries mail only; rows and leases need {SHAPE}")
        settings: dict[str, Any] = _redis_settings() | {"username": self.user, "password": self.password}
        if self.socket:
            return redis.Redis(unix_socket_path=self.socket, db=int(self.db), **settings)
        if self.by_sentinel:
            return self._from_sentinel(settings)
        host, port = self.nodes[0]
        if self.scheme in TLS:
            settings |= {"ssl": True} | self._tls()
        return redis.Redis(host=host, port=port, db=int(self.db), **settings)

    def connection(self) -> Connection:
        """A kombu connection, not yet opened. The mailbox keys are set by `mail_options` of a Site."""
        return self.connection_with({})

    def connection_with(self, options: dict[str, Any]) -> Connection:
        """As `connection`, with more transport options."""
        if not self.holds_rows:
            return self._amqp()
        options = _kombu_settings() | options
        if self.by_sentinel:
            return self._by_sentinel(options)
        if self.socket:
            return self._by_socket(options)
        from kombu.connection import Connection

        from broker.connection.guarded_transport import GuardedTransport

        host, port = self.nodes[0]
        return Connection(
            transport=GuardedTransport,
            hostname=host,
            port=port,
            virtual_host=self.db,
            userid=self.user,
            password=self.password,
            ssl=self._tls() if self.scheme in TLS else False,
            transport_options=options,
        )

    def _by_sentinel(self, options: dict[str, Any]) -> Connection:
        from kombu.connection import Connection

        from broker.connection.guarded_transport import GuardedSentinelTransport

        asks = {"master_name": self.master, "sentinel_kwargs": self._sentinel_settings()}
        return Connection(
            ";".join(f"sentinel://{_bracketed(host)}:{port}/{self.db}" for host, port in self.nodes),
            transport=GuardedSentinelTransport,
            userid=self.user,
            password=self.password,
            ssl=self._tls() if self.scheme in TLS else False,
            transport_options=options | asks,
        )

    def _by_socket(self, options: dict[str, Any]) -> Connection:
        from kombu.connection import Connection

        from broker.connection.guarded_transport import GuardedSocketTransport

        return Connection(
            transport=GuardedSocketTransport,
            hostname=self.socket,
            virtual_host=self.db,
            password=self.password,
            transport_options=options,
        )

    def _from_sentinel(self, settings: dict[str, Any]) -> redis.Redis:
        watch = Sentinel(list(self.nodes), sentinel_kwargs=self._sentinel_settings())
        if self.scheme in TLS:
            settings |= {"connection_class": MasterTlsConnection} | self._tls()
        else:
            settings |= {"connection_class": MasterConnection}
        client: redis.Redis = watch.master_for(self.master or "", db=int(self.db), **settings)
        return client

    def _sentinel_settings(self) -> dict[str, Any]:
        """For asking a Sentinel: one that is down must not delay asking the next."""
        plain: dict[str, Any] = {
            "socket_timeout": CONNECT_TIMEOUT_S,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "retry": Retry(NoBackoff(), 0),
        }
        return plain | ({"ssl": True} | self._tls() if self.scheme in TLS else {})

    def _amqp(self) -> Connection:
        from kombu.connection import Connection

        host, port = self.nodes[0]
        return Connection(
            transport="pyamqp",
            hostname=host,
            port=port,
            virtual_host=self.db,
            userid=self.user,
            password=self.password,
            ssl=self._amqp_tls(),
            connect_timeout=CONNECT_TIMEOUT_S,
            heartbeat=HEALTH_CHECK_S * 2,
            transport_options={"confirm_publish": True, "read_timeout": None},
        )

    def _tls(self) -> dict[str, Any]:
        """redis-py's words for: check the certificate and the name, against our CA or the system's."""
        for path in (self.ca, self.cert, self.key):
            if path and not Path(path).is_file():
                raise BadUrl(f"{self}: there is no file {path}")
        return {
            "ssl_cert_reqs": ssl.CERT_REQUIRED,
            "ssl_check_hostname": True,
            "ssl_ca_certs": self.ca,
            "ssl_certfile": self.cert,
            "ssl_keyfile": self.key,
        }

    def _amqp_tls(self) -> dict[str, Any] | bool:
        if self.scheme != "amqps":
            return False
        words = self._tls()
        return {
            "cert_reqs": ssl.CERT_REQUIRED,
            "ca_certs": words["ssl_ca_certs"],
            "certfile": words["ssl_certfile"],
            "keyfile": words["ssl_keyfile"],
            "server_hostname": self.nodes[0][0],
        }


@dataclass(frozen=True, kw_only=True)
class Site:
    """One factory's part of a broker. Two factories share a Redis by their names: all keys begin with `prefix`.

    `mail` is where mail goes when it is not the Redis of the rows (AMQP); None means the same Redis.
    """

    address: Address
    factory: str
    mail: Address | None = None

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.factory):
            raise BadUrl(f"factory name {self.factory!r}: letters, digits, '_', '.', '-', at most 63, are allowed")
        if not self.address.holds_rows:
            raise BadUrl(f"{self.address} carries mail only; rows and leases need {SHAPE}")

    @property
    def prefix(self) -> str:
        """What every key of this factory begins with."""
        return f"apf:{self.factory}:"

    def key(self, *parts: str) -> str:
        """A key of this factory: key('rows', 'vm', 'cloud/a') is 'apf:NAME:rows:vm:cloud/a'."""
        return self.prefix + ":".join(parts)

    def mailbox(self, name: str) -> str:
        """The queue (and Redis key) of a mailbox."""
        return self.key("mail", name)

    def client(self) -> redis.Redis:
        """A client of the Redis that holds the rows."""
        return self.address.client()

    def connection(self, park: Park | None = None) -> Connection:
        """A connection to where the mail goes; kombu's bookkeeping lies under our prefix too.

        `park` gets what a consumer pops and kombu could not read (Redis only).
        """
        keys = {f"unacked{part}_key": self.key("mail-unacked" + part) for part in ("", "_index", "_mutex")}
        return (self.mail or self.address).connection_with({**keys, "park": park})


def _redis_settings() -> dict[str, Any]:
    return {
        "socket_timeout": SOCKET_TIMEOUT_S,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "health_check_interval": HEALTH_CHECK_S,
        "max_connections": MAX_CONNECTIONS,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }


def _kombu_settings() -> dict[str, Any]:
    return {
        "visibility_timeout": VISIBILITY_TIMEOUT_S,
        "unacked_restore_throttle": 1_000_000,  # looks between kombu's own sweeps: the janitor sweeps, every second
        "unacked_mutex_expire": SOCKET_TIMEOUT_S * 2,  # a janitor that died must not stop all others for minutes
        "priority_steps": [0],  # one Redis list a mailbox, not four
        "socket_timeout": SOCKET_TIMEOUT_S,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "health_check_interval": HEALTH_CHECK_S,
        "max_connections": MAX_CONNECTIONS,
    }


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError as wrong:
        raise BadUrl(f"not an address: {wrong}; allowed: {SHAPE}") from wrong
    if parts.scheme not in PORTS:
        raise BadUrl(f"scheme {parts.scheme or 'missing'!r} is not known; allowed: {SHAPE}")
    if parts.fragment:
        raise BadUrl("'#' in an address: write it as %23 (in a password, for one)")
    return parts


def _options(parts: SplitResult) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    allowed = OPTIONS[parts.scheme]
    if unknown := sorted(set(options) - allowed):
        raise BadUrl(
            f"{parts.scheme} does not know {', '.join(unknown)}; it knows {', '.join(sorted(allowed)) or 'none'}"
        )
    if empty := sorted(name for name, value in options.items() if not value):
        raise BadUrl(f"{', '.join(empty)} is empty")
    if "master" in allowed and "master" not in options:
        raise BadUrl(f"{parts.scheme} needs ?master=NAME, the name that the sentinels watch")
    return options


def _nodes(places: str, scheme: str) -> tuple[tuple[str, int], ...]:
    nodes = tuple(_node(place, PORTS[scheme]) for place in places.split(","))
    if len(nodes) > 1 and "master" not in OPTIONS[scheme]:
        raise BadUrl(f"{scheme} takes one host; several are for sentinel")
    return nodes


def _node(place: str, default_port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{place}")
        port = parts.port if parts.port is not None else default_port
    except ValueError as wrong:
        raise BadUrl(f"{place!r} is not host:port: {wrong}") from None
    if not parts.hostname or port == 0:
        raise BadUrl(f"{place!r} is not host:port; allowed: {SHAPE}")
    return parts.hostname, port


def _db(parts: SplitResult) -> str:
    db = unquote(parts.path.removeprefix("/"))
    if parts.scheme.startswith("amqp"):
        return db or "/"
    if not (db or "0").isascii() or not (db or "0").isdigit():
        raise BadUrl(f"database {db!r}: a number is needed, 0 if left out")
    return str(int(db or "0"))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
