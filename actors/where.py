"""Where a factory's rows and mail are: the configuration's Redis, with its secrets revealed."""

from __future__ import annotations

from pathlib import Path

from actors.config import Config
from actors.secrets_file import secret
from broker.connect import Address, Site
from broker.embedded import find


class NotRunning(Exception):
    """The embedded Redis of this factory is not up: `apf run` starts and stops it."""


def site_of(config: Config) -> Site:
    """The factory's part of its Redis. Raises NotRunning, BadUrl, or NoSecret."""
    factory = config.factory
    if factory.redis == "embedded":
        address = find(Path(factory.directory).expanduser() / "redis")
        if address is None:
            raise NotRunning(f"no embedded Redis is up in {factory.directory}: is `apf run` running there?")
        return Site(address=address, factory=factory.name)
    user = secret(factory.redis_username) if factory.redis_username else None
    password = secret(factory.redis_password) if factory.redis_password else None
    return Site(address=Address.parse(factory.redis, user=user, password=password), factory=factory.name)
