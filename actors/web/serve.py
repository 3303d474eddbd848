"""`apf web`: the page and the API on an address of this machine, until Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from actors.config.schema import Config
from actors.console.status import Reader
from actors.console.status_model import Status
from actors.web.access import LOOPBACK, Rules
from actors.web.tokens import TokenFile

MISSING = "the page needs more packages: pip install 'autopyfactory-cloud[web]'"


class CannotServe(ValueError):
    """The page cannot be served so: the message says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedAt:
    """`socket`: a unix socket instead of `listen` and `port`. `names`: further names under which it is reached."""

    listen: str = "127.0.0.1"
    port: int = 9619
    socket: Path | None = None
    names: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    behind: tuple[str, ...] = ()
    user_header: str = "X-Forwarded-User"


def rules(where: ServedAt, tokens: Path) -> Rules:
    """Raises CannotServe: beyond this machine only with TLS, or behind a proxy that is named."""
    try:
        here = where.socket is not None or ip_address(where.listen).is_loopback
        behind = tuple(ip_network(one) for one in where.behind)
    except ValueError as wrong:
        raise CannotServe(f"{wrong}: give an address, as 127.0.0.1, 0.0.0.0 or 10.0.0.0/8") from wrong
    if bool(where.certificate) != bool(where.key):
        raise CannotServe("--certificate and --key go together")
    if not (here or where.certificate or behind):
        raise CannotServe(
            f"on {where.listen} anybody on the network reads what goes by, tokens too: give --certificate and --key, "
            "or --behind ADDRESS of a proxy that speaks TLS and says who asks"
        )
    names = frozenset(name.lower() for name in (*where.names, where.listen))
    return Rules(
        hosts=LOOPBACK | names,
        tokens=TokenFile(tokens),
        behind=behind,
        user_header=where.user_header.lower(),
        local=here and not behind,
    )


class Opened:
    """Reads the status, opening the factory's Redis when it has to: it may be down now and up later."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._reader: Reader | None = None

    def read(self) -> Status:
        """Raises NotRunning, NoSecret, BrokerError."""
        if self._reader is None:
            self._reader = Reader(self._config)
        return self._reader.read()


def serve(config: Config, where: ServedAt, tokens: Path, begins: Callable[[], None] = lambda: None) -> None:
    """Raises CannotServe."""
    made = rules(where, tokens)
    try:
        import uvicorn

        from actors.web.app import make_app
        from actors.web.desk import Desk
        from actors.web.events import EventLog
        from actors.web.snapshot import Snapshots
    except ModuleNotFoundError as missing:
        raise CannotServe(f"{MISSING} (there is no {missing.name})") from missing
    log = EventLog()
    desk = Desk(config=config, rules=made, snapshots=Snapshots(Opened(config).read, log.changed), log=log)
    begins()
    uvicorn.run(make_app(desk), **_of_uvicorn(where))


def _of_uvicorn(where: ServedAt) -> dict[str, Any]:
    """No proxy's word is taken by the server itself: `access` does, and only from those that are named."""
    place: dict[str, Any] = {"uds": str(where.socket)} if where.socket else {"host": where.listen, "port": where.port}
    tls: dict[str, Any] = {"ssl_certfile": where.certificate, "ssl_keyfile": where.key} if where.certificate else {}
    quiet: dict[str, Any] = {"log_level": "warning", "proxy_headers": False, "server_header": False}
    return {
        **place,
        **tls,
        **quiet,
        "timeout_keep_alive": 15,
        "limit_concurrency": 500,
        "h11_max_incomplete_event_size": 65_536,
    }


def shown(where: ServedAt) -> str:
    """Its address, for whoever started it."""
    scheme = "https" if where.certificate else "http"
    return f"unix:{where.socket}" if where.socket else f"{scheme}://{where.listen}:{where.port}/"
