"""Terms: who holds a post, and since when.

A *term* is one unbroken holding of a *post* by one host incarnation. It carries a *fence*, a number that only
grows with each new term of that post. Whoever writes shows holder and fence, and both are compared for
equality: after Redis lost its last writes a fence may be granted twice, a (holder, fence) pair is not.
A new fence is max(the previous + 1, Redis TIME in ms), so that fences grow even if the leases were lost.

The rules it keeps:

- All times are taken from Redis TIME inside the script. An expired lease is free, and cannot be renewed: the
  holding was broken, so it is another term.
- The holder trusts a term for less time than the store grants: until 20 % before its end, counted from the
  moment *before* the request was sent. A frozen or cut-off holder stops by itself before another may begin.
- A release keeps the fence, so the next term's is larger.
- One script call renews all terms of a host.
- What does not read as a lease, or as one that ends in time, may have been anybody's: nobody takes its post for one
  TTL, in which whoever held it stops by himself. The first that asks for the post sees to it, and it stops nobody.

Kept in one hash, `{prefix}leases`: post -> "fence holder since_ms expires_ms" (holder "-" when released).
"""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import redis

from broker.connection.address import Site
from broker.connection.damage import text_of
from broker.errors import reaching

TRUSTED_PART = 0.8  # of the TTL
POST = re.compile(r"[!-~]{1,200}")  # printable ASCII without spaces: 'cloud/private'
HOLDER = re.compile(r"[!-~]{2,200}")  # 'host#incarnation'; "-" stands for nobody, "?" for somebody that is not known
LEASE = re.compile(r"([0-9]{1,15}) ([!-~]{1,200}) ([0-9]{1,15}) ([0-9]{1,15})")

NOW = "local t = redis.call('TIME'); local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"
PARSE = """
local function read_lease(text)
  local fence, holder, since, expires = string.match(text or '', '^(%d+) (%S+) (%d+) (%d+)$')
  if not fence or #fence > 15 or #since > 15 or #expires > 15 or tonumber(expires) > now + 7200000 then return end
  return tonumber(fence), holder, tonumber(since), tonumber(expires)
end
local function lease(post)
  local text = redis.call('HGET', KEYS[1], post)
  if not text then return 0, '-', 0, 0 end
  local fence, holder, since, expires = read_lease(text)
  if not fence then return 0, '?', 0, now, true end
  return fence, holder, since, expires
end
local function keep(post, fence, holder, since, expires)
  redis.call('HSET', KEYS[1], post, string.format('%.0f %s %.0f %.0f', fence, holder, since, expires))
end
"""

# KEYS: leases. ARGV: post, holder, ttl_ms. -> {1, fence} or {0, fence, holder, ms left}
ACQUIRE = (
    NOW
    + PARSE
    + """
local fence, holder, since, expires, damaged = lease(ARGV[1])
if damaged then
  holder, expires = '?', now + ARGV[3]
  keep(ARGV[1], now, holder, now, expires)
end
if holder ~= '-' and holder ~= ARGV[2] and expires > now then return {0, fence, holder, expires - now} end
fence = math.max(fence + 1, now)
keep(ARGV[1], fence, ARGV[2], now, now + ARGV[3])
return {1, fence}
"""
)

# KEYS: leases. ARGV: ttl_ms, then all terms in one text, a line "post holder fence" each.
# -> the lost ones only: {which, counted from 0, fence, holder, ms left}
RENEW = (
    NOW
    + PARSE
    + """
local until_ms, lost, which = string.format(' %.0f', now + ARGV[1]), {}, 0
for post, holder, fence in string.gmatch(ARGV[2], '(%S+) (%S+) (%d+)\\n') do
  local text = redis.call('HGET', KEYS[1], post) or '0 - 0 0'
  local fence_now, holder_now, since, expires = read_lease(text)
  if not fence_now then
    lost[#lost + 1] = {which, 0, '?', 0}
  elseif holder == holder_now and tonumber(fence) == fence_now and expires > now then
    redis.call('HSET', KEYS[1], post, string.format('%.0f %s %.0f', fence_now, holder, since) .. until_ms)
  else
    lost[#lost + 1] = {which, fence_now, holder_now, expires - now}
  end
  which = which + 1
end
return lost
"""
)

