"""/metrics and /healthz, however many ask at once and however slowly."""

import socket
import threading
import time
from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from actors.config.schema import Console
from actors.host import http_server
from actors.host.http_server import AT_ONCE, ConsoleServer
from actors.runtime.metrics import Gauges


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(http_server, "PATIENCE_S", 0.5)
    console = ConsoleServer(Console(port=0), Gauges(), lambda: {"healthy": True})
    yield console.start()
    console.close()


def answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_sixty_half_requests_hold_few_threads_and_soon_none(port: int) -> None:
    before = threading.active_count()
    half = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
    for one in half:
        one.sendall(b"GET /metrics HT")
    deadline, most = time.monotonic() + 20, 0
    while not answers(port):
        most = max(most, threading.active_count() - before)
        assert time.monotonic() < deadline, "others are not answered any more"
    assert most <= 2 * AT_ONCE + 1
    for one in half:
        one.close()
    assert answers(port)


def test_a_request_that_comes_byte_by_byte_is_cut_off(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.settimeout(0.1)
        deadline = time.monotonic() + 20
        while not is_closed(slow):
            assert time.monotonic() < deadline, "it is held for ever"


def is_closed(connection: socket.socket) -> bool:
    try:
        connection.sendall(b"x")
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True
