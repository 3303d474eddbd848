"""A boto3 client of an account, for one service. Measured: a client may be used from many threads, making one may not.

EC2's service model takes 25 MB and 0.3 s a client, 1.4 MB and 0.05 s when clients share one loader. boto3's own retries
are off: a repeat that the caller does not see would be sent without the fence having been checked.

botocore encodes the body of a request twice, and byte by byte in Python where a value has a byte to quote: for a launch
with user-data of 9 kB that is half of what the call costs (measured: 4.5 ms of CPU, now 2.4). So `encoded` does it
before, once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config as BotoConfig

from actors.clouds.port import Refused
from actors.config import Ec2Account

_CONNECT_S = 5.0
_LOADER = botocore.loaders.create_loader()
_QUOTED = re.compile(rb"[^A-Za-z0-9_.~-]")  # RFC 3986, section 2.3: all others


def make(
    service: str,
    *,
    account: Ec2Account,
    reveal: Callable[[str], str],
    region: str,
    endpoint: str | None,
    timeout_s: float,
    threads: int,
) -> Any:
    """`timeout_s` counts for each wait on the socket. Raises Refused where a secret cannot be read."""
    once = BotoConfig(
        retries={"total_max_attempts": 1},
        connect_timeout=min(_CONNECT_S, timeout_s),
        read_timeout=timeout_s,
        max_pool_connections=threads,
    )
    session = botocore.session.get_session()
    session.register_component("data_loader", _LOADER)
    if account.profile:
        session.set_config_variable("profile", account.profile)
    client = boto3.Session(botocore_session=session).client(
        service,  # type: ignore[call-overload]
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=_secret(account.access_key_id, reveal),
        aws_secret_access_key=_secret(account.secret_access_key, reveal),
        aws_session_token=_secret(account.session_token, reveal),
        config=once,
    )
    client.meta.events.register(f"before-call.{service}", _encode)
    return client


def encoded(body: Mapping[str, object]) -> bytes:
    """Names and values as application/x-www-form-urlencoded."""
    return b"&".join(_quoted(name) + b"=" + _quoted(value) for name, value in body.items())


def _quoted(text: object) -> bytes:
    raw = text if isinstance(text, bytes) else str(text).encode()
    return _QUOTED.sub(lambda found: b"%%%02X" % ord(found[0]), raw)


def _encode(params: dict[str, Any], **_: object) -> None:
    """Of the services' protocols only the query ones (EC2's) have their body as names and values at this point."""
    if isinstance(params["body"], dict):
        params["body"] = encoded(params["body"])


def _secret(secret: str | None, reveal: Callable[[str], str]) -> str | None:
    try:
        return reveal(secret) if secret else None
    except (LookupError, OSError) as error:
        raise Refused(f"the secret {secret} of the account cannot be read: {error}", "secret") from error
