"""Kombu's Redis transport with a guard at the mouth.

Kombu pops an item and parses it in one go: an item that is not its JSON (anyone may LPUSH) raises, kills the
consumer, and is gone. The guard looks at each popped item first. What kombu could not read, or could not give
back after a crash (a named exchange, which nobody here declares), is parked with its reason instead.
"""

import base64
import binascii
import functools
from collections.abc import Callable
from typing import Any

import redis
from kombu.transport import redis as kombu_redis
from kombu.utils.json import dumps, loads
from redis.backoff import NoBackoff
from redis.retry import Retry

from broker.codec import MAX_BYTES
from broker.connection.sentinel_connection import MasterConnection, MasterTlsConnection

Park = Callable[[str, str, bytes], None]  # queue, reason, the raw item
MAX_ITEM_BYTES = MAX_BYTES * 4 // 3 + 16 * 1024  # base64, and kombu's own fields around it


def unreadable(item: bytes, queue: str) -> str | None:
    """Why kombu must not see this item; None if it may."""
    if len(item) > MAX_ITEM_BYTES:
        return f"{len(item)} bytes; at most {MAX_ITEM_BYTES} are read"
    try:
        mail = loads(item.decode())
        dumps(
            mail, ensure_ascii=False
        ).encode()  # kombu must be able to write it down again: a lone surrogate cannot be
    except Exception as wrong:  # noqa: BLE001  the mail's edge: kombu's JSON builds objects from what it reads
        return f"not kombu's JSON: {str(wrong)[:200] or type(wrong).__name__}"
    return _misshapen(mail, queue)


def _misshapen(mail: Any, queue: str) -> str | None:
    properties = mail.get("properties") if isinstance(mail, dict) else None
    delivery = properties.get("delivery_info") if isinstance(properties, dict) else None
    if not isinstance(properties, dict) or not isinstance(delivery, dict):
        return "not kombu's JSON: no properties with delivery_info"
    if not isinstance(properties.get("delivery_tag"), str) or not properties["delivery_tag"]:
        return "no delivery_tag"
    if delivery.get("exchange") != "" or delivery.get("routing_key") != queue:
        return f"publish to the default exchange ('') with routing_key {queue!r}"
    headers = mail.get("headers")
    if not isinstance(headers, dict) or "compression" in headers:
        return "headers must be a map, without compression"
    return _bad_body(mail.get("body"), properties.get("body_encoding"))


def _bad_body(body: Any, encoding: Any) -> str | None:
    if not isinstance(body, str) or encoding not in (None, "base64"):
        return "body must be text, plain or base64"
    try:
        base64.b64decode(body if encoding else "")
    except (ValueError, binascii.Error) as wrong:
        return f"body is not base64: {wrong}"
    return None


class GuardedClient(redis.Redis):
    """A client whose BRPOP never returns an item that kombu cannot read. `park` gets such items."""

    def __init__(self, *, park: Park | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self._park = park

    def parse_response(self, connection: Any, command_name: Any, **options: Any) -> Any:
        """redis-py's hook for reading an answer."""
        answer: Any = super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]
        if command_name != "BRPOP" or not answer or self._park is None:
            return answer
        queue = answer[0].decode()
        if (reason := unreadable(answer[1], queue)) is None:
            return answer
        self._park(queue, reason, answer[1])
        return None  # kombu reads this as: nothing came


class _Guard:
    """For both channels below. `park` comes as a transport option.

    redis-py would repeat a failed call for ten seconds and more, with pauses, inside kombu's own repeating: an
    actor that sends while Redis is away would hang for so long. Here each call fails at once, and kombu retries.

    kombu makes a new client for each command, which takes longer than the command (measured: half of what a mail
    costs). A client is only a face of its pool, so one is kept for as long as kombu keeps the pool.
    """

    park: Park | None = None
    _kept: tuple[Any, Any] | None = None  # a pool, and its client

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        settings: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[misc]
        return settings | {"retry": Retry(NoBackoff(), 0), "protocol": 2}

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:  # its connection is the one that waits for mail: kombu keeps that client itself
            return super()._create_client(asynchronous)  # type: ignore[misc]
        pool = self.pool  # type: ignore[attr-defined]
        if self._kept is None or self._kept[0] is not pool:
            self._kept = (pool, super()._create_client())  # type: ignore[misc]
        return self._kept[1]

    def _get_client(self) -> Any:
        return functools.partial(GuardedClient, park=self.park)


class GuardedChannel(_Guard, kombu_redis.Channel):
    """kombu's channel over one Redis."""

    from_transport_options: tuple[str, ...] = (*kombu_redis.Channel.from_transport_options, "park")  # type: ignore[assignment]


class GuardedTransport(kombu_redis.Transport):
    """kombu's transport over one Redis."""

    Channel = GuardedChannel


class SocketConnection(redis.UnixDomainSocketConnection):
    """kombu's words for a place are host and port: the host is the socket's path here."""

    def __init__(self, *, host: str, **settings: Any) -> None:
        for of_tcp in ("port", "socket_keepalive", "socket_keepalive_options"):
            settings.pop(of_tcp, None)
        super().__init__(path=host, **settings)  # type: ignore[no-untyped-call]


class GuardedSocketChannel(GuardedChannel):
    """kombu's channel over one Redis, by its unix socket."""

    connection_class = SocketConnection  # type: ignore[assignment]


class GuardedSocketTransport(kombu_redis.Transport):
    """kombu's transport over one Redis, by its unix socket."""

    Channel = GuardedSocketChannel


class GuardedSentinelChannel(_Guard, kombu_redis.SentinelChannel):
    """kombu's channel over the master that Sentinels name."""

    connection_class = MasterConnection
    connection_class_ssl = MasterTlsConnection  # type: ignore[assignment]

    from_transport_options: tuple[str, ...] = (*kombu_redis.SentinelChannel.from_transport_options, "park")  # type: ignore[assignment]


class GuardedSentinelTransport(kombu_redis.SentinelTransport):
    """kombu's transport over the master that Sentinels name."""

    Channel = GuardedSentinelChannel
