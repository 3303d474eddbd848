"""What stands between the cloud of kind "openstack" and a real one: it passes on, and does harm where it is asked to.

All services are behind one port, each under its name; addresses in answers are changed so that nobody goes around it.
"""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PASSED_ON = ("content-type", "location", "x-subject-token", "retry-after", "www-authenticate")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """`path`: with its service before it, and with its query behind it."""

    method: str
    path: str
    body: bytes = b""

    @property
    def creates(self) -> bool:
        return self.method == "POST" and self.path.endswith("/servers")


@dataclass(frozen=True, kw_only=True)
class Answered:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Backend = Callable[[Asked, Mapping[str, str]], Answered]


class Reset(Exception):
    """The connection is cut instead of an answer."""


@dataclass(kw_only=True)
class Fault:
    """Of the next `times` requests that it is `on`. `passed_on`: the cloud carries the request out all the same."""

    on: Callable[[Asked], bool] = lambda asked: asked.creates
    times: int = 1
    passed_on: bool = True
    delay_s: float = 0.0
    answer: Answered | None = None  # None: a reset, unless it only delays


class Proxy:
    """`url` is known when it was entered."""

    def __init__(self, backend: Backend) -> None:
        self.asked: list[Asked] = []
        self.faults: list[Fault] = []
        self._backend, self._lock = backend, threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm, wbufsize = True, 65_536  # an answer is one packet

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except (ConnectionError, BrokenPipeError):
                    self.close_connection = True

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                asked = Asked(method=self.command, path=self.path, body=self.rfile.read(length) if length else b"")
                try:
                    self._answer(proxy.pass_on(asked, {k.lower(): v for k, v in self.headers.items()}))
                except Reset:
                    self.close_connection = True
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()

            do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

            def _answer(self, answer: Answered) -> None:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if answer.status != 204:
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def pass_on(self, asked: Asked, headers: Mapping[str, str]) -> Answered:
        fault = self._fault(asked)
        if fault is None:
            return self._backend(asked, headers)
        got = self._backend(asked, headers) if fault.passed_on else None
        time.sleep(fault.delay_s)
        answer = fault.answer or (got if fault.delay_s else None)
        if answer is None:
            raise Reset
        return answer

    def creates(self) -> int:
        return sum(one.creates for one in self.asked)

    def _fault(self, asked: Asked) -> Fault | None:
        with self._lock:
            self.asked.append(asked)
            for fault in self.faults:
                if fault.times > 0 and fault.on(asked):
                    fault.times -= 1
                    return fault
        return None


class RealServices:
    """A backend: real services by name, at these URLs (scheme and host only)."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls, self.proxy_url = urls, ""

    def __call__(self, asked: Asked, headers: Mapping[str, str]) -> Answered:
        service, _, rest = asked.path.lstrip("/").partition("/")
        where = urlsplit(self._urls[service])
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        kept = {k: v for k, v in headers.items() if k not in ("host", "connection", "accept-encoding")}
        try:
            connection.request(asked.method, f"/{rest}", asked.body or None, kept)
            got = connection.getresponse()
            body = got.read()
        finally:
            connection.close()
        told = {
            k.lower(): v for k, v in got.getheaders() if k.lower().startswith(PASSED_ON) or "openstack" in k.lower()
        }
        return Answered(status=got.status, body=self._changed(body), headers=told)

    def _changed(self, body: bytes) -> bytes:
        for name, url in self._urls.items():
            body = body.replace(url.encode(), f"{self.proxy_url}/{name}".encode())
        return body
