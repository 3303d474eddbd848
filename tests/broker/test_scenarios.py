"""Transcripts of races over posts and rows, played against a real Redis: `scenarios/*.txt`.

A line is `step -> what must be answered`. Real fences are times in ms; a transcript counts them from 1 in the
order they were granted, and granting one that is not larger than all before fails.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from broker.connection.address import Site
from broker.errors import LeaseLost, StaleRow
from broker.posts.leases import Held, Leases, Term
from broker.rows.table import Delete, Put, Table
from tests.late import within

TTL_S = 1.5
SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.txt"))


class Stage:
    """Two or more hosts, by their one-letter names, and what they hold."""

    def __init__(self, site: Site) -> None:
        self._site, self._client = site, site.client()
        self._table = Table(self._client, site)
        self._terms: dict[str, Term] = {}
        self._fences: list[int] = []

    def _leases(self, who: str) -> Leases:
        return Leases(self._client, self._site, f"{who}#host", TTL_S)

    def _said(self, text: str) -> str:
        for number, fence in enumerate(self._fences, 1):
            text = text.replace(str(fence), str(number))
        return text.replace("#host", "")

    def lease(self, who: str, post: str) -> str:
        answer = self._leases(who).acquire(post)
        if isinstance(answer, Held):
            return self._said(f"held by {answer.by}, fence {answer.fence}")
        assert answer.fence > max(self._fences, default=0)
        self._fences.append(answer.fence)
        self._terms[who] = answer
        return self._said(f"{who} holds it, fence {answer.fence}")

    def renew(self, who: str, _post: str) -> str:
        answer = self._leases(who).renew([self._terms[who]])
        if answer.lost:
            return self._said(f"lost: {answer.lost[0].seen}")
        return self._said(f"renewed, fence {answer.renewed[0].fence}")

    def release(self, who: str, _post: str) -> str:
        if who not in self._terms:
            return f"{who} has no term"
        return "released" if self._leases(who).release(self._terms[who]) else "was not held"

    def pause(self, _until: str, post: str, _is: str, _free: str) -> str:
        owners = self._leases("--").owners
        within(10, "it is free", lambda: not any(owner.holder for owner in owners() if owner.post == post))
        return "free"

    def write(self, who: str, kind: str, row: str, _at: str = "", version: str = "") -> str:
        key, body = row.split("=")
        expected = int(version) if version else None
        return self._change(who, Put(kind=kind, key=key, body=body.encode(), expected_version=expected))

    def delete(self, who: str, kind: str, key: str, _at: str = "", version: str = "") -> str:
        return self._change(who, Delete(kind=kind, key=key, expected_version=int(version) if version else None))

    def read(self, kind: str, post: str) -> str:
        rows = self._table.read(kind, post).values()
        lines = [f"{row.key}={row.body.decode()} (version {row.version}, fence {row.fence})" for row in rows]
        return self._said(", ".join(lines) or "nothing")

    def _change(self, who: str, change: Put | Delete) -> str:
        try:
            return f"version {self._table.write(self._terms[who], [change])[0]}"
        except LeaseLost as lost:
            return self._said(f"refused: {lost.seen}")
        except StaleRow as stale:
            return f"stale: {stale.expected} was expected, {stale.seen} is there"


def steps(transcript: Path) -> list[tuple[str, str]]:
    lines = [line for line in transcript.read_text().splitlines() if line and not line.startswith("#")]
    return [(step.strip(), answer.strip()) for step, _, answer in (line.partition("->") for line in lines)]


@pytest.mark.parametrize("transcript", SCENARIOS, ids=lambda path: path.stem)
def test_the_transcript_is_played_as_written(transcript: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    if "pause" not in transcript.read_text():
        monkeypatch.setitem(globals(), "TTL_S", 60.0)
    stage = Stage(site)
    for number, (step, expected) in enumerate(steps(transcript), 1):
        word, *rest = re.split(r"\s+", step)
        play: Callable[..., str] = getattr(stage, word)
        assert play(*rest) == expected, f"step {number} of {transcript.name}: {step}"


def test_there_are_transcripts() -> None:
    assert len(SCENARIOS) >= 4
