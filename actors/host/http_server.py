"""/metrics for Prometheus and /healthz for whoever restarts hosts, on one port.

Whoever reaches the port may open connections and say nothing: so a few are answered at once, each has a few seconds to
ask and to read its answer, and what comes beyond that is closed unheard.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR
from threading import BoundedSemaphore, Thread, Timer
from typing import Any

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from actors.config.schema import Console
from actors.runtime.metrics import Gauges

AT_ONCE = 8  # connections
PATIENCE_S = 5.0  # for one whole request

log = structlog.get_logger("console")


class _Server(ThreadingHTTPServer):
    """At most AT_ONCE threads; a connection that is not done after PATIENCE_S is closed."""

    daemon_threads = True

    def __init__(self, where: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._free = BoundedSemaphore(AT_ONCE)
        super().__init__(where, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        over = Timer(PATIENCE_S, _cut, (request,))  # a byte now and then would outlive any time limit of a single read
        over.daemon = True
        over.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            over.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked is gone, or was too slow."""
        log.debug("request not answered", exc_info=True)


def _cut(connection: Any) -> None:
    with suppress(OSError):
        connection.shutdown(SHUT_RDWR)


class ConsoleServer:
    """Answers on a thread of its own. `health()` must be quick; its "healthy" decides between 200 and 503."""

    def __init__(self, config: Console, gauges: Gauges, health: Callable[[], dict[str, Any]]) -> None:
        self._config, self._gauges, self._health = config, gauges, health
        self._server: _Server | None = None

    def start(self) -> int:
        """The port that it answers on; 0 when it is turned off, or the port is taken (the factory runs without)."""
        if not self._config.listen:
            return 0
        try:
            self._server = _Server((self._config.listen, self._config.port), self._handler())
        except OSError as taken:
            where = f"{self._config.listen}:{self._config.port}"
            log.error("no console", where=where, why=str(taken), hint="set [factory.console] port, or 0 for a free one")
            return 0
        Thread(target=self._server.serve_forever, name="console", daemon=True).start()
        return int(self._server.server_address[1])

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gauges, health = self._gauges, self._health

        class Handler(BaseHTTPRequestHandler):
            timeout = PATIENCE_S

            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(gauges.registry))
                elif self.path == "/healthz":
                    seen = health()
                    body = json.dumps(seen, default=list).encode()
                    self._answer(200 if seen["healthy"] else 503, "application/json", body)
                else:
                    self._answer(404, "text/plain", b"here are /metrics and /healthz\n")

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Prometheus asks every few seconds: nothing to tell."""

        return Handler
