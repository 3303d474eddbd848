"""The body of a RunInstances call, encoded at once.

botocore hands a form to `urllib.parse.urlencode`, twice a call (to sign and to send), and that goes letter by letter:
for some 12,000 letters of user-data it took half of a launch's CPU. User-data is base64, of whose alphabet three
letters need another form. botocore's event `before-call` is there to change a request before it is signed.

The rule it keeps: the bytes are what urlencode would make.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

_BASE64 = re.compile(r"[A-Za-z0-9+/=]*")
_LONG = "UserData"


def encode(params: dict[str, Any], **_: object) -> None:
    """A handler of `before-call.ec2.RunInstances`. `params` is botocore's request, and is changed."""
    form = params.get("body")
    if not isinstance(form, dict):
        return
    long = form.get(_LONG)
    if not isinstance(long, str) or not _BASE64.fullmatch(long):
        return
    pieces = [f"{_LONG}={_quoted(long)}" if key == _LONG else urlencode({key: form[key]}, doseq=True) for key in form]
    params["body"] = "&".join(pieces).encode()


def _quoted(text: str) -> str:
    return text.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
