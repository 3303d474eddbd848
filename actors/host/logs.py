"""The log of a host: one line a decision, to stderr. In colours for a person, as JSON lines for anything else.

The libraries' own warnings come the same way, so that there is one stream to read and to collect.

The rules it keeps: what came from outside is shown and never sent (`actors.config.outside_text`), so that nobody who
names a startd writes lines or colours of a log. A traceback names its lines of code and never what variables held:
secrets would be among them. Each of a traceback's lines is marked, so that none looks like a line of the log.
"""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from actors.config.outside_text import visible, visible_lines

_KEPT = ("exc_info", "exception", "stack", "positional_args")  # structlog's own, rendered apart
_QUIET = ("boto3", "botocore", "urllib3", "kombu", "amqp")


def configure(stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Send structlog's and logging's lines to `stream` (default: stderr). The last call wins."""
    stream = stream or sys.stderr
    before: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    person = stream.isatty()
    last: list[Processor] = (
        [_visible, structlog.dev.ConsoleRenderer(exception_formatter=_traceback)]
        if person
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("pykka").setLevel(logging.CRITICAL)  # an actor's death is told by the supervisor, with its cause
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _visible(_: Any, __: str, event: EventDict) -> EventDict:
    """Keys and values as text that a terminal does not obey. What is not text is written as Python writes it."""
    return {visible(key): value if key in _KEPT else _shown(value) for key, value in event.items()}


def _shown(value: object) -> object:
    if isinstance(value, str):
        return visible(value)
    return value if isinstance(value, bool | int | float | None) else visible(repr(value))


def _traceback(stream: TextIO, exc_info: tuple[type[BaseException], BaseException, TracebackType | None]) -> None:
    for line in visible_lines("".join(traceback.format_exception(*exc_info)).rstrip("\n")):
        stream.write(f"\n  | {line}")
