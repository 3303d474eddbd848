"""The freeze file of a host: there or not, and what cannot be looked at is there."""

from pathlib import Path

import pytest

from actors.config.schema import Config
from actors.runtime.freeze_file import FreezeFile, FrozenHere
from tests.actors.stage import CONFIG


def of(**factory: object) -> FreezeFile:
    changed = CONFIG.factory.model_copy(update=factory)
    return FreezeFile.of(Config(**{**dict(CONFIG), "factory": changed}))


def test_without_the_file_nothing_is_stopped(tmp_path: Path) -> None:
    file = of(directory=str(tmp_path))
    assert file.path == tmp_path / "freeze"
    assert file.told() == ""
    file.check()


def test_an_empty_file_stops_the_host_and_is_named(tmp_path: Path) -> None:
    file = of(freeze_file=str(tmp_path / "stop"))
    file.path.touch()
    assert str(file.path) in file.told()
    with pytest.raises(FrozenHere, match="freeze file"):
        file.check()


def test_the_first_line_of_the_file_is_the_reason(tmp_path: Path) -> None:
    file = of(directory=str(tmp_path))
    file.path.write_text("power cut at 4\nmore\n")
    assert file.told().endswith(": power cut at 4")


def test_bytes_that_are_no_text_and_a_long_text_do_no_harm(tmp_path: Path) -> None:
    file = of(directory=str(tmp_path))
    file.path.write_bytes(b"\xff\xfe" + b"x" * 10_000)
    assert 100 < len(file.told()) < 1_000


def test_what_cannot_be_read_counts_as_there(tmp_path: Path) -> None:
    file = of(directory=str(tmp_path))
    file.path.mkdir()  # the same for root as for anybody
    assert "cannot be read" in file.told()


def test_removing_it_lets_the_host_go_on(tmp_path: Path) -> None:
    file = of(directory=str(tmp_path))
    file.path.touch()
    assert file.told()
    file.path.unlink()
    file.check()
