"""A cloud of several shapes in the file: what it becomes, and where its mistakes are."""

from __future__ import annotations

import tomllib

import pytest
import tomli_w

from actors.config.as_file import toml
from actors.config.changes import changes
from actors.config.load import parse
from actors.config.mistakes import BadConfig
from actors.config.policy_rules import rules_of
from actors.config.posts import posts_of
from actors.config.schema import Config
from actors.config.shapes import expanded
from actors.config.toml_lines import lines_of
from actors.store import active_config
from broker.rows.document import Edition
from tests.actors.config.test_load import GOOD

SHAPES = """\
[clouds.spot]
region = "there"
image = "ami-1"
max_vms = 10
usd_per_hour = 0.5
attributes = { Place = '"there"', Fast = "false" }

[clouds.spot.shapes.small]
instance_type = "m5.large"
shape = { cpus = 2, memory_mib = 8000 }
usd_per_hour = 0.03

[clouds.spot.shapes.large]
instance_type = "m5.4xlarge"
shape = { cpus = 16, memory_mib = 64000 }
max_vms = 4
attributes = { Fast = "true" }

"""
BEFORE, AFTER = GOOD.split("[clouds.spot]")[0], "[queues" + GOOD.split("[queues")[1]
TEXT = BEFORE + SHAPES + AFTER


def wrong(old: str, new: str) -> list[str]:
    assert old in TEXT
    with pytest.raises(BadConfig) as told:
        parse(TEXT.replace(old, new, 1))
    return [str(mistake) for mistake in told.value.mistakes]


def line(text: str) -> int:
    """Of the first line that begins so."""
    return 1 + [one.startswith(text) for one in TEXT.splitlines()].index(True)


def test_each_shape_becomes_a_cloud_with_what_is_said_for_all_and_what_it_says_itself() -> None:
    clouds = parse(TEXT).clouds
    assert list(clouds) == ["private", "spot-small", "spot-large"]
    small, large = clouds["spot-small"], clouds["spot-large"]
    assert (small.usd_per_hour, large.usd_per_hour) == (0.03, 0.5)
    assert (small.max_vms, large.max_vms) == (10, 4)
    assert small.attributes == {"Place": '"there"', "Fast": "false"}
    assert large.attributes == {"Place": '"there"', "Fast": "true"}
    assert {(one.family.name, one.family.max_vms) for one in (small, large) if one.family} == {("spot", 10)}


def test_a_cascade_that_names_it_names_all_its_shapes_in_one_tier_and_each_has_a_post() -> None:
    config = parse(TEXT)
    assert config.queues["atlas"].cascade == (("private",), ("spot-small", "spot-large"))
    assert {"cloud/spot-small", "cloud/spot-large"} < set(posts_of(config))
    rules = rules_of(config, "atlas").clouds["spot-large"]
    assert (rules.family, rules.family_max_vms, rules.max_vms, rules.cores) == ("spot", 10, 4, 16)


def test_a_cascade_may_name_single_shapes_in_tiers_of_their_own() -> None:
    config = parse(TEXT.replace('["private"],', '["spot-small"],').replace('["spot"]', '["spot-large"]'))
    assert config.queues["atlas"].cascade == (("spot-small",), ("spot-large",))


def test_a_mistake_stands_where_it_was_written() -> None:
    small, large = line("[clouds.spot.shapes.small]"), line("[clouds.spot.shapes.large]")
    assert wrong('instance_type = "m5.large"', "instance_type = 3") == [
        f"line {small + 1}: clouds.spot.shapes.small.instance_type: seen 3; allowed: a text in quotes"
    ]
    assert wrong("cpus = 16", 'cpus = "many"')[0].startswith(
        f"line {large + 2}: clouds.spot.shapes.large.shape.cpus: seen"
    )
    assert wrong("max_vms = 10\nusd", "max_vms = -1\nusd") == [
        f"line {line('[clouds.spot]') + 3}: clouds.spot.max_vms: seen -1; allowed: at least 0"
    ]
    assert wrong("Place = '\"there\"'", "Place = '1 +'") == [
        f"line {line('attributes')}: clouds.spot.attributes.Place: not a ClassAd expression: '1 +'"
    ]


