"""Real Redis servers with the files in deploy/redis, one set for all tests that leave it as it is."""

from collections.abc import Iterator

import pytest

from tests.deploy.redis_site import RedisSite


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSite]:
    """A master and two replicas with TLS and users; no Sentinels."""
    with RedisSite(tmp_path_factory.mktemp("secured"), sentinels=0) as made:
        yield made
