"""OpenStack's refusals by remedy. Pure: HTTP status and body in, the error to raise out; and what an ERROR is about.

The rule it keeps: only an answer that OpenStack itself gave, and that says that nothing was started, is sure. A 4xx
whose body is not OpenStack's comes from something in between (a proxy), so it proves nothing.

Measured: a quota is a 403, or a 202 and then a server in ERROR whose fault has code 413; no room is a 202 and then an
ERROR that says "No valid host was found. ".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from actors.clouds.port import CloudError, NoCapacity, Quota, Refused, Throttled, Unknown

_QUOTA = re.compile(r"quota|exceeds? (the )?(limit|maximum)|maximum number of ports", re.IGNORECASE)
_NO_ROOM = re.compile(
    r"no valid host|not enough hosts|exhausted all hosts|exceeded max scheduling attempts|no more (fixed )?ips?|"
    r"no fixed ip|ip ?address(es)? (is|are) not available|insufficient|no more ip addresses|no .*capacity",
    re.IGNORECASE,
)
_LONGEST = 400
GONE, CONFLICT, LOGIN = 404, 409, 401


def remedy(status: int, body: bytes) -> CloudError:
    """The error to raise for an answer of `status` that was no success."""
    said = _said(body)
    if said is None:
        text = body[:_LONGEST].decode(errors="replace").strip()
        kind = Throttled if status == 429 else Unknown
        return kind(f"HTTP {status} and no answer of OpenStack's: {text or 'nothing'}", str(status))
    return _kind(status, said)(f"OpenStack answered {status}: {said[:_LONGEST]}", str(status))


def fault(server: Mapping[str, Any]) -> CloudError:
    """What a server in ERROR is about, for a launch that it was of."""
    found = server.get("fault")
    found = found if isinstance(found, Mapping) else {}
    said = str(found.get("message") or "it says no reason").strip()[:_LONGEST]
    text = f"accepted, and then in ERROR: {said}"
    if found.get("code") == 413 or _QUOTA.search(said):
        return Quota(text, "413")
    return NoCapacity(text, "ERROR") if not found or _NO_ROOM.search(said) else Refused(text, "ERROR")


def _kind(status: int, said: str) -> type[CloudError]:
    if status >= 500:
        return Unknown
    if status == 429:
        return Throttled
    if status in (403, 413) and _QUOTA.search(said):
        return Quota
    if status == 413:
        return Throttled
    if _NO_ROOM.search(said):
        return NoCapacity
    return Refused


def _said(body: bytes) -> str | None:
    """The message of an error as OpenStack writes it: {"forbidden": {"message": ..., "code": 403}}; else None."""
    try:
        found = json.loads(body)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    for value in found.values():
        if isinstance(value, dict) and isinstance(value.get("message"), str):
            return str(value["message"])
        if isinstance(value, list) and value and isinstance(value[0], dict) and "detail" in value[0]:
            return str(value[0]["detail"])
    return str(found["message"]) if isinstance(found.get("message"), str) else None
