"""The body of a RunInstances call, encoded at once.

botocore hands a form to `urllib.parse.urlencode`, twice a call (to sign and to send), and that goes letter by letter:
for some 12,000 letters of user-data it took half of a launch's CPU. User-data is base64, of whose alphabet three
letters need another form; the rest are short texts, most of them in every launch. botocore's event `before-call` is
there to change a request before it is signed.

The rule it keeps: the bytes are what urlencode would make.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus

_BASE64 = re.compile(r"[A-Za-z0-9+/=]*")
_LONG = 256  # letters

_quoted_short = lru_cache(maxsize=4096)(quote_plus)


def encode(params: dict[str, Any], **_: object) -> None:
    """A handler of `before-call.ec2.RunInstances`. `params` is botocore's request, and is changed."""
    form = params.get("body")
    if isinstance(form, dict):
        pieces = (f"{_quoted(str(name))}={_quoted(str(value))}" for name, value in form.items())
        params["body"] = "&".join(pieces).encode()


def _quoted(text: str) -> str:
    if len(text) <= _LONG:
        return _quoted_short(text)
    if _BASE64.fullmatch(text):
        return text.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    return quote_plus(text)
