"""An endpoint that is something else than EC2: what answers there is told, and what to look at."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from actors.clouds.port import Unknown
from tests.actors.clouds.conftest import MakeEc2

PAGE = b"<html><head><title>Welcome</title></head><body>Hi<br></body></html>"


@contextmanager
def answering(status: int, kind: str, body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (200, "text/html", PAGE),
        (200, "text/html", b"<html><body>Hi</body></html>"),
        (200, "application/json", b'{"a": 1}'),
        (200, "text/xml", b""),
        (302, "text/html", b""),
        (404, "text/html", b"<html><body>not found</body></html>"),
    ],
)
def test_what_answers_and_is_not_ec2_proves_nothing_and_is_told_so(
    make_ec2: MakeEc2, status: int, kind: str, body: bytes
) -> None:
    with answering(status, kind, body) as url, pytest.raises(Unknown, match="is the endpoint an EC2 API"):
        make_ec2(endpoint=url).listing(0.0)
