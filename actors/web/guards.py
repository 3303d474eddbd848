"""What holds for every answer and request, whoever asks: headers, sizes, rates.

Nothing that workers or jobs wrote is a script here: no inline script or style is allowed at all (Content Security
Policy), beside the escaping of every value.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY = 65_536  # bytes of a request
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guards:
    """Adds the headers to every answer, and refuses a body that is larger than any of ours."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = [(key.lower().encode(), value.encode()) for key, value in HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        left = MOST_BODY

        async def bounded() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            return {"type": "http.disconnect"} if left < 0 else message

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {key for key, _ in message.get("headers", [])}
                added = [one for one in self._headers if one[0] not in own]
                message = {**message, "headers": [*message.get("headers", []), *added]}
            await send(message)

        if _length(scope) > MOST_BODY:
            await _too_large(guarded)
            return
        await self._app(scope, bounded, guarded)


def _length(scope: Scope) -> int:
    said = dict(scope["headers"]).get(b"content-length", b"0")
    return int(said) if said.isdigit() and len(said) < 16 else MOST_BODY + 1


async def _too_large(send: Send) -> None:
    body = f"a request has at most {MOST_BODY} bytes\n".encode()
    await send({"type": "http.response.start", "status": 413, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})


class Rate:
    """At most `most` in `period_s` for each name; of at most `names` names, the longest silent is forgotten first."""

    def __init__(
        self, most: int, period_s: float, names: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._per_s, self._names, self._clock = most, most / period_s, names, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> bool:
        """Whether one more is allowed now."""
        now = self._clock()
        left, at = self._left.pop(name, (float(self._most), now))
        left = min(float(self._most), left + (now - at) * self._per_s)
        self._left[name] = (left - 1.0 if left >= 1.0 else left, now)
        while len(self._left) > self._names:
            self._left.popitem(last=False)
        return left >= 1.0
