"""The log is one line a decision, for a person or for a machine."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from actors.host import logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def test_a_machine_gets_one_json_object_a_line() -> None:
    stream = io.StringIO()
    logs.configure(stream)
    structlog.get_logger("scheduler").info("want", queue="atlas", now=2, why=("because", "so"))
    (line,) = stream.getvalue().splitlines()
    said = json.loads(line)
    assert (said["event"], said["logger"], said["level"]) == ("want", "scheduler", "info")
    assert said["why"] == ["because", "so"]
    assert said["timestamp"].endswith("Z")


def test_a_traceback_stays_in_its_line() -> None:
    stream = io.StringIO()
    logs.configure(stream)
    try:
        int("unexpected")
    except ValueError:
        structlog.get_logger("supervisor").exception("actor died")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError: invalid literal" in json.loads(line)["exception"]


def test_a_person_gets_no_json() -> None:
    stream = Terminal()
    logs.configure(stream)
    structlog.get_logger("scheduler").info("want", queue="atlas")
    assert "want" in stream.getvalue()
    assert "{" not in stream.getvalue()


def test_libraries_speak_in_the_same_stream_and_only_when_it_matters() -> None:
    stream = io.StringIO()
    logs.configure(stream)
    logging.getLogger("botocore.credentials").info("found")
    logging.getLogger("kombu").warning("lost")
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["event"] == "lost"
