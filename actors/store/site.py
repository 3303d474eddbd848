"""Where a factory's rows and mail are: the configuration's Redis, with its secrets revealed."""

from __future__ import annotations

from pathlib import Path

from actors.config.schema import Config
from actors.config.secrets import secret
from broker.connection.address import Address, Site
from broker.connection.embedded import find
from broker.errors import BrokerError


class BadDirectory(BrokerError):
    """`[factory] directory` cannot be used: the message says why."""


class NotRunning(Exception):
    """The embedded Redis of this factory is not up: `apf run` starts and stops it."""


def site_of(config: Config) -> Site:
    """The factory's part of its Redis. Raises NotRunning, BadUrl, or NoSecret."""
    factory = config.factory
    if factory.redis == "embedded":
        try:
            address = find(embedded_directory(config))
        except OSError as wrong:
            raise bad_directory(config, wrong) from wrong
        if address is None:
            command = "apf run --shadow" if factory.shadow else "apf run"
            raise NotRunning(f"no embedded Redis is up in {factory.directory}: is `{command}` running there?")
        return Site(address=address, factory=factory.known_as)
    user = secret(factory.redis_username).reveal() if factory.redis_username else None
    password = secret(factory.redis_password).reveal() if factory.redis_password else None
    return Site(address=Address.parse(factory.redis, user=user, password=password), factory=factory.known_as)


def bad_directory(config: Config, wrong: OSError) -> BadDirectory:
    why = f"{wrong.filename or ''}: {wrong.strerror or wrong}".lstrip(": ")
    return BadDirectory(
        f"[factory] directory {config.factory.directory}: {why}. It has to be this user's, to be written and read; make"
        " it so, or name another one"
    )


def embedded_directory(config: Config) -> Path:
    """Where `apf run` keeps the embedded Redis. A shadow has one of its own: it may run beside the factory."""
    return Path(config.factory.directory).expanduser() / ("redis-shadow" if config.factory.shadow else "redis")


def shadow_of(config: Config) -> Config:
    """The same factory, only looking on. Its metrics take a free port: the factory's own may be taken."""
    console = config.factory.console.model_copy(update={"port": 0})
    return config.model_copy(update={"factory": config.factory.model_copy(update={"shadow": True, "console": console})})
