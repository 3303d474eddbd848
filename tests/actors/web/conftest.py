from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from actors.config.schema import Config
from actors.web.access import Rules
from actors.web.app import make_app
from actors.web.desk import Desk
from actors.web.events import EventLog
from actors.web.serve import Opened
from actors.web.snapshot import Snapshots
from actors.web.tokens import Right, TokenFile
from broker.connection.address import Site
from tests.actors.console.factory_rows import Rows, config_at
from tests.redis_server import redis_address, site

__all__ = ["redis_address", "site"]


@pytest.fixture
def config(site: Site, tmp_path: Path) -> Config:
    return config_at(site, tmp_path)


@pytest.fixture
def rows(site: Site) -> Rows:
    return Rows(site)


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "factory.tokens")


@pytest.fixture
def desk(config: Config, tokens: TokenFile) -> Desk:
    log = EventLog()
    snapshots = Snapshots(Opened(config).read, log.changed, again_s=0.0)
    return Desk(config=config, rules=Rules(tokens=tokens), snapshots=snapshots, log=log)


@pytest.fixture
def here(desk: Desk) -> Iterator[TestClient]:
    """A browser on the machine itself."""
    with TestClient(make_app(desk), base_url="http://127.0.0.1:9619", client=("127.0.0.1", 50_000)) as client:
        yield client


@pytest.fixture
def afar(desk: Desk) -> Iterator[TestClient]:
    """A program elsewhere that knows the page's name."""
    with TestClient(make_app(desk), base_url="http://localhost:9619", client=("192.0.2.7", 50_000)) as client:
        yield client


@pytest.fixture
def wisher(tokens: TokenFile) -> dict[str, str]:
    """The headers of a program that may wish."""
    return {"Authorization": f"Bearer {tokens.add('ada', [Right.READ, Right.WISH])}"}
