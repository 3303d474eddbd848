"""The examples in configs/ are right, and together they show every key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from actors.config.load import load, parse
from actors.config.policy_rules import rules_of
from actors.config.reference import keys, markdown
from actors.config.toml_lines import lines_of

CONFIGS = Path(__file__).parents[3] / "configs"
EXAMPLES = sorted(path.name for path in CONFIGS.glob("*.toml"))
LEFT_OUT = re.compile(r"^#(?=[a-z_]+ = )", re.MULTILINE)
SIMULATED_ONLY = {"world"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_right_and_gives_rules_for_all_its_queues(name: str) -> None:
    config = load(CONFIGS / name)
    assert config.queues
    for queue in config.queues:
        assert set(rules_of(config, queue).clouds) == set(rules_of(config, queue).queue.clouds)


def test_there_are_a_smallest_example_and_one_of_the_cascade() -> None:
    assert {"minimal.toml", "cascade.toml"} <= set(EXAMPLES)
    cascade = load(CONFIGS / "cascade.toml").queues["atlas"].cascade
    assert cascade == (("private",), ("academic",), ("spot",), ("on-demand",))


def test_the_shapes_that_it_shows_as_an_example_can_be_taken_in() -> None:
    text = (CONFIGS / "cascade.toml").read_text()
    example = re.findall(r"^# (?=\[|instance_type|shape |usd_per_hour)(.+)$", text, re.MULTILINE)
    config = parse("\n".join([text, *example]))
    assert config.queues["atlas"].cascade[2] == ("spot-small", "spot-large")
    assert config.clouds["spot-large"].shape.cpus == 16


LEAST = [
    ("cascade.toml", 20),
    ("two-queues.toml", 10),
    ("http-json.toml", 2),
    ("openstack.toml", 10),
    ("script.toml", 2),
]


@pytest.mark.parametrize(("name", "least"), LEAST)
def test_every_key_that_an_example_leaves_out_can_be_taken_in_as_it_stands(name: str, least: int) -> None:
    text = (CONFIGS / name).read_text()
    left_out = list(LEFT_OUT.finditer(text))
    assert len(left_out) >= least
    for found in left_out:
        parse(text[: found.start()] + text[found.end() :])


def test_the_examples_together_show_every_key_of_the_configuration() -> None:
    texts = [LEFT_OUT.sub("", (CONFIGS / name).read_text()) for name in EXAMPLES]
    shown = {_general(path) for text in texts for path in lines_of(text)}
    missing = [f"{key.table}.{key.name}" for key in keys() if key.name not in SIMULATED_ONLY]
    assert [key for key in missing if key not in shown] == []


def _general(path: tuple[str | int, ...]) -> str:
    named = path[0] in ("pools", "accounts", "clouds", "queues") and len(path) > 1
    return ".".join(str(part) for part in ((path[0], "NAME", *path[2:]) if named else path))


def test_what_the_cascade_calls_a_default_is_the_default() -> None:
    defaults = {(key.table, key.name): key.default for key in keys()}
    text = (CONFIGS / "cascade.toml").read_text()
    table = ""
    for line in text.splitlines():
        header = re.match(r"\[(.+)\]", line)
        table = _general(tuple(header[1].split("."))) if header else table
        left_out = re.match(r"#([a-z_]+) = (.*?)(?:\s+#.*)?$", line)
        if left_out and (default := defaults[table, left_out[1]]) not in ("none", '""'):
            assert parse_value(left_out[2]) == parse_value(default), line


def parse_value(text: str) -> object:
    return tomllib.loads(f"x = {text}")["x"]


def test_every_key_has_its_words_in_the_table_of_keys() -> None:
    silent = [f"{key.table}.{key.name}" for key in keys() if not key.words and not key.allowed]
    table = markdown()
    assert all(f"| `{key.name}` |" in table for key in keys())
    assert silent == []
