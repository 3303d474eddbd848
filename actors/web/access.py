"""Who asks, and what they may.

In this order: a bearer token (or the same one in the page's cookie); a proxy's word, from the addresses of proxies that
are named; else whoever reaches this machine's own loopback address may read. Nobody wishes without a name.

A page of somebody else must not use what a browser holds: a request that changes something and rests on a cookie or on
a proxy's word must come from our own page (`Origin`), and a name that we do not have (`Host`) is not answered at all,
which ends DNS rebinding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from urllib.parse import urlsplit

from actors.config.outside_text import visible
from actors.web.tokens import BadTokens, Right, TokenFile

COOKIE = "apf_token"
ALL = frozenset(Right)
READS = frozenset({Right.READ})
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_MOST_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`hosts`: names under which the page is reached. `behind`: where proxies are, whose `user_header` is believed.

    `local`: whoever comes from this machine may read without a token.
    """

    hosts: frozenset[str] = LOOPBACK
    tokens: TokenFile | None = None
    behind: tuple[IPv4Network | IPv6Network, ...] = ()
    user_header: str = "x-forwarded-user"
    local: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WebAsked:
    """A request, as far as access looks at it. Header names are in lower case."""

    client: str
    headers: Mapping[str, str]
    cookies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """`ambient`: the browser adds by itself what it is known by, so that other pages could use it."""

    name: str
    scopes: frozenset[Right]
    ambient: bool = False


class Denied(Exception):
    """`status`: 400, 401 or 403; the text says what was seen and what to do."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def caller(rules: Rules, asked: WebAsked) -> Visitor:
    """Raises Denied."""
    host = _name(asked.headers.get("host", ""))
    if host not in rules.hosts:
        raise Denied(400, f"no page of {visible(host)!r} is here; `apf web --name NAME` names those that are")
    scheme, _, secret = asked.headers.get("authorization", "").partition(" ")
    if secret and scheme.lower() == "bearer":
        return _of_token(rules, secret.strip(), ambient=False)
    if secret := asked.cookies.get(COOKIE, ""):
        return _of_token(rules, secret, ambient=True)
    user = visible(asked.headers.get(rules.user_header, ""))[:_MOST_NAME]
    if user and any(_address(asked.client) in net for net in rules.behind):
        return Visitor(name=user, scopes=ALL, ambient=True)
    if rules.local and _address(asked.client).is_loopback:
        return Visitor(name="", scopes=READS, ambient=True)
    raise Denied(
        401, "who asks is not known: send a token of `apf token CONFIG add NAME` as `Authorization: Bearer TOKEN`"
    )


def may(rules: Rules, who: Visitor, scope: Right, asked: WebAsked) -> None:
    """Raises Denied."""
    if scope not in who.scopes:
        named = f"token {who.name!r} may not: it lacks the scope {scope.value!r}" if who.name else "a token is needed"
        raise Denied(403, f"{named}; `apf token CONFIG add NAME --scope {scope.value}` makes one that may")
    if scope is Right.WISH and who.ambient and not _own_page(rules, asked):
        raise Denied(403, "this was asked by a page that is not ours (Origin): nothing was done")


def _of_token(rules: Rules, secret: str, *, ambient: bool) -> Visitor:
    try:
        token = rules.tokens.find(secret) if rules.tokens else None
    except BadTokens as wrong:
        raise Denied(401, str(wrong)) from wrong
    if token is None:
        raise Denied(401, "this token is not known, or was revoked")
    return Visitor(name=token.name, scopes=token.scopes, ambient=ambient)


def _own_page(rules: Rules, asked: WebAsked) -> bool:
    origin = asked.headers.get("origin", "")
    return bool(origin) and urlsplit(origin).netloc == asked.headers.get("host", "") and _name(origin) in rules.hosts


def _name(host: str) -> str:
    """Of a Host header or an origin, without its port; empty where it is none."""
    try:
        return urlsplit(host if "//" in host else f"//{host}").hostname or ""
    except ValueError:
        return ""


def _address(client: str):  # type: ignore[no-untyped-def]  # ipaddress has no name for either of its kinds
    """Of whoever connected; over a unix socket there is none, and only this machine's users reach it."""
    return ip_address(client or "127.0.0.1")
