"""A factory host that notes what its parts did when: python -m tests.benchmarks.noted_host CONFIG [NOTES [stalls]]

CONFIG is the configuration as JSON. NOTES gets one JSON list a line: what, whose, began, ended (monotonic seconds,
which all processes of a machine share), and the seconds of a core that its thread used. With `stalls`, how long its
threads were kept from running too: a thread that wakes each millisecond to see it costs the others a part of their
time. Without NOTES the host is left as it is. It runs until SIGTERM.
"""

from __future__ import annotations

import functools
import json
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import structlog

from actors.clouds.ec2.cloud import Ec2
from actors.config.schema import Config
from actors.host.host import Host
from actors.monitor import actor as monitor
from actors.pools.htcondor.pool import Htcondor
from actors.retirement.actor import Retirement
from actors.runtime import publisher
from actors.scheduler.actor import Scheduler
from actors.submitter.actor import Submitter
from tests.benchmarks.stalls import Watch

WATCHED = 5.0  # seconds of which the longest stall is noted


class Notes:
    """One line a note, whole, from any thread."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def note(self, what: str, whose: str, began: float, ended: float, used: float = 0.0) -> None:
        self._file.write(json.dumps([what, whose, began, ended, used]) + "\n")

    def around(self, owner: Any, name: str, what: str, whose: Callable[..., str]) -> None:
        """Have `owner.name` note each of its calls."""
        plain = getattr(owner, name)

        @functools.wraps(plain)
        def noting(*args: Any, **kwargs: Any) -> Any:
            began, used = time.monotonic(), time.thread_time()
            try:
                return plain(*args, **kwargs)
            finally:
                self.note(what, whose(*args), began, time.monotonic(), time.thread_time() - used)

        setattr(owner, name, noting)


def note_everything(notes: Notes) -> None:
    for actor in (Scheduler, Submitter, Retirement):
        notes.around(actor, "look", actor.title, lambda _self, seat, _term: seat.post)
    notes.around(Htcondor, "jobs", "jobs", lambda *_: "")
    notes.around(Htcondor, "startds", "startds", lambda *_: "")
    notes.around(Ec2, "listing", "listing", lambda *_: "")
    notes.around(monitor, "write_startds", "startds written", lambda *_: "")
    notes.around(publisher, "publish", "views", lambda _table, term, *_: term.post)


def note_stalls(notes: Notes, over: threading.Event) -> None:
    while not over.is_set():
        began = time.monotonic()
        with Watch() as watch:
            over.wait(WATCHED)
        notes.note("stall", "", began, began + watch.longest_s)


def main(config: str, notes: str = "", stalls: str = "") -> None:
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer(default=str)],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    settings = Config.model_validate_json(Path(config).read_text())
    if not notes:
        with Host(settings, "bench"):
            over.wait()
        return
    with Path(notes).open("a", buffering=1) as file:
        noting = Notes(file)
        note_everything(noting)
        with Host(settings, "bench"):
            if stalls:
                note_stalls(noting, over)
            over.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
