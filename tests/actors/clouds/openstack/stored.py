"""Answers of a real OpenStack, written down while a test ran against it, and given again where there is none.

A test's requests are known by method, path and body; one that comes again gets the next answer that it got, at last the
last one. What differs from run to run is taken out: times of `changes-since`, credentials, tokens, addresses.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Mapping
from pathlib import Path

from tests.actors.clouds.openstack.proxy import Answered, Asked, Backend

FILE = Path(__file__).parent / "answers.json.gz"
CREDENTIAL = ("the-id", "the-secret")
Exchange = dict[str, object]


def read() -> dict[str, dict[str, list[Exchange]]]:
    """By test and request."""
    found: dict[str, dict[str, list[Exchange]]] = (
        json.loads(gzip.decompress(FILE.read_bytes())) if FILE.exists() else {}
    )
    return found


def write(tests: Mapping[str, object]) -> None:
    """These beside those that are there; the same answers give the same bytes."""
    text = json.dumps({**read(), **tests}, sort_keys=True, separators=(",", ":"))
    FILE.write_bytes(gzip.compress(text.encode(), mtime=0))


def key(asked: Asked) -> str:
    path = re.sub(r"changes-since=[^&]*", "changes-since=T", asked.path)
    return f"{asked.method} {path} {asked.body.decode()}".strip()


class Recorder:
    """A backend that asks another, and writes down. `secrets`: what is not to stand there, and what stands instead."""

    def __init__(self, real: Backend, secrets: Mapping[str, str]) -> None:
        self.exchanges: dict[str, list[Exchange]] = {}
        self.proxy_url = ""
        self._real, self._secrets, self._lock = real, secrets, threading.Lock()

    def __call__(self, asked: Asked, headers: Mapping[str, str]) -> Answered:
        got = self._real(asked, headers)
        body = re.sub(r'"expires_at": ?"[^"]+"', '"expires_at": "2999-01-01T00:00:00.000000Z"', got.body.decode())
        kept = {**got.headers, **({"x-subject-token": "token"} if "x-subject-token" in got.headers else {})}
        row: Exchange = {"status": got.status, "body": self._bare(body), "headers": kept}
        with self._lock:
            self.exchanges.setdefault(self._bare(key(asked)), []).append(row)
        return got

    def _bare(self, text: str) -> str:
        for secret, shown in {**self._secrets, self.proxy_url: "PROXY"}.items():
            text = text.replace(secret, shown)
        return text


class Stored:
    """A backend that has a test's answers only."""

    def __init__(self, exchanges: Mapping[str, list[Exchange]]) -> None:
        self.proxy_url = ""
        self._left = {name: list(answers) for name, answers in exchanges.items()}
        self._lock = threading.Lock()

    def __call__(self, asked: Asked, headers: Mapping[str, str]) -> Answered:
        wanted = key(asked).replace(self.proxy_url, "PROXY")
        with self._lock:
            answers = self._left.get(wanted)
            if not answers:
                return Answered(status=500, body=f"no answer was stored for {wanted[:600]}".encode())
            row = answers.pop(0) if len(answers) > 1 else answers[0]
        headers = {str(k): str(v) for k, v in dict(row["headers"]).items()}  # type: ignore[call-overload]
        return Answered(
            status=int(str(row["status"])),
            body=str(row["body"]).replace("PROXY", self.proxy_url).encode(),
            headers=headers,
        )
