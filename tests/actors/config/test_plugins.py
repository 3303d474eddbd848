"""Steps of other packages come in by entry points; what is wrong with one is said by name."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.config.load import parse
from actors.config.mistakes import BadConfig
from actors.config.plugins import CLOUDS, POOLS, BadPlugin, known_kinds, known_steps
from actors.config.policy_rules import rules_of
from actors.config.schema import AnyCloud, Config
from actors.config.told import told_by_pool
from actors.policies.steps import STEPS, Counts
from actors.runtime import adapters
from actors.store import active_config
from tests.installed_plugin import a_site, forget, install, install_example

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "deploy/examples" / "step-whole-racks"
CONFIG = (ROOT / "configs" / "minimal.toml").read_text() + 'steps = [{ step = "whole-racks", rack = 16 }]\n'


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with a_site(tmp_path, monkeypatch) as made:
        yield made


def test_the_example_step_works_once_it_is_installed(site: Path) -> None:
    with pytest.raises(BadConfig, match="step 'whole-racks' is not known"):
        parse(CONFIG)
    install_example(site, "step-whole-racks")
    (step,) = rules_of(parse(CONFIG), "atlas").queue.steps
    assert step.apply(17, Counts())[0] == 32
    assert step.apply(-3, Counts())[0] == -3


def test_its_keys_are_checked_like_ours(site: Path) -> None:
    install_example(site, "step-whole-racks")
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
    forget()
    assert known_steps() == STEPS
    assert known_kinds(CLOUDS) == known_kinds(POOLS) == {}


# --- clouds and pools

SCRIPT = """\
[factory]
name = "lab"

[pools.local]
collector = "condor.example.org"

[clouds.rack]
kind = "tool"
command = ["/usr/local/bin/rack", "--here"]
shape = { cpus = 4, memory_mib = 8000 }
max_vms = 10

[queues.atlas]
pool = "local"
jobs = "true"
cascade = [["rack"]]
"""


def said(text: str) -> list[str]:
    with pytest.raises(BadConfig) as wrong:
        parse(text)
    return [str(mistake) for mistake in wrong.value.mistakes]


def test_a_kind_of_cloud_is_known_once_its_package_is_installed(site: Path) -> None:
    assert said(SCRIPT) == [
        "line 7: clouds.rack: kind 'tool' is not known (known: ec2, openstack, script, simulated, condor-jobs)"
    ]
    install_example(site, "cloud-script")
    config = parse(SCRIPT)
    settings = config.clouds["rack"]
    assert isinstance(settings, AnyCloud)
    assert (settings.max_vms, settings.batch) == (10, 20)
    assert type(adapters.cloud(config, "rack")).__name__ == "ScriptCloud"
    assert rules_of(config, "atlas").clouds["rack"].cores == 4


def test_its_table_is_checked_like_ours(site: Path) -> None:
    install_example(site, "cloud-script")
    wrong = SCRIPT.replace("command = [", "comand = [").replace("max_vms = 10", "max_vms = -1")
    assert said(wrong) == [
        "line 9: clouds.rack.comand: an unknown key (did you mean 'command'?)",
        "line 11: clouds.rack.max_vms: seen -1; allowed: at least 0",
    ]


def test_it_may_have_several_shapes(site: Path) -> None:
    install_example(site, "cloud-script")
    shapes = "\n".join(f"shapes.{n} = {{ shape = {{ cpus = {n}, memory_mib = 900 }} }}" for n in (2, 8))
    shaped = SCRIPT.replace("shape = { cpus = 4, memory_mib = 8000 }", shapes)
    config = parse(shaped)
    assert config.queues["atlas"].cascade == (("rack-2", "rack-8"),)
    assert rules_of(config, "atlas").clouds["rack-8"].cores == 8
    assert type(adapters.cloud(config, "rack-8")).__name__ == "ScriptCloud"
    assert said(shaped.replace("shapes.8 = {", "shapes.8 = { comand = [],")) == [
        "line 11: clouds.rack.shapes.8.comand: an unknown key (did you mean 'command'?)"
    ]


def test_its_keys_are_part_of_what_hosts_share(site: Path) -> None:
    install_example(site, "cloud-script")
    config = parse(SCRIPT)
    assert active_config.with_shared(config, active_config.shared(config)) == config


def test_a_kind_that_cannot_be_used_is_named_in_its_place(site: Path) -> None:
    install(site, {"tool": "json:loads"}, CLOUDS)
    (mistake,) = said(SCRIPT)
    assert "clouds.rack" in mistake
    assert "plugin 'tool' (json:loads) is no class with Settings and of(name, config)" in mistake


def test_the_name_of_our_own_kind_cannot_be_taken(site: Path) -> None:
    install(site, {"ec2": "json:loads"}, CLOUDS)
    with pytest.raises(BadPlugin):
        known_kinds(CLOUDS)


POOL = """\
from typing import Literal
from actors.config.schema import AnyPool
from actors.pools.simulated import WorldPool

