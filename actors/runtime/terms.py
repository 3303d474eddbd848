"""What this host holds now, and how its actors get on with it: read before every write and every call."""

from __future__ import annotations

import time

from broker.errors import LeaseLost
from broker.posts.leases import Term


class Terms:
    """The terms that this host holds, renewed by ownership, read by the actors before every write and every call."""

    def __init__(self) -> None:
        self._terms: dict[str, Term] = {}
        self._since: dict[tuple[str, int], float] = {}  # (post, fence) -> when the term began, monotonic
        self._made: dict[tuple[str, str], float] = {}
        self._failing: dict[str, dict[str, tuple[float, float]]] = {}  # post -> reading -> its first and last failure
        self._aside: dict[tuple[str, str], str] = {}  # (post, actor) -> why the actor has set the post aside

    def put(self, term: Term) -> None:
        self._since.setdefault((term.post, term.fence), time.monotonic())
        self._terms[term.post] = term

    def age_s(self, term: Term) -> float:
        """How long this host has held the term; a little less than so, never more."""
        return time.monotonic() - self._since.get((term.post, term.fence), time.monotonic())

    def remove(self, post: str) -> None:
        term = self._terms.pop(post, None)
        if term is not None:
            self._since.pop((post, term.fence), None)
        for key in [key for key in self._made if key[1] == post]:
            self._made.pop(key, None)
        self._failing.pop(post, None)
        for aside in [aside for aside in self._aside if aside[0] == post]:
            self._aside.pop(aside, None)

    def set_aside(self, post: str, actor: str, why: str) -> None:
        """The actor's look at the post failed by what nobody expected; empty: it succeeded."""
        if why:
            self._aside[post, actor] = why
        else:
            self._aside.pop((post, actor), None)

    def aside(self) -> dict[tuple[str, str], str]:
        """(post, actor) -> why, for what this host holds."""
        return dict(self._aside)

    def get(self, post: str) -> Term | None:
        """The term of the post, if it can be trusted now."""
        term = self._terms.get(post)
        return term if term and term.trusted(time.monotonic()) else None

    def need(self, post: str) -> Term:
        """As `get`; raises LeaseLost where there is none, so that nothing is sent on the word of a stale host."""
        term = self.get(post)
        if term is None:
            raise LeaseLost(post, "this host", 0, "not held, or not renewed in time")
        return term

    def still(self, term: Term) -> None:
        """Raises LeaseLost unless this very term is held: what was decided in a former one is void in the next."""
        now = self.need(term.post)
        if now.fence != term.fence:
            raise LeaseLost(term.post, term.holder, term.fence, f"held in another term, with fence {now.fence}")

    def progress(self, actor: str, post: str) -> None:
        """An actor finished a look at this post. Terms are renewed only while this goes on."""
        self._made[(actor, post)] = time.monotonic()

    def stalled(self, actors: tuple[str, ...], post: str, limit_s: float) -> str:
        """The actor that has not looked at the post for `limit_s`; empty when all have. A new post gets its time."""
        now = time.monotonic()
        for actor in actors:
            if now - self._made.setdefault((actor, post), now) > limit_s:
                return actor
        return ""

    def read(self, post: str, what: str, failed: bool) -> None:
        """A reading of the post's pool or cloud came to its end; what it brought in part counts as not failed."""
        failing, now = self._failing.setdefault(post, {}), time.monotonic()
        if failed:
            failing[what] = (failing.get(what, (now, now))[0], now)
        else:
            failing.pop(what, None)

    def blind(self, post: str, limit_s: float) -> str:
        """The reading that failed again and again over `limit_s`; empty when there is none."""
        for what, (first, last) in list(self._failing.get(post, {}).items()):
            if last - first >= limit_s:
                return what
        return ""
