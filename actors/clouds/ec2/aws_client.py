"""A boto3 client of an account, for one service. Measured: a client may be used from many threads, making one may not.

EC2's service model takes 25 MB and 0.3 s a client, 1.4 MB and 0.05 s when clients share one loader. boto3's own retries
are off: a repeat that the caller does not see would be sent without the fence having been checked.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import boto3
import botocore
import botocore.loaders
import botocore.session
from botocore.config import Config as BotoConfig

from actors.clouds.port import Refused
from actors.config.schema import Ec2Account

_CONNECT_S = 5.0
_LOADER = botocore.loaders.create_loader()
_PROGRAM = "autopyfactory-cloud"
# in CloudTrail it says who called; and botocore builds a longer one of its own twice a call, for a tenth of its time
_USER_AGENT = f"{_PROGRAM}/{version(_PROGRAM)} botocore/{botocore.__version__}"


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
        user_agent=_USER_AGENT,
    )
    session = botocore.session.get_session()
    session.register_component("data_loader", _LOADER)
    if account.profile:
        session.set_config_variable("profile", account.profile)
    return boto3.Session(botocore_session=session).client(
        service,  # type: ignore[call-overload]
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=_secret(account.access_key_id, reveal),
        aws_secret_access_key=_secret(account.secret_access_key, reveal),
        aws_session_token=_secret(account.session_token, reveal),
        config=once,
    )


def _secret(secret: str | None, reveal: Callable[[str], str]) -> str | None:
    try:
        return reveal(secret) if secret else None
    except (LookupError, OSError) as error:
        raise Refused(f"the secret {secret} of the account cannot be read: {error}", "secret") from error