def test_what_is_missing_is_said_once_of_the_cloud_if_no_shape_has_it_and_else_of_the_shape() -> None:
    assert wrong('region = "there"\n', "") == [f"line {line('[clouds.spot]')}: clouds.spot.region: missing"]
    hint = "(an EC2 cloud needs image and instance_type, or a launch_template)"
    assert wrong('instance_type = "m5.large"\n', "") == [
        f"line {line('[clouds.spot.shapes.small]')}: clouds.spot.shapes.small.instance_type: missing {hint}"
    ]


def test_a_shape_in_a_cascade_twice_by_its_own_name_and_by_its_clouds() -> None:
    (told,) = wrong('["spot"]', '["spot", "spot-large"]')
    assert "'spot-large' is in this cascade already, at queues.atlas.cascade[1][0]" in told
    (told,) = wrong('["private"],', '["private", "spot-large"],')
    assert "cascade[1][0]: 'spot-large', a shape of 'spot', is in this cascade already" in told
    (told,) = wrong('["spot"]', '["spot", "spto"]')  # counted as written, whatever stands before it became
    assert "queues.atlas.cascade[1][1]: there is no cloud 'spto' (did you mean 'spot'?)" in told


def test_what_is_applied_is_the_same_for_every_host_and_a_shape_that_is_left_out_is_retired_but_counts() -> None:
    config = parse(TEXT)
    body = active_config.shared(config)
    assert active_config.with_shared(config, body) == config
    one = parse(
        TEXT.replace("[clouds.spot.shapes.large]", "[clouds.other]").replace(
            'attributes = { Fast = "true" }', 'region = "there"\nimage = "ami-1"'
        )
    )
    kept = active_config.keeping_used_clouds(one, config, ["spot-large"])
    assert (kept.clouds["spot-large"].retired, kept.clouds["spot-large"].max_vms) == (True, 0)
    assert kept.families == {"spot": ("spot-small", "spot-large")}
    assert active_config.says_the_same(one, Edition(number=1, body=active_config.shared(kept), by="t", at=0.0))
    assert any("shapes.large" in row for row in changes(body, active_config.shared(one)))


def test_the_active_configuration_is_shown_as_a_file_that_means_the_same() -> None:
    config = parse(TEXT)
    shown = tomllib.loads(toml(active_config.shared(config)))
    assert set(shown["clouds"]) == {"private", "spot"}
    own = {"factory": {**config.factory.model_dump(mode="json", exclude_none=True), **shown.pop("factory")}}
    again = parse(tomli_w.dumps(own | shown))
    assert active_config.shared(again) == active_config.shared(config)


def test_a_file_without_shapes_is_not_touched() -> None:
    raw = {"clouds": {"a": {"max_vms": 1}, "b": 3}, "queues": {"q": {"cascade": [["a"]]}}}
    assert expanded(raw).raw == raw
    assert expanded({}).raw == {}
    assert active_config.shared(parse(GOOD)).find(b"family") < 0


@pytest.mark.parametrize(
    "shapes",
    ["3", "[]", "{ a = 3 }", "{ a = [] }", "{ a = { shape = 3 } }", "{ a = { shapes = {} } }", '{ "A b" = {} }'],
)
def test_whatever_is_written_as_shapes_all_its_mistakes_are_told(shapes: str) -> None:
    said = wrong(SHAPES, SHAPES.split("[clouds.spot.shapes")[0] + f"shapes = {shapes}\n")
    assert any("clouds.spot.shape" in one for one in said)


def test_lines_are_those_of_the_file() -> None:
    assert lines_of(TEXT)[("clouds", "spot", "shapes", "small", "usd_per_hour")] == line("usd_per_hour = 0.03")
    assert isinstance(parse(TEXT), Config)
