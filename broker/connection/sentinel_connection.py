"""A connection to the master that Sentinels name, which lets go of a master that has been left alone.

redis-py asks the Sentinels again when it connects, and when the server says READONLY. A master that was cut off from
its replicas says neither: with `min-replicas-to-write` it refuses every write, on connections that stay open, while
the Sentinels have long named another. So a write refused for want of replicas ends the connection; the next one goes
to whoever is the master then.
"""

from typing import Any

from redis.connection import SSLConnection
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import ResponseError
from redis.sentinel import SentinelManagedConnection

ALONE = "NOREPLICAS"  # Redis's word for it


class MasterConnection(SentinelManagedConnection):
    """In plain."""

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().read_response(*args, **kwargs)
        except ResponseError as no:
            if not str(no).startswith(ALONE):
                raise
            self.disconnect()  # type: ignore[no-untyped-call]
            raise LostConnection(f"this master has too few replicas to write: {no}") from no


class MasterTlsConnection(MasterConnection, SSLConnection):
    """Over TLS."""
