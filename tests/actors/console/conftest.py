from pathlib import Path

import pytest

from actors.config.schema import Config
from broker.connection.address import Site
from tests.actors.console.factory_file import FactoryFile
from tests.actors.console.factory_rows import Rows, config_at
from tests.redis_server import redis_address, site

__all__ = ["redis_address", "site"]


@pytest.fixture
def config(site: Site, tmp_path: Path) -> Config:
    """A factory of this test's own, in a real Redis."""
    return config_at(site, tmp_path)


@pytest.fixture
def rows(site: Site) -> Rows:
    """A hand that writes that factory's rows."""
    return Rows(site)


@pytest.fixture
def file(site: Site, tmp_path: Path) -> FactoryFile:
    """Its TOML file, for the command."""
    return FactoryFile(site, tmp_path)
