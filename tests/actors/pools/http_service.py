"""A real server over HTTP or HTTPS that answers as a test says: well, late, byte by byte, too much, or not at all."""

from __future__ import annotations

import datetime
import json
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "localhost"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """`drips`: the body comes a byte at a time, for ever. `hangs`: nothing comes."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    drips: bool = False
    hangs: bool = False


@dataclass(frozen=True, kw_only=True)
class Asked:
    """`who`: the subject of the client's certificate."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    who: str = ""


def said(value: object, **more: Any) -> Reply:
    return Reply(body=json.dumps(value).encode(), **more)


class Service:
    """`with Service(answer) as service:`; `tls`: certificate and key in one file, which is its own CA."""

    def __init__(self, answer: Callable[[Asked], Reply], tls: Path | None = None) -> None:
        self.answer, self.asked = answer, []
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            context.load_verify_locations(tls)
            context.verify_mode = ssl.CERT_OPTIONAL
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://{HOST}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    asked: list[Asked]

    def __enter__(self) -> Service:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        certificate = getattr(handler.connection, "getpeercert", dict)() or {}
        subject: Any = certificate.get("subject", ())
        asked = Asked(
            method=handler.command,
            path=handler.path,
            headers={name.lower(): value for name, value in handler.headers.items()},
            body=handler.rfile.read(length),
            who=" ".join(value for part in subject for _, value in part),
        )
        self.asked.append(asked)
        reply = self.answer(asked)
        if reply.hangs:
            self._over.wait(20)
            return
        handler.send_response(reply.status)
        handler.send_header("Content-Type", "text/plain")  # PanDA says so of JSON too
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        if not reply.drips:
            handler.send_header("Content-Length", str(len(reply.body)))
        handler.end_headers()
        handler.wfile.write(reply.body)
        while reply.drips and not self._over.wait(0.02):
            handler.wfile.write(b" ")
            handler.wfile.flush()


def _handler(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):  # who asked has gone
                service.serve(self)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    return Handler


def certificate(path: Path, subject: str = HOST) -> Path:
    """Signed by itself; with its key, in one file, as an X.509 proxy is."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path
