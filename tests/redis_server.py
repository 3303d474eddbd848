"""A real Redis for tests. In a conftest: `from tests.redis_server import redis_address, site  # noqa: F401`.

`redis_address` starts one embedded server a session on a free port; `site` is a fresh factory name in it, so
tests never see each other's keys.
"""

import secrets
from collections.abc import Iterator

import pytest

from broker.connection.address import Address, Site
from broker.connection.embedded import EmbeddedServer


@pytest.fixture(scope="session")
def redis_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """The address of a real Redis that lives as long as the test session."""
    with EmbeddedServer(tmp_path_factory.mktemp("redis"), port=0) as server:
        yield server.address


@pytest.fixture
def site(redis_address: Address) -> Site:
    """A factory of its own for each test."""
    return Site(address=redis_address, factory=f"test-{secrets.token_hex(6)}")
