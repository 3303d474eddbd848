"""The JSON schema that editors complete the configuration by: it takes what the loader takes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from actors.config.json_schema import json_schema

CONFIGS = sorted((Path(__file__).parents[3] / "configs").glob("*.toml"))
SCHEMA = json_schema()
SHAPES = {"small": {"shape": {"cpus": 2, "memory_mib": 4000}, "instance_type": "c5.large"}}


def wrong(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for error in Draft202012Validator(SCHEMA).iter_errors(config):
        yield ".".join(str(part) for part in error.absolute_path), error.message


def example(name: str = "minimal.toml") -> dict[str, Any]:
    (file,) = (one for one in CONFIGS if one.name == name)
    return tomllib.loads(file.read_text())


def test_it_is_a_schema_of_its_dialect() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", [file.name for file in CONFIGS])
def test_every_example_configuration_is_right_by_it(name: str) -> None:
    assert list(wrong(example(name))) == []


def test_a_key_that_its_kind_does_not_know_is_wrong_where_it_stands() -> None:
    config = example()
    config["clouds"]["private"]["flavor"] = "m1"
    ((place, said),) = wrong(config)
    assert place == "clouds.private"
    assert "flavor" in said


def test_a_kind_that_is_not_said_is_the_one_that_the_loader_means() -> None:
    config = example()
    del config["clouds"]["private"]["kind"], config["pools"]["local"]["kind"]
    assert list(wrong(config)) == []
    del config["pools"]["local"]["collector"]
    assert [place for place, _ in wrong(config)] == ["pools.local"]


def test_kinds_of_installed_packages_take_any_key() -> None:
    config = example()
    config["clouds"]["private"] = {"kind": "of-a-package", "whatever": 1}
    assert list(wrong(config)) == []


def test_a_cloud_may_be_written_as_several_shapes_and_must_be_one_or_the_other() -> None:
    config = example()
    cloud = config["clouds"]["private"]
    del cloud["shape"]
    assert [place for place, _ in wrong(config)] == ["clouds.private"]
    assert list(wrong(config | {"clouds": {"private": cloud | {"shapes": SHAPES}}})) == []


@pytest.mark.parametrize(("key", "value"), [("max_vms", "ten"), ("max_vms", -1), ("region", 3)])
def test_types_and_bounds_are_those_of_the_models(key: str, value: object) -> None:
    config = example()
    config["clouds"]["private"][key] = value
    assert [place for place, _ in wrong(config)] == [f"clouds.private.{key}"]


def test_a_name_that_no_table_may_have_is_wrong() -> None:
    config = example()
    config["queues"]["Not A Name"] = config["queues"]["atlas"]
    assert [place for place, _ in wrong(config)] == ["queues"]


def test_what_is_made_of_other_keys_is_nothing_that_a_file_says() -> None:
    assert not [name for name, model in SCHEMA["$defs"].items() if "family" in model.get("properties", {})]
