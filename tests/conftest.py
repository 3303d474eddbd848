"""A real Redis for every test that asks for one; property tests have no time limit of their own on a busy machine."""

from hypothesis import settings

from tests.redis_server import redis_address, site  # noqa: F401

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
