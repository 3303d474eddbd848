"""A factory's TOML file beside its rows in a real Redis, and `apf` run on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

from click.testing import Result
from typer.testing import CliRunner

from actors import cli
from actors.console.terminal import Screen
from broker.connection.address import Site

_TEXT = """
[factory]
name = "{factory}"
redis = "redis://{host}:{port}/0"
redis_password = "file:{password}"
directory = "{folder}"

[pools.local]
kind = "simulated"
world = "127.0.0.1:9"

[queues.atlas]
pool = "local"
jobs = 'MATCH_APF_QUEUE == "atlas"'
cascade = [{cascade}]
"""
_CLOUD = """
[clouds.{name}]
kind = "simulated"
world = "127.0.0.1:9"
shape = {{ cpus = 1, memory_mib = 512 }}
max_vms = {max_vms}
"""


class FactoryFile:
    """`apf(command, ...)` puts the file's path behind the command."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.path, self._site, self._folder = folder / "factory.toml", site, folder
        (folder / "password").write_text(site.address.password or "")
        self.write(("private", "spot"))

    def write(self, clouds: Sequence[str], max_vms: int = 2) -> None:
        host, port = self._site.address.nodes[0]
        text = _TEXT.format(
            factory=self._site.factory,
            host=host,
            port=port,
            password=self._folder / "password",
            folder=self._folder,
            cascade=", ".join(f'["{cloud}"]' for cloud in clouds),
        )
        self.path.write_text(text + "".join(_CLOUD.format(name=cloud, max_vms=max_vms) for cloud in clouds))

    def apf(self, command: str, *arguments: object, given: str = "") -> Result:
        """On a wide screen, whatever terminal the tests run in."""
        words = [command, str(self.path), *(str(one) for one in arguments)]
        with patch.object(cli, "out", Screen(width=250)):
            return CliRunner().invoke(cli.app, words, input=given)


def said(result: Result) -> str:
    """Everything on one line: a terminal's width must not matter."""
    return " ".join(result.output.split())
