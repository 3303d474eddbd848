"""A factory host as a process of its own, for tests that kill and freeze it: python -m tests.factory_host CONFIG NAME

It runs until SIGTERM, then gives up its posts. The log goes to stderr, one JSON object a line.

SIGUSR1 makes the actor that is named in the file `CONFIG.kill-actor` raise outside of any post's look: an exception
that nobody expected, so that the supervisor has to start the actor anew. APF_TEST_CLOCK_AHEAD_S sets the time of day
that Python sees so many seconds ahead.
"""

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

import structlog

from actors.config.load import load
from actors.host.host import Host
from actors.host.run import STOP_S, end_in
from actors.runtime.post_actor import PostActor

AHEAD_S = float(os.environ.get("APF_TEST_CLOCK_AHEAD_S", "0"))


def main(config: str, name: str, posts: str = "*") -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    over = threading.Event()
    if AHEAD_S:
        now = time.time
        time.time = lambda: now() + AHEAD_S
    signal.signal(signal.SIGTERM, lambda *_: (over.set(), end_in(STOP_S)))
    signal.signal(signal.SIGUSR1, lambda *_: _doomed.add(Path(f"{config}.kill-actor").read_text().strip()))
    PostActor._look_at_due = _look_at_due  # type: ignore[method-assign]
    with Host(load(config), name, posts):
        while not over.wait(1.0):  # a signal that comes right before a wait is seen after it
            pass


_doomed: set[str] = set()  # titles of actors that raise at their next tick, once
_sane = PostActor._look_at_due


def _look_at_due(self: PostActor) -> None:
    if self.title in _doomed:
        _doomed.discard(self.title)
        raise RuntimeError("asked for by a test")
    _sane(self)


if __name__ == "__main__":
    main(*sys.argv[1:])
