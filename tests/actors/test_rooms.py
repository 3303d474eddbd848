"""The house stands as `actors/README.md` says, and as its contracts say."""

import ast
import importlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "actors/README.md").read_text()
PICTURE = PAGE.split("```text\n")[1].split("```")[0]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
SOURCES = sorted(path for room in ("actors", "broker") for path in (ROOT / room).rglob("*.py"))
TREES = {path: ast.parse(path.read_text()) for path in SOURCES}


def floors(name: str) -> list[set[str]]:
    layers = next(one["layers"] for one in CONTRACTS if one["name"] == name)
    return [set(re.findall(r"\w+", layer)) for layer in layers]


def rooms() -> set[str]:
    return {path.name for path in (ROOT / "actors").iterdir() if (path / "__init__.py").exists()}


def test_the_picture_shows_the_floors_that_the_contract_keeps() -> None:
    shown = [set(re.findall(r"(?:^|  )(\w+)(?:/|\.py)", line)) for line in PICTURE.splitlines()]
    assert shown == floors("The folder order is the import order")


def test_every_room_is_in_the_contract() -> None:
    assert set().union(*floors("The folder order is the import order")) == rooms() | {"cli"}


def test_no_module_lies_loose() -> None:
    assert {path.name for path in (ROOT / "actors").glob("*.py")} == {"__init__.py", "cli.py"}


def test_every_place_that_the_page_names_is_there() -> None:
    text = PAGE.replace(PICTURE, "")
    named = {word for word in re.findall(r"`([\w./-]+)`", text) if "/" in word or word.endswith(".py")}
    missing = [word for word in named if not any((ROOT / base / word).exists() for base in ("", "actors", "broker"))]
    assert len(named) > 20
    assert missing == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_says_in_its_first_line_what_it_is_for_and_is_under_400_lines(path: Path) -> None:
    assert ast.get_docstring(TREES[path])
    assert len(path.read_text().splitlines()) < 400


def test_no_two_classes_have_one_name() -> None:
    names = Counter(node.name for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert [name for name, n in names.items() if n > 1] == []


def functions() -> Iterator[tuple[Path, ast.FunctionDef]]:
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                yield path, node


def _lines(one: ast.FunctionDef) -> int:
    return (one.end_lineno or 0) - one.lineno


LONG = {  # what is still longer than 30 lines: this list only becomes shorter
    "actors/policies/provisioning/decide.py: decide",
    "actors/policies/rules.py: cloud_rules",
    "actors/pools/htcondor/startds.py: row_of",
}


def test_no_function_is_longer_than_30_lines_but_those_that_are_named() -> None:
    long = {
        f"{path.relative_to(ROOT)}: {one.name}" for path, one in functions() if (one.end_lineno or 0) - one.lineno > 30
    }
    assert long == LONG


def test_no_constructor_takes_more_than_six() -> None:
    heads = [(path, one) for path, one in functions() if one.name == "__init__"]
    many = {str(path.relative_to(ROOT)) for path, one in heads if len(one.args.args) + len(one.args.kwonlyargs) > 7}
    assert many == set()


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("actors.config", "actors.config.schema", ("Config", "AnyCloud", "AnyPool", "ShapeOf")),
        ("actors.fleet.seen", "actors.fleet.observations", ("Instance", "Listed", "Machine", "JobsSeen")),
        ("tests.clouds.conformance", "tests.actors.clouds.conformance", ("CloudConformance", "order", "started")),
        ("actors.clouds.port", "actors.clouds.port", ("Order", "Unknown", "NoCapacity", "KeepsHolds")),
        ("actors.pools.port", "actors.pools.port", ("Drain", "PoolAway", "PoolRefused")),
        ("actors.policies.steps", "actors.policies.steps", ("Counts", "Ready", "Scale")),
    ],
)
def test_what_packages_of_0_1_0_import_is_where_they_look_for_it(old: str, new: str, names: tuple[str, ...]) -> None:
    there, here = importlib.import_module(old), importlib.import_module(new)
    assert all(getattr(there, name) is getattr(here, name) for name in names)