# KEYS: leases. ARGV: post, holder, fence. -> 1 if it was held by this term
RELEASE = (
    NOW
    + PARSE
    + """
local fence, holder = lease(ARGV[1])
if holder ~= ARGV[2] or fence ~= tonumber(ARGV[3]) then return 0 end
keep(ARGV[1], fence, '-', 0, 0)
return 1
"""
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """One holding of a post. `trusted_until` is on this process's `time.monotonic`, seconds."""

    post: str
    holder: str
    fence: int
    trusted_until: float

    def trusted(self, now_monotonic: float) -> bool:
        """Whether the holder may act for the post at this moment of `time.monotonic`."""
        return now_monotonic < self.trusted_until


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """The post is another's: `by` whom, with which fence, and for how many seconds if it is not renewed."""

    post: str
    by: str
    fence: int
    expires_in_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class LostTerm:
    """A term that could not be renewed, and what the store says of its post now ("held by ...", "free ...")."""

    term: Term
    seen: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Renewal:
    """The answer to `renew`, in the order asked. `renewed` are new Terms: trust those, not the old ones."""

    renewed: tuple[Term, ...]
    lost: tuple[LostTerm, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Owner:
    """A line of the list of leases. `holder` is None when the post is free; `since` is Redis time in seconds."""

    post: str
    holder: str | None
    fence: int
    since: float
    expires_in_s: float


class Leases:
    """The terms of one host incarnation. `holder` is 'host#incarnation', unlike in every process start."""

    def __init__(
        self,
        client: redis.Redis,
        site: Site,
        holder: str,
        ttl_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if not HOLDER.fullmatch(holder):
            raise ValueError(f"holder {holder!r}: 2 to 200 printable characters without spaces are allowed")
        if not 0.01 <= ttl_s <= 3600:
            raise ValueError(f"a lease of {ttl_s} s: 0.01 to 3600 s are allowed")
        self._client, self._site, self.holder, self.ttl_s = client, site, holder, ttl_s
        self._monotonic = monotonic
        self._keys = [leases_key(site)]
        self._acquire = client.register_script(ACQUIRE)
        self._renew = client.register_script(RENEW)
        self._release = client.register_script(RELEASE)

    def acquire(self, post: str) -> Term | Held:
        """Take a post that is free, expired, or our own. Our own gets a new fence: the old term is dead then.

        Raises Unreachable. The post may be ours nevertheless: acquire again.
        """
        return self.acquire_all([post])[0]

    def acquire_all(self, posts: Sequence[str]) -> list[Term | Held]:
        """As `acquire` for each, in order and in one round trip. Raises Unreachable: some may be ours nevertheless."""
        for post in posts:
            if not POST.fullmatch(post):
                raise ValueError(f"post {post!r}: 1 to 200 printable characters without spaces are allowed")
        asked = self._monotonic()
        with reaching():
            pipe = self._client.pipeline(transaction=False)
            for post in posts:
                self._acquire(keys=self._keys, args=[post, self.holder, self._ttl_ms()], client=pipe)
            answers: Any = pipe.execute()
        return [self._acquired(post, answer, asked) for post, answer in zip(posts, answers, strict=True)]

    def _acquired(self, post: str, answer: Any, asked: float) -> Term | Held:
        if not answer[0]:
            return Held(
                post=post, by=answer[2].decode(errors="replace"), fence=answer[1], expires_in_s=answer[3] / 1000
            )
        return Term(post=post, holder=self.holder, fence=answer[1], trusted_until=self._trust(asked))

    def renew(self, terms: Iterable[Term]) -> Renewal:
        """Extend terms, all in one call (1,000 are fine). Raises Unreachable; old trust runs out by itself then."""
        asked_terms = tuple(terms)
        if not asked_terms:
            return Renewal(renewed=(), lost=())
        text = "".join(f"{term.post} {term.holder} {term.fence}\n" for term in asked_terms)
        asked = self._monotonic()
        with reaching():
            answer: Any = self._renew(keys=self._keys, args=[self._ttl_ms(), text])
        until = self._trust(asked)
        seen = {which: _seen(fence, holder, left_ms) for which, fence, holder, left_ms in answer}
        return Renewal(
            renewed=tuple(replace(term, trusted_until=until) for i, term in enumerate(asked_terms) if i not in seen),
            lost=tuple(LostTerm(term=asked_terms[which], seen=text) for which, text in seen.items()),
        )

    def release(self, term: Term) -> bool:
        """Give a post up at once. False: it was not held by this term any more. Raises Unreachable."""
        return self.release_all([term])[0]

    def release_all(self, terms: Sequence[Term]) -> list[bool]:
        """As `release` for each, in one round trip. Raises Unreachable: some may be released nevertheless."""
        with reaching():
            pipe = self._client.pipeline(transaction=False)
            for term in terms:
                self._release(keys=self._keys, args=[term.post, term.holder, term.fence], client=pipe)
            return [bool(answer) for answer in pipe.execute()]

    def owners(self) -> list[Owner]:
        """All posts that were ever held, by name, without what is damaged. Raises Unreachable."""
        return [owner for owner in self._owners() if isinstance(owner, Owner)]

    def damaged(self) -> dict[str, bytes]:
        """What does not read as a lease, by its post. Raises Unreachable."""
        return dict(one for one in self._owners() if not isinstance(one, Owner))

    def _owners(self) -> list[Owner | tuple[str, bytes]]:
        with reaching():
            pipe = self._client.pipeline(transaction=True)
            pipe.hgetall(self._keys[0])
            pipe.time()
            leases, (seconds, microseconds) = pipe.execute()
        now_ms = seconds * 1000 + microseconds // 1000
        return [_owner(text_of(post), text, now_ms) or (text_of(post), text) for post, text in sorted(leases.items())]

    def _ttl_ms(self) -> int:
        return round(self.ttl_s * 1000)

    def _trust(self, asked: float) -> float:
        return asked + self.ttl_s * TRUSTED_PART


def leases_key(site: Site) -> str:
    """The hash of all leases of a factory; the fenced table reads it too."""
    return site.key("leases")


def _owner(post: str, text: bytes, now_ms: int) -> Owner | None:
    """None for what is no lease of ours."""
    found = LEASE.fullmatch(text.decode(errors="replace"))
    if not found or not POST.fullmatch(post) or int(found[4]) > now_ms + 7_200_000:
        return None
    fence, holder, since_ms, expires_ms = found.groups()
    left_ms = int(expires_ms) - now_ms
    free = holder == "-" or left_ms <= 0
    return Owner(
        post=post,
        holder=None if free else holder,
        fence=int(fence),
        since=int(since_ms) / 1000,
        expires_in_s=0.0 if free else left_ms / 1000,
    )


def _seen(fence: int, holder: bytes, left_ms: int) -> str:
    if holder == b"-":
        return f"free, its last fence was {fence}"
    if holder == b"?":
        return "damaged: what stands there is no lease"
    if left_ms <= 0:
        return f"expired, last held by {holder.decode(errors='replace')} with fence {fence}"
    return f"held by {holder.decode(errors='replace')} with fence {fence}"
