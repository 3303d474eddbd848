"""`apf run`: one host, until it is told to end.

SIGTERM and SIGINT give up its posts and leave every VM as it is: whoever holds the posts next goes on from the rows.
A second signal ends the process at once; that is safe too, only slower for the others (they wait for the leases). So is
what comes by itself after STOP_S: whatever is away then (Redis, a cloud, a pool) must not keep the process.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType

import structlog

from actors.config.schema import Config
from actors.host.host import Host

LOOK_S = 1.0
STOP_S = 15.0  # from the signal to the end

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
    end_in(STOP_S)
    raise _Told(signal.Signals(number).name)


def end_in(limit_s: float) -> None:
    """End this process in so many seconds, unless it has ended by itself. Its children end with it."""
    timer = threading.Timer(limit_s, _end, (limit_s,))
    timer.daemon = True
    timer.start()


def _end(limit_s: float) -> None:
    log.warning("host ends though not all has stopped", after_s=limit_s, vms="left as they are")
    sys.stderr.flush()
    os._exit(0)


def _console(config: Config, host: Host) -> str:
    port = host.console_port
    return f"http://{config.factory.console.listen}:{port}/metrics" if port else "off"
