"""A real factory host on a Redis of deploy/redis, in a simulated world, and its configuration for every user."""

from __future__ import annotations

from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from actors.cli import app
from deploy.lab.demo.simulated import SimulatedStage
from tests.deploy.redis_site import RedisSite

_TEXT = """
[factory]
name = "{factory}"
redis = "{redis}"
redis_username = "env:APF_USER"
redis_password = "env:APF_PASSWORD"
directory = "{folder}"
ttl_s = {ttl_s}
tick_s = {tick_s}
console = {{ port = 0 }}
{world}
[accounts.amazon]
max_vms = 50

[queues.atlas]
pool = "local"
jobs = 'MATCH_APF_QUEUE == "atlas"'
cascade = [["private"], ["spot"]]
release_after_s = 1
"""


class Served:
    """`apf(user, ...)` runs the command as that user of Redis."""

    def __init__(self, redis: RedisSite, stage: SimulatedStage, folder: Path, ttl_s: float, tick_s: float) -> None:
        self.redis, self.folder = redis, folder
        self.path = folder / "factory.toml"
        address = redis.address("host", 0 if redis.sentinel_ports else redis.alone)
        whole = stage.config(folder)
        world = "\n".join("[" + part for part in whole.split("\n[") if part.startswith(("pools.", "clouds.")))
        self.path.write_text(
            _TEXT.format(factory=redis.factory, redis=address, folder=folder, ttl_s=ttl_s, tick_s=tick_s, world=world)
        )

    def environment(self, user: str) -> dict[str, str]:
        return {"APF_USER": f"{self.redis.factory}-{user}", "APF_PASSWORD": self.redis.password(user)}

    def apf(self, user: str, command: str, *arguments: object) -> Result:
        words = [command, str(self.path), *(str(one) for one in arguments)]
        return CliRunner(env=self.environment(user)).invoke(app, words)
