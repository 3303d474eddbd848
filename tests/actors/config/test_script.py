"""What a cloud of kind "script" has to say."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.config.load import parse
from actors.config.mistakes import BadConfig
from actors.config.schema import ScriptCloud

GOOD = (Path(__file__).parents[3] / "configs/script.toml").read_text()


def test_one_command_serves_all_verbs_or_each_has_its_own() -> None:
    config = parse(GOOD)
    rack, batch = config.clouds["rack"], config.clouds["batch"]
    assert isinstance(rack, ScriptCloud)
    assert isinstance(batch, ScriptCloud)
    assert rack.command_of("list") == ("/usr/local/bin/rack", "--room", "7", "list")
    assert (rack.command_of("find"), batch.command_of("find")) == ((), ("/usr/local/bin/batch-find",))
    assert batch.command_of("end") == ("/usr/local/bin/batch-end",)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('end = ["/usr/local/bin/batch-end"]', "", "clouds.batch.end: missing (a command with its arguments"),
        ('command = ["/usr/local/bin/rack", "--room", "7"]', 'command = [""]', "its first word names no program"),
        ('command = ["/usr/local/bin/rack", "--room", "7"]', "command = []", "clouds.rack.start: missing"),
    ],
)
def test_a_mistake_is_told_with_its_place(old: str, new: str, told: str) -> None:
    with pytest.raises(BadConfig) as wrong:
        parse(GOOD.replace(old, new, 1))
    assert told in str(wrong.value)
