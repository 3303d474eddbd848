"""`apf run`: one host, until it is told to end.

SIGTERM and SIGINT give up its posts and leave every VM as it is: whoever holds the posts next goes on from the rows.
A second signal ends the process at once; that is safe too, only slower for the others (they wait for the leases).
"""

from __future__ import annotations

import signal
import time
from types import FrameType

import structlog

from actors.app import Host
from actors.config import Config

LOOK_S = 1.0

log = structlog.get_logger("host")


class _Told(BaseException):
    """A signal came. Raised in the main thread, wherever that is: waiting for Redis, or for this."""


def run(config: Config, host: str = "", posts: str = "*") -> None:
    """Serve until SIGTERM or SIGINT. Raises AlreadyRuns, BrokerError, NoSecret when it cannot start."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _told)
    try:
        with Host(config, host, posts) as up:
            log.info("serving", console=_console(config, up))
            while True:  # a signal that comes right before a wait is seen after it
                time.sleep(LOOK_S)
    except _Told as told:
        log.info("host down", why=str(told), vms="left as they are")


def _told(number: int, _: FrameType | None) -> None:
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_DFL)
    raise _Told(signal.Signals(number).name)


def _console(config: Config, host: Host) -> str:
    port = host.console_port
    return f"http://{config.factory.console.listen}:{port}/metrics" if port else "off"
