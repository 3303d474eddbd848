"""A real Redis for every test that asks for one; property tests have no time limit of their own on a busy machine.

Tests that wait for daemons and hosts run first: with several workers the quick ones fill what is left of the time.
"""

import pytest
from hypothesis import settings

from tests.redis_server import redis_address, site  # noqa: F401

pytest_plugins = ["tests.verdict_of_the_run"]

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
SLOW = ("tests/faults/", "tests/deploy/", "tests/actors/test_cli.py", "tests/lab/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not (item.nodeid.startswith(SLOW) or item.get_closest_marker("lab")))
