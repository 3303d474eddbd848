"""/metrics for Prometheus and /healthz for whoever restarts hosts, on one port."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from actors.config import Console
from actors.gauges import Gauges

log = structlog.get_logger("console")


class ConsoleServer:
    """Answers on a thread of its own. `health()` must be quick; its "healthy" decides between 200 and 503."""

    def __init__(self, config: Console, gauges: Gauges, health: Callable[[], dict[str, Any]]) -> None:
        self._config, self._gauges, self._health = config, gauges, health
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> int:
        """The port that it answers on; 0 when it is turned off, or the port is taken (the factory runs without)."""
        if not self._config.listen:
            return 0
        try:
            self._server = ThreadingHTTPServer((self._config.listen, self._config.port), self._handler())
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
