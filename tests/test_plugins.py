"""Steps of other packages come in by entry points; what is wrong with one is said by name."""

from __future__ import annotations

import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.config_file import parse
from actors.config_mistakes import BadConfig
from actors.plugins import BadPlugin, known_steps
from actors.policies.steps import STEPS, Counts
from actors.rules import rules_of

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "step-whole-racks"
CONFIG = (ROOT / "configs" / "minimal.toml").read_text() + 'steps = [{ step = "whole-racks", rack = 16 }]\n'

Install = Callable[[str, str], None]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder where packages are installed for one test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    known_steps.cache_clear()
    yield tmp_path
    known_steps.cache_clear()
    sys.modules.pop("apf_step_whole_racks", None)


def install(site: Path, entry_points: dict[str, str]) -> None:
    """What an installer leaves of a package: its metadata with the entry points."""
    metadata = site / "example-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in entry_points.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[autopyfactory_cloud.steps]", *lines]) + "\n")


def install_example(site: Path) -> None:
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())
    for module in project["tool"]["setuptools"]["py-modules"]:
        shutil.copy(EXAMPLE / f"{module}.py", site)
    install(site, project["project"]["entry-points"]["autopyfactory_cloud.steps"])


def test_the_example_step_works_once_it_is_installed(site: Path) -> None:
    with pytest.raises(BadConfig, match="step 'whole-racks' is not known"):
        parse(CONFIG)
    install_example(site)
    known_steps.cache_clear()
    (step,) = rules_of(parse(CONFIG), "atlas").queue.steps
    assert step.apply(17, Counts())[0] == 32
    assert step.apply(-3, Counts())[0] == -3


def test_its_keys_are_checked_like_ours(site: Path) -> None:
    install_example(site)
    with pytest.raises(BadConfig, match="step 'whole-racks' has no 'racks'"):
        parse(CONFIG.replace("rack =", "racks ="))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("mine", "nowhere_at_all:Step", r"plugin 'mine' \(nowhere_at_all:Step\) cannot be loaded"),
        ("mine", "json:loads", "is no dataclass with that name"),
        ("mine", "json:nothing", "cannot be loaded"),
        ("scale", "apf_step_whole_racks:WholeRacks", "is no dataclass with that name"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_named(site: Path, name: str, value: str, said: str) -> None:
    shutil.copy(EXAMPLE / "apf_step_whole_racks.py", site)
    install(site, {name: value})
    with pytest.raises(BadPlugin, match=said):
        known_steps()


def test_the_name_of_our_own_step_cannot_be_taken(site: Path) -> None:
    text = (EXAMPLE / "apf_step_whole_racks.py").read_text().replace('"whole-racks"', '"scale"')
    (site / "apf_step_whole_racks.py").write_text(text)
    install(site, {"scale": "apf_step_whole_racks:WholeRacks"})
    with pytest.raises(BadPlugin, match="takes the name of our own step: scale"):
        known_steps()


def test_without_plugins_there_are_our_own_steps_only() -> None:
    known_steps.cache_clear()
    assert known_steps() == STEPS
