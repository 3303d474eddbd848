"""The example of a plugin, installed as by its users, does what every cloud must do; its command is a real process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.clouds.port import Cloud, Quota, Unknown
from actors.config.schema import Config
from actors.runtime import adapters
from tests.actors.clouds.conformance import CloudConformance, PowerOff, order, started
from tests.installed_plugin import a_site, install_example

PLACE = Path(__file__).parent / "script_place.py"
MakeCloud = Callable[..., Cloud]


@pytest.fixture
def make_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeCloud]:
    """make_script(name, *command): a cloud of the installed kind; by default of a command that keeps VMs in a file."""
    with a_site(tmp_path, monkeypatch) as site:
        install_example(site, "cloud-script")

        def make(name: str, *command: str) -> Cloud:
            mine = {
                "kind": "tool",
                "command": command or (sys.executable, str(PLACE), str(tmp_path / "vms.json")),
                "shape": {"cpus": 1, "memory_mib": 1_024},
                "max_vms": 9,
            }
            pools = {"local": {"kind": "htcondor", "collector": "cm"}}
            whole = {"factory": {"name": "lab"}, "pools": pools, "clouds": {name: mine}, "queues": {}}
            return adapters.cloud(Config.model_validate(whole), name)

        yield make


class TestTool(CloudConformance):
    @pytest.fixture
    def cloud(self, make_script: MakeCloud) -> Cloud:
        return make_script("rack")

    @pytest.fixture
    def other(self, make_script: MakeCloud) -> Cloud:
        return make_script("shelf")

    @pytest.fixture
    def power_off(self, cloud: Cloud, tmp_path: Path) -> PowerOff:
        def off(id_: str) -> None:
            rows = json.loads((tmp_path / "vms.json").read_text())
            for row in rows:
                if row["instance"]["id"] == id_:
                    row["instance"]["state"] = "terminated"
            (tmp_path / "vms.json").write_text(json.dumps(rows))

        return off


def test_an_exit_code_says_what_became_of_a_call(make_script: MakeCloud) -> None:
    with pytest.raises(Quota, match="ten are enough"):
        started(make_script("rack", "sh", "-c", "echo ten are enough >&2; exit 11"), order())


@pytest.mark.parametrize("command", [("/nowhere/at/all",), ("sh", "-c", "exit 77"), ("echo", "hello")])
def test_any_other_answer_leaves_a_launch_unknown(make_script: MakeCloud, command: tuple[str, ...]) -> None:
    with pytest.raises(Unknown):
        started(make_script("rack", *command), order())
