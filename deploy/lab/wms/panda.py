"""A stand-in of PanDA: it says what waits at its sites as the real one does, and hands jobs to pilots.

Why: the whole way is to be seen, from an activated job to a pilot that takes it. Statistics and site specs have the
real server's paths and shapes. How a pilot gets a job and ends it is simpler here, and no claim about the real server.

The rule it keeps: a ledger. A job goes to one pilot, once; a job whose pilot never said that it is done stays `running`
for ever. So what it says at the end was not made up by the factory.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

STATES = ("activated", "running", "finished")


@dataclass(slots=True, kw_only=True)
class Payload:
    """One job. Times are seconds since the epoch, 0 where it is not so far."""

    id: int
    site: str
    seconds: float
    state: str = "activated"
    pilot: str = ""  # whose it is: APF_PILOT
    taken_at: float = 0.0
    done_at: float = 0.0
    times: int = 0  # how often it was handed out


class PandaStandIn:
    """Use it as a context; `url` is where it answers."""

    def __init__(self, sites: Sequence[str]) -> None:
        self._sites, self._jobs = tuple(sites), list[Payload]()
        self._lock = threading.Lock()
        self.away = False  # every answer is 503
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> PandaStandIn:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True, name="panda").start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def activate(self, site: str, seconds: Sequence[float]) -> None:
        """As many jobs, each of so long."""
        with self._lock:
            for one in seconds:
                self._jobs.append(Payload(id=len(self._jobs) + 1, site=site, seconds=one))

    def cancel(self, site: str) -> int:
        """Take back what waits there; how many."""
        with self._lock:
            waits = [job for job in self._jobs if job.site == site and job.state == "activated"]
            self._jobs = [job for job in self._jobs if job not in waits]
        return len(waits)

    def ledger(self) -> list[Payload]:
        with self._lock:
            return [Payload(**asdict(job)) for job in self._jobs]

    def counts(self, site: str) -> Counter[str]:
        """By state."""
        return Counter(job.state for job in self.ledger() if job.site == site)

    def get(self, path: str) -> Any:
        """What a GET of a path is answered; None: it is not known."""
        if path == "/api/v1/statistics/active_job_stats_by_site":
            return _well({site: dict(self.counts(site)) for site in self._sites})
        if path == "/api/v1/statistics/active_job_detailed_stats_by_site":
            return _well({site: {"SCORE": {"managed": dict(self.counts(site))}} for site in self._sites})
        if path.startswith("/api/v1/metaconfig/get_site_specs"):
            return _well({site: {"sitename": site, "status": "online", "coreCount": 1} for site in self._sites})
        return None

    def take(self, site: str, pilot: str) -> dict[str, Any]:
        """The next job for a pilot; empty where none waits."""
        with self._lock:
            job = next((job for job in self._jobs if job.site == site and job.state == "activated"), None)
            if job is None:
                return {}
            job.state, job.pilot, job.taken_at, job.times = "running", pilot, time.time(), job.times + 1
            return {"id": job.id, "seconds": job.seconds}

    def done(self, number: int) -> dict[str, Any]:
        with self._lock:
            job = next(job for job in self._jobs if job.id == number)
            job.state, job.done_at = "finished", time.time()
        return {}


def complaints(ledger: Sequence[Payload]) -> list[str]:
    """What is wrong with jobs that should all be done."""
    return [
        f"PanDA's job {job.id} is {job.state}, and was handed out {job.times} times"
        for job in ledger
        if job.state != "finished" or job.times != 1
    ]


def _well(data: dict[str, Any]) -> dict[str, Any]:
    return {"success": True, "message": "", "data": data}


def _handler(panda: PandaStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(panda.get(self.path))

        def do_POST(self) -> None:
            url = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(url.query).items()}
            if url.path == "/pilot/take":
                self._say(panda.take(asked["site"], asked["pilot"]))
            elif url.path == "/pilot/done":
                self._say(panda.done(int(asked["id"])))
            else:
                self._say(None)

        def _say(self, answer: Any) -> None:
            status = 503 if panda.away else 403 if answer is None else 200
            body = json.dumps(answer).encode() if status == 200 else b"no"
            self.send_response(status)
            self.send_header("Content-Type", "text/plain")  # as the real one says
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    return Handler