class Settings(AnyPool):
    kind: Literal["paper"]
    sheets: int

class Paper(WorldPool):
    Settings = Settings

    @classmethod
    def of(cls, name, config):
        return cls(name, config.pools[name], ())

    def __init__(self, name, settings, queues):
        self.sheets = settings.sheets
"""


SOURCE = """\
from typing import ClassVar, Literal
from actors.config.schema import AnyPool

class Settings(AnyPool):
    kind: Literal["list"]
    has_startds: ClassVar[bool] = False

class List:
    Settings = Settings

    @classmethod
    def of(cls, name, config):
        return cls()
"""
PILOTS = """\
from typing import ClassVar, Literal
from actors.config.schema import AnyCloud

class Settings(AnyCloud):
    kind: Literal["pilots"]
    joins_pool: ClassVar[bool] = False

class Pilots:
    Settings = Settings

    @classmethod
    def of(cls, name, config):
        return cls()
"""
TWO_QUEUES = """\
[factory]
name = "lab"
[pools.wms]
kind = "list"
[pools.local]
kind = "simulated"
world = "there"
[clouds.schedd]
kind = "pilots"
shape = { cpus = 1, memory_mib = 2000 }
max_vms = 10
[clouds.vms]
kind = "simulated"
world = "there"
shape = { cpus = 1, memory_mib = 2000 }
max_vms = 10
[queues.atlas]
pool = "wms"
jobs = "true"
cascade = [["schedd"]]
[queues.pilots]
pool = "local"
jobs = "true"
cascade = [["vms"]]
"""


@pytest.fixture
def two_kinds(site: Path) -> None:
    """A pool without startds, and a cloud whose workers join no pool."""
    (site / "apf_list.py").write_text(SOURCE)
    (site / "apf_pilots.py").write_text(PILOTS)
    install(site, {"list": "apf_list:List"}, POOLS)
    install(site, {"pilots": "apf_pilots:Pilots"}, CLOUDS)


@pytest.mark.usefixtures("two_kinds")
def test_a_pool_without_startds_only_says_what_waits() -> None:
    config = parse(TWO_QUEUES)
    assert [config.pools_of(cloud) for cloud in ("schedd", "vms")] == [(), ("local",)]
    assert [config.told_pool("atlas", "schedd"), config.told_pool("pilots", "vms")] == ["", "local"]
    assert list(told_by_pool(config)) == ["local"]


@pytest.mark.usefixtures("two_kinds")
def test_workers_that_have_to_join_a_pool_are_no_cascade_of_one_that_has_none() -> None:
    (mistake,) = said(TWO_QUEUES.replace('cascade = [["schedd"]]', 'cascade = [["schedd"], ["vms"]]'))
    assert mistake.startswith(
        "line 20: queues.atlas.cascade[1][0]: workers of 'vms' have to join a pool, and a list pool has none"
    )


@pytest.mark.usefixtures("two_kinds")
def test_a_cloud_that_no_queue_names_any_more_has_its_workers_only_where_there_are_startds() -> None:
    left = TWO_QUEUES.replace('cascade = [["vms"]]', 'cascade = [["more"]]') + (
        '[clouds.more]\nkind = "simulated"\nworld = "there"\nshape = { cpus = 1, memory_mib = 2000 }\nmax_vms = 1\n'
    )
    assert parse(left).pools_of("vms") == ("local",)


def test_a_kind_of_pool_comes_in_the_same_way(site: Path) -> None:
    (site / "apf_paper.py").write_text(POOL)
    install(site, {"paper": "apf_paper:Paper"}, POOLS)
    install_example(site, "cloud-script")
    config: Config = parse(SCRIPT.replace('collector = "condor.example.org"', 'kind = "paper"\nsheets = 3'))
    assert adapters.pool(config, "local").sheets == 3  # type: ignore[attr-defined]
    assert config.pools["local"].interval_s == 15.0
    assert adapters.recipe(config)("rack", "atlas", "") == "atlas\n"
    (mistake,) = said(SCRIPT.replace("[pools.local]", '[pools.local]\nkind = "pap"'))
    assert mistake == "line 4: pools.local: kind 'pap' is not known (did you mean 'paper'?)"
