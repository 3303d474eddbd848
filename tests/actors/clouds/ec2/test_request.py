"""The frozen request, field by field: pure, no call."""

from __future__ import annotations

import base64
import gzip
import json
import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.clouds.ec2 import request as ec2_request
from actors.clouds.port import Order, Refused
from actors.config.ec2 import OURS
from tests.actors.clouds.conformance import order
from tests.actors.clouds.conftest import ec2_config

NAMES = {"apf:factory": "prod", "apf:cloud": "spot"}


def frozen(wanted: Order | None = None, **config: object) -> dict[str, Any]:
    text = ec2_request.freeze(wanted or order(), ec2_config(**config), NAMES)
    return dict(json.loads(text))


def tags_of(request: dict[str, Any], kind: str) -> dict[str, str]:
    (spec,) = [one for one in request["TagSpecifications"] if one["ResourceType"] == kind]
    return {tag["Key"]: tag["Value"] for tag in spec["Tags"]}


def test_the_count_is_all_or_nothing() -> None:
    request = frozen(order(count=7))
    assert (request["MinCount"], request["MaxCount"]) == (1, 7)


def test_the_token_is_the_orders() -> None:
    assert frozen(order(token="t" * 64))["ClientToken"] == "t" * 64


@pytest.mark.parametrize("token", ["", "t" * 65, "schlüssel"])
def test_a_token_that_ec2_would_not_take_is_refused(token: str) -> None:
    with pytest.raises(Refused, match="allowed are 1 to 64"):
        frozen(order(token=token))


def test_instances_and_volumes_are_born_with_the_tags_that_find_them_again() -> None:
    request = frozen(order("intent-3", decision="decision-8"), tags={"team": "grid"})
    expected = {
        **NAMES,
        "apf:queue": "atlas",
        "apf:intent": "intent-3",
        "apf:decision": "decision-8",
        "Name": "apf prod spot atlas",
        "team": "grid",
    }
    assert tags_of(request, "instance") == tags_of(request, "volume") == expected


def test_a_spot_request_is_tagged_too_and_an_on_demand_one_has_none() -> None:
    assert tags_of(frozen(market="spot"), "spot-instances-request") == tags_of(frozen(), "instance")
    assert "spot-instances-request" not in json.dumps(frozen())


def test_an_operators_tags_may_change_the_name_but_not_ours() -> None:
    found = tags_of(frozen(tags={"Name": "mine", "apf:factory": "another"}), "instance")
    assert (found["Name"], found["apf:factory"]) == ("mine", "prod")


def test_a_long_decision_is_cut_to_what_a_tag_holds() -> None:
    assert len(tags_of(frozen(order(decision="d" * 999)), "instance")["apf:decision"]) == 256


def test_metadata_is_asked_for_with_tokens_over_one_hop_only() -> None:
    assert frozen()["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}


def test_a_power_off_ends_the_instance() -> None:
    assert frozen()["InstanceInitiatedShutdownBehavior"] == "terminate"


def test_spot_is_one_time_and_terminates_at_the_offered_price() -> None:
    assert frozen(market="spot", max_usd_per_hour=0.0375)["InstanceMarketOptions"] == {
        "MarketType": "spot",
        "SpotOptions": {
            "SpotInstanceType": "one-time",
            "InstanceInterruptionBehavior": "terminate",
            "MaxPrice": "0.0375",
        },
    }
    assert "MaxPrice" not in json.dumps(frozen(market="spot"))
    assert "InstanceMarketOptions" not in frozen()


@pytest.mark.parametrize("price", [1e-05, 0.1, 3.0, 12.000001])
def test_a_price_is_written_without_an_exponent(price: float) -> None:
    options = frozen(market="spot", max_usd_per_hour=price)["InstanceMarketOptions"]["SpotOptions"]
    assert "e" not in options["MaxPrice"]
    assert float(options["MaxPrice"]) == pytest.approx(price)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"key_pair": "ops"}, {"KeyName": "ops"}),
        ({"subnet": "subnet-1"}, {"SubnetId": "subnet-1"}),
        ({"zone": "us-east-1b"}, {"Placement": {"AvailabilityZone": "us-east-1b"}}),
        ({"security_groups": ["sg-1", "sg-2"]}, {"SecurityGroupIds": ["sg-1", "sg-2"]}),
        ({"security_groups": ["grid"]}, {"SecurityGroups": ["grid"]}),
        ({"iam_profile": "worker"}, {"IamInstanceProfile": {"Name": "worker"}}),
        ({"iam_profile": "arn:aws:iam::1:x"}, {"IamInstanceProfile": {"Arn": "arn:aws:iam::1:x"}}),
        ({"launch_template": "lt-1"}, {"LaunchTemplate": {"LaunchTemplateId": "lt-1"}}),
        ({"launch_template": "lt-1:7"}, {"LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "7"}}),
        ({"launch_template": "grid:3"}, {"LaunchTemplate": {"LaunchTemplateName": "grid", "Version": "3"}}),
        ({"request": {"EbsOptimized": True}}, {"EbsOptimized": True}),
        ({"request": {"MetadataOptions": {"HttpTokens": "optional"}}}, {"MetadataOptions": {"HttpTokens": "optional"}}),
    ],
)
def test_each_key_of_the_configuration_has_its_place_in_the_request(
    config: dict[str, object], expected: dict[str, object]
) -> None:
    request = frozen(**config)
    assert {key: request[key] for key in expected} == expected


@pytest.mark.parametrize("key", sorted(OURS.keys() - {"DryRun", "InstanceMarketOptions"}))
def test_what_is_ours_never_comes_from_the_passthrough(key: str) -> None:
    assert frozen(request={key: "theirs"})[key] != "theirs"


@given(st.text(max_size=2000))
def test_user_data_comes_back_as_it_was(text: str) -> None:
    request = ec2_request.freeze(order(user_data=text), ec2_config(), NAMES)
    assert ec2_request.thaw(request)["UserData"] == text.encode()


def test_long_user_data_is_packed_the_same_way_each_time() -> None:
    text = "a line of configuration\n" * 2000
    first, second = frozen(order(user_data=text)), frozen(order(user_data=text))
    packed = base64.b64decode(first["UserData"])
    assert first == second
    assert len(packed) < ec2_request.MAX_USER_DATA
    assert gzip.decompress(packed).decode() == text


def test_user_data_that_is_too_long_even_when_packed_is_refused() -> None:
    noise = random.Random(1).randbytes(30_000).hex()
    with pytest.raises(Refused, match="16384"):
        frozen(order(user_data=noise))


def test_a_packed_request_is_the_same_to_the_byte_whenever_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """gzip would write the time into its head, and EC2 would answer a repeat with a mismatch of its token."""
    long = order(user_data="#cloud-config\n" + "".join(f"# line {number}\n" for number in range(3_000)))
    texts = set()
    for at in (1_000_000_000.0, 1_700_000_000.0):
        monkeypatch.setattr(time, "time", lambda at=at: at)
        texts.add(ec2_request.freeze(long, ec2_config(), NAMES))
    assert len(texts) == 1
