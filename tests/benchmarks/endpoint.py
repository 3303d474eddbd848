"""An EC2 endpoint that answers at once and notes when each RunInstances came in. Nothing is started.

Why not the lab's own EC2 API: that one does the work of a real one (20 ms a call), and here only the moment counts in
which a call arrives. It runs in the benchmark's process, whose other threads mostly wait.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

SPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One RunInstances call. `at`: monotonic seconds when its first byte was read; `instances`: how many it started."""

    at: float
    queue: str
    instances: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    id: str
    index: int
    token: str
    tags: dict[str, str]
    launched: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}")

    def xml(self) -> str:
        tags = "".join(
            f"<item><key>{escape(key)}</key><value>{escape(text)}</value></item>" for key, text in self.tags.items()
        )
        return (
            f"<item><instanceId>{self.id}</instanceId><instanceState><code>16</code><name>running</name>"
            f"</instanceState><amiLaunchIndex>{self.index}</amiLaunchIndex><clientToken>{self.token}</clientToken>"
            f"<launchTime>{self.launched}</launchTime><tagSet>{tags}</tagSet></item>"
        )


class Endpoint:
    """`with Endpoint() as endpoint: endpoint.url`. `arrivals` are the RunInstances calls so far."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self._instances: list[Instance] = []
        self._by_token: dict[str, list[Instance]] = {}
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.endpoint = self
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Endpoint:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def seed(self, instances: Iterable[Instance]) -> None:
        """Instances that run already."""
        self._instances.extend(instances)

    def answer(self, form: dict[str, str], at: float) -> str:
        if form["Action"] == "RunInstances":
            return self._run(form, at)
        if form["Action"] == "DescribeInstances":
            return self._describe(form)
        raise ValueError(f"this endpoint has no {form['Action']}")

    def _run(self, form: dict[str, str], at: float) -> str:
        tags, token = _tags(form), form["ClientToken"]
        with self._lock:
            made = self._by_token.get(token)
            if made is None:
                count = int(form["MaxCount"])
                first = len(self._instances) + (1 << 40)
                made = [Instance(id=f"i-{first + n:017x}", index=n, token=token, tags=tags) for n in range(count)]
                self._by_token[token] = made
                self._instances += made
                self.arrivals.append(Arrival(at=at, queue=tags.get("apf:queue", ""), instances=count))
        items = "".join(one.xml() for one in made)
        return f'<RunInstancesResponse xmlns="{SPACE}"><instancesSet>{items}</instancesSet></RunInstancesResponse>'

    def _describe(self, form: dict[str, str]) -> str:
        asked = {
            form[key]: form[key.replace(".Name", ".Value.1")] for key in form if re.fullmatch(r"Filter.*Name", key)
        }
        start = int(form.get("NextToken", 0))
        with self._lock:
            found = [one for one in self._instances if _fits(one, asked)]
        more = f"<nextToken>{start + PAGE}</nextToken>" if start + PAGE < len(found) else ""
        items = "".join(one.xml() for one in found[start : start + PAGE])
        return (
            f'<DescribeInstancesResponse xmlns="{SPACE}"><reservationSet><item><instancesSet>{items}</instancesSet>'
            f"</item></reservationSet>{more}</DescribeInstancesResponse>"
        )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    endpoint: Endpoint


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer
    server: _Server

    def do_POST(self) -> None:
        at = time.monotonic()
        form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode(), keep_blank_values=True))
        body = self.server.endpoint.answer(form, at).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Not a word: the table is what is printed."""


def _tags(form: dict[str, str]) -> dict[str, str]:
    names = [key for key in form if re.fullmatch(r"TagSpecification\.1\.Tag\.\d+\.Key", key)]
    return {form[key]: form[key.removesuffix("Key") + "Value"] for key in names}


def _fits(one: Instance, asked: dict[str, str]) -> bool:
    has = {"client-token": one.token} | {f"tag:{key}": text for key, text in one.tags.items()}
    return all(has.get(name) == text for name, text in asked.items())
