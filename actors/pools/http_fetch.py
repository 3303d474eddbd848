"""One look at a service over HTTP, for sources of demand. The only file that knows httpx.

Whatever the service does, a look ends within its time limit: it is one task, cancelled as a whole, so neither a name
server that is silent nor an answer that comes a byte a minute makes it longer. What is answered is taken as bytes, up
to a limit, uncompressed (a small answer that unpacks to gigabytes is no answer), from the address that was asked and no
other (no redirection: credentials go where the operator said). Credentials are read anew at each look, since proxies
and tokens are renewed in their files.

After a failure the service is left alone for a while, longer after each, or for as long as it asks for: a server that
says 503 says so because it has too much to do.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from actors.config.secrets import NoSecret, secret
from actors.pools.port import PoolAway, PoolDenied, PoolError

PAUSES = (0.0, 1.0, 2.0, 4.0)  # after so many failures in a row, in intervals
PAUSE_MOST_S = 600.0
TEXT = 200  # characters of an answer that a message shows
DENIED = frozenset({401, 403, 407})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked. `token` and `password` are references (see `secrets`); `proxy` has certificate and key."""

    url: str
    timeout_s: float
    max_bytes: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    ca: str | None = None
    proxy: str | None = None
    token: str | None = None
    token_header: str = "Authorization"
    user: str = ""
    password: str | None = None


def fetch(request: Request) -> bytes:
    """The body of a good answer (200). Raises PoolAway, PoolDenied."""
    httpx = _httpx()
    loop = asyncio.new_event_loop()
    try:
        status, body, wait = loop.run_until_complete(asyncio.wait_for(_ask(httpx, request), request.timeout_s))
    except TimeoutError:
        raise PoolAway(f"{request.url}: no whole answer within {request.timeout_s:g} s") from None
    except httpx.HTTPError as wrong:
        raise PoolAway(f"{request.url}: {type(wrong).__name__}: {wrong}"[: 2 * TEXT]) from wrong
    except (httpx.InvalidURL, UnicodeError, ValueError) as wrong:
        raise PoolDenied(f"{request.url}: cannot be asked: {wrong}") from wrong
    finally:
        loop.close()  # waits for no thread that still asks a name server
    if status != 200:
        raise _refused(request, status, body, wait)
    return body


class Busy(PoolAway):
    """The service said that it has too much to do, and perhaps for how long: `wait_s`."""

    def __init__(self, text: str, wait_s: float) -> None:
        super().__init__(text)
        self.wait_s = wait_s


class HttpPauses:
    """When a service may be asked again. For one caller at a time."""

    def __init__(self, interval_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval_s, self._clock = interval_s, clock
        self._failures, self._not_before, self._last = 0, 0.0, ""

    def guard(self, look: Callable[[], bytes]) -> bytes:
        """What `look` brings, unless it is too early. Raises what it raises, and PoolAway while it is too early."""
        left_s = self._not_before - self._clock()
        if left_s > 0:
            raise PoolAway(f"{self._last}; asked again in {left_s:.0f} s")
        try:
            found = look()
        except PoolError as wrong:
            self._note(wrong)
            raise
        self._failures = 0
        return found

    def _note(self, wrong: PoolError) -> None:
        steps = PAUSES[min(self._failures, len(PAUSES) - 1)]
        self._failures += 1
        pause_s = max(steps * self._interval_s, wrong.wait_s if isinstance(wrong, Busy) else 0.0)
        self._last = str(wrong)
        jitter = random.uniform(0.9, 1.0)
        self._not_before = self._clock() + min(pause_s, PAUSE_MOST_S) * jitter


async def _ask(httpx: ModuleType, request: Request) -> tuple[int, bytes, float]:
    """Status, body, and for how many seconds the service asks to be left alone."""
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        **request.headers,
        **_authorization(request),
    }
    auth = httpx.BasicAuth(request.user, _revealed(request.password)) if request.user else None
    verify = _trust(request) if request.url.startswith("https:") else True
    async with httpx.AsyncClient(
        verify=verify, trust_env=False, follow_redirects=False, timeout=request.timeout_s
    ) as client:
        method = "GET" if request.body is None else "POST"
        kind = {} if request.body is None else {"Content-Type": "application/json"}
        asked = client.build_request(method, request.url, headers={**kind, **headers}, content=request.body)
        answer = await client.send(asked, auth=auth or httpx.USE_CLIENT_DEFAULT, stream=True)
        try:
            body = bytearray()
            async for piece in answer.aiter_raw():
                body += piece
                if len(body) > request.max_bytes:
                    raise httpx.ReadError(f"an answer of more than {request.max_bytes} bytes (max_bytes)")
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise httpx.ReadError("a compressed answer, which was not asked for")
            return answer.status_code, bytes(body), _retry_after(answer.headers.get("retry-after", ""))
        finally:
            await answer.aclose()


def _refused(request: Request, status: int, body: bytes, wait_s: float) -> PoolError:
    said = " ".join(body[:TEXT].decode(errors="replace").split())
    text = f"{request.url}: HTTP {status}: {said}" if said else f"{request.url}: HTTP {status}"
    if status in DENIED:
        return PoolDenied(f"{text} (asked {_as_whom(request)})")
    if status in (429, 503):
        return Busy(text, wait_s)
    return PoolAway(text)


def _as_whom(request: Request) -> str:
    whom = [f"with the token of {request.token}"] if request.token else []
    whom += [f"with the certificate in {request.proxy}"] if request.proxy else []
    whom += [f"as user {request.user}"] if request.user else []
    return " and ".join(whom) or "without any credentials"


def _retry_after(text: str) -> float:
    """Seconds; dates are not heeded."""
    return min(float(text), PAUSE_MOST_S) if text.isascii() and text.isdigit() and len(text) < 6 else 0.0


def _authorization(request: Request) -> dict[str, str]:
    if not request.token:
        return {}
    token = _revealed(request.token)
    return {request.token_header: f"Bearer {token}" if request.token_header == "Authorization" else token}


def _revealed(reference: str | None) -> str:
    try:
        return secret(reference).reveal() if reference else ""
    except NoSecret as wrong:
        raise PoolDenied(f"a credential is missing: {wrong}") from wrong


def _trust(request: Request) -> ssl.SSLContext:
    """Whom to trust and who we are, read anew: certificates and proxies are renewed in their files."""
    ca = Path(request.ca).expanduser() if request.ca else None
    try:
        found = ssl.create_default_context(
            cafile=str(ca) if ca and not ca.is_dir() else None, capath=str(ca) if ca and ca.is_dir() else None
        )
        if request.proxy:
            found.load_cert_chain(Path(request.proxy).expanduser())
    except (OSError, ssl.SSLError) as wrong:
        which = f"ca {request.ca} or proxy {request.proxy}"
        raise PoolDenied(f"{request.url}: {which} cannot be used: {wrong}") from wrong
    return found


def _httpx() -> ModuleType:
    try:
        import httpx
    except ImportError as missing:
        raise PoolDenied(
            "httpx is not installed: `pip install 'autopyfactory-cloud[panda]'` brings what sources over HTTP need"
        ) from missing
    return httpx
