"""Every test of the broker runs against a real Redis."""

from tests.redis_server import redis_address, site

__all__ = ["redis_address", "site"]
