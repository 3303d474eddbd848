"""A real Redis for every test that asks for one."""

from tests.redis_server import redis_address, site  # noqa: F401
