"""Transcripts of hosts that share posts: `scenarios/*.txt`, played with the real Ownership on a real Redis.

A line is `step -> what must be answered`. Hosts are letters; each is an Ownership whose rounds the transcript calls
(`tick`, `settle`), so nothing happens between two lines. TTL 1.5 s. A host that is killed, frozen or cut off simply
has no rounds any more. `tests/broker/scenarios` has the transcripts of leases and rows alone.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.host.ownership import ACTORS_OF, Listeners, Ownership, Rhythm, SharedState
from actors.runtime.terms import Terms
from broker.connection.address import Site
from broker.connection.clock import RedisClock
from broker.connection.generation import Generation
from broker.errors import LeaseLost
from broker.posts.hosts import HostInfo, Hosts
from broker.posts.leases import Leases, Term
from broker.rows.table import Put, Table
from tests.late import within

POSTS = ("pool/local", "cloud/one", "cloud/two", "queue/atlas", "queue/belle", "queue/cms")
TTL_S, STALLED_S, BLIND_S = 1.5, 3.0, 0.5
LIMIT_S = 15.0
SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.txt"))


class Letter:
    """One host of a transcript."""

    def __init__(self, name: str, posts: tuple[str, ...], site: Site) -> None:
        client = site.client()
        clock = RedisClock(client)
        clock.sync()
        self.info = HostInfo(host=name, incarnation="1", version="0", posts=posts, started_at=clock.now())
        self.terms = Terms()
        self.ever: dict[str, Term] = {}  # the last term of each post, also of those that it lost
        self.stuck: set[str] = set()
        self.blind: set[str] = set()
        rhythm = Rhythm(ttl_s=TTL_S, tick_s=TTL_S / 3, stalled_s=STALLED_S, blind_s=BLIND_S)
        leases, generation = Leases(client, site, self.info.name, TTL_S), Generation(client, site)
        shared = SharedState(hosts=Hosts(client, site), leases=leases, clock=clock, generation=generation)
        listeners = Listeners(gained=self._gained, lost=print)
        self.ownership = Ownership(POSTS, self.info, shared, self.terms, rhythm, listeners)

    def tick(self) -> None:
        for post in self.ownership.held:
            for actor in ACTORS_OF[post.partition("/")[0]] if post not in self.stuck else ():
                self.terms.progress(actor, post)
            self.terms.read(post, "listing", post in self.blind)
        self.ownership.tick()

    def _gained(self, post: str) -> None:
        self.ever[post] = self.terms.need(post)


class Stage:
    def __init__(self, site: Site) -> None:
        self._site, self._client = site, site.client()
        self._table = Table(self._client, site)
        self._leases = Leases(self._client, site, "--", TTL_S)
        self._hosts: dict[str, Letter] = {}
        self._resting: set[str] = set()

    def up(self, *names: str) -> str:
        for name in names:
            self._hosts[name] = Letter(name, ("*",), self._site)
        return ""

    def dedicated(self, name: str, *patterns: str) -> str:
        self._hosts[name] = Letter(name, patterns, self._site)
        return ""

    def kill(self, name: str) -> str:
        self._resting.add(name)
        return ""

    freeze = kill

    def thaw(self, name: str) -> str:
        self._resting.discard(name)
        return ""

    def leave(self, name: str) -> str:
        self._hosts.pop(name).ownership.stop()
        return ""

    def tick(self, *names: str) -> str:
        for name in names:
            self._hosts[name].tick()
        return "; ".join(self._said(name) for name in names)

    def settle(self) -> str:
        """Rounds of all that are awake, until every post is held and a further round changes nothing."""
        deadline, before = time.monotonic() + LIMIT_S, ""
        while time.monotonic() < deadline:
            now = self._round()
            held = {owner.post for owner in self._leases.owners() if owner.holder}
            if now == before and held == set(POSTS):
                return now
            before = now
            time.sleep(0.02)
        return f"not settled: {before}"

    def stuck(self, name: str, post: str) -> str:
        """An actor of this post does not come round any more; rounds go on until that is noticed."""
        host = self._hosts[name]
        host.stuck.add(post)
        fence = host.ever[post].fence
        self._until(lambda: post not in host.ownership.held or host.ever[post].fence > fence)
        return "given up" if post not in host.ownership.held else "taken again"

    def blind(self, name: str, post: str) -> str:
        """Every reading of the post's cloud fails there from now on; rounds go on for longer than is borne."""
        host, over = self._hosts[name], time.monotonic() + 3 * BLIND_S
        host.blind.add(post)
        self._until(lambda: time.monotonic() > over)
        return "held" if post in host.ownership.held else "given up"

    def sees(self, name: str, post: str) -> str:
        self._hosts[name].blind.discard(post)
        return ""

    def wait(self, _until: str, name: str, *what: str) -> str:
        """`until c is over`: its leases ended. `until c trusts nothing`: it would do nothing any more by itself."""
        host = self._hosts[name]
        if what[-1] == "nothing":
            self._until(lambda: not any(host.terms.get(post) for post in POSTS))
            return f"{len(self._held_by(name))} leases still run"
        self._until(lambda: not self._held_by(name))
        return "over"

    def forget(self, *_everything: str) -> str:
        """As FLUSHALL does, but for this factory only."""
        self._client.delete(*self._client.scan_iter(self._site.prefix + "*"))
        return ""

    def take(self, name: str, post: str) -> str:
        answer = Leases(self._client, self._site, f"{name}#1", TTL_S).acquire(post)
        return f"{name} holds it" if isinstance(answer, Term) else f"held by {answer.by.partition('#')[0]}"

    def write(self, name: str, kind: str, post: str) -> str:
        """With the last term that the host had, as one does that has not noticed yet."""
        change = Put(kind=kind, key="k", body=b"", expected_version=None)
        try:
            return f"version {self._table.write(self._hosts[name].ever[post], [change])[0]}"
        except LeaseLost as lost:
            return "refused: " + re.sub(r"#1|, at fence \d+", "", lost.seen)

    def fences(self, post: str) -> str:
        """Whether the post's fences grew from each host that had it to the next, by the letters' order of time."""
        fences = sorted((host.ever[post].fence, name) for name, host in self._hosts.items() if post in host.ever)
        return " < ".join(name for _, name in fences)

    def _round(self) -> str:
        return self.tick(*(name for name in sorted(self._hosts) if name not in self._resting))

    def _round_without_end(self) -> bool:
        self._round()
        return False

    def _held_by(self, name: str) -> list[str]:
        return [owner.post for owner in self._leases.owners() if (owner.holder or "").startswith(f"{name}#")]

    def _said(self, name: str) -> str:
        return f"{name}: {' '.join(sorted(self._hosts[name].ownership.held)) or 'nothing'}"

    def _until(self, condition: Callable[[], object]) -> None:
        """Wait, while the hosts that are awake have their rounds."""
        within(LIMIT_S, "the step ends", lambda: condition() or self._round_without_end())


def steps(transcript: Path) -> list[tuple[str, str]]:
    lines = [line for line in transcript.read_text().splitlines() if line and not line.startswith("#")]
    return [(step.strip(), answer.strip()) for step, _, answer in (line.partition("->") for line in lines)]


@pytest.mark.parametrize("transcript", SCENARIOS, ids=lambda path: path.stem)
def test_the_transcript_is_played_as_written(transcript: Path, site: Site) -> None:
    stage = Stage(site)
    for number, (step, expected) in enumerate(steps(transcript), 1):
        word, *rest = step.split()
        play: Callable[..., str] = getattr(stage, word)
        assert play(*rest) == expected, f"step {number} of {transcript.name}: {step}"


def test_there_are_transcripts() -> None:
    assert len(SCENARIOS) >= 6
