"""The metadata service of the lab's cloud, on loopback: what an instance may ask about itself.

Why: a worker learns its instance id from here and publishes it; the factory matches workers to instances by that id.

The rule it keeps: IMDSv2 only. A session token first (`PUT latest/api/token` with its life in seconds), then questions
that carry it; without a token, or with another instance's, the answer is 401. Each instance has a path of its own
(`/i-.../latest/...`) where a cloud has a link-local address; what asks without one is taken for the last instance that
was added. A dated version of the protocol is as good as `latest`.
Source: the EC2 user guide on instance metadata.
"""

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

_ASK_LIFE = "X-aws-ec2-metadata-token-ttl-seconds"
_TOKEN = "X-aws-ec2-metadata-token"


@dataclass(frozen=True, kw_only=True)
class _Instance:
    answers: Mapping[str, str]
    tokens: set[str] = field(default_factory=set)


class MetadataService:
    """Answers for many instances on one port. Usable as a context manager."""

    def __init__(self) -> None:
        self._instances: dict[str, _Instance] = {}
        self.last = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> "MetadataService":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def add(self, instance_id: str, answers: Mapping[str, str]) -> str:
        """Answer for this instance from now on; the address it has to use instead of 169.254.169.254.

        `answers` maps a path below `latest/` ("meta-data/instance-id") to its text.
        """
        self._instances[instance_id] = _Instance(answers=dict(answers))
        self.last = instance_id
        return f"http://127.0.0.1:{self.port}/{instance_id}"

    @property
    def port(self) -> int:
        return self._server.server_port

    def remove(self, instance_id: str) -> None:
        self._instances.pop(instance_id, None)

    def token(self, instance_id: str, path: str, life: str | None) -> tuple[int, str]:
        """The answer to a PUT: (status, text)."""
        instance = self._instances.get(instance_id)
        if instance is None or path != "latest/api/token":
            return 404, "not found"
        if life is None or not life.isdigit() or not 1 <= int(life) <= 21600:
            return 400, f"{_ASK_LIFE} must be 1 to 21600"
        token = secrets.token_urlsafe(24)
        instance.tokens.add(token)
        return 200, token

    def answer(self, instance_id: str, path: str, token: str | None) -> tuple[int, str]:
        """The answer to a GET: (status, text). A folder answers with the names in it, those of folders with a slash."""
        instance = self._instances.get(instance_id)
        if instance is None:
            return 404, "not found"
        if token not in instance.tokens:
            return 401, "a token is required"
        asked = path.partition("/")[2].rstrip("/")
        if asked in instance.answers:
            return 200, instance.answers[asked]
        below = [key.removeprefix(f"{asked}/") for key in instance.answers if key.startswith(f"{asked}/")]
        names = {"".join(key.partition("/")[:2]) for key in below}
        return (200, "\n".join(sorted(names))) if names else (404, "not found")


def _handler(service: MetadataService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            self._send(*service.token(*self._where(), self.headers.get(_ASK_LIFE)))

        def do_GET(self) -> None:
            self._send(*service.answer(*self._where(), self.headers.get(_TOKEN)))

        def log_message(self, *_: object) -> None:
            """No access log."""

        def _where(self) -> tuple[str, str]:
            asked = unquote(self.path).lstrip("/")
            instance_id, _, path = asked.partition("/")
            return (instance_id, path) if instance_id.startswith("i-") else (service.last, asked)

        def _send(self, status: int, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
