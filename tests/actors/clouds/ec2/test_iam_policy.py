"""The IAM policy that comes along allows what the EC2 cloud calls, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import create_loader

ROOT = Path(__file__).parents[4]
POLICY = json.loads((ROOT / "deploy/iam-policy.json").read_text())
BESIDE = {"ec2:CreateTags", "iam:CreateServiceLinkedRole", "iam:PassRole"}  # what RunInstances needs of EC2


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def allowed() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for statement in POLICY["Statement"]:
        for action in listed(statement["Action"]):
            found.setdefault(action, []).append(statement)
    return found


def called() -> set[str]:
    """The operations in the only file that knows boto3, by the names that IAM has for them."""
    text = (ROOT / "actors/clouds/ec2/cloud.py").read_text()
    operations = create_loader().load_service_model("ec2", "service-2")["operations"]
    snake = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): name for name in operations}
    return {f"ec2:{snake[word]}" for word in re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", text) if word in snake}


def test_it_allows_each_call_that_is_made_and_nothing_else() -> None:
    assert set(allowed()) == called() | BESIDE


OURS = {"StringEquals": {"aws:ResourceTag/apf:factory": "FACTORY"}}
HOLDS = {
    **OURS,
    "ForAllValues:StringEquals": {"aws:TagKeys": ["apf:held"]},
    "Null": {"aws:TagKeys": "false"},  # a call that names no tag would take all away
}
NEW = {"StringEquals": {"ec2:CreateAction": "RunInstances"}}


@pytest.mark.parametrize(
    ("action", "conditions"),
    [("ec2:TerminateInstances", [OURS]), ("ec2:CreateTags", [NEW, HOLDS]), ("ec2:DeleteTags", [HOLDS])],
)
def test_it_ends_and_tags_only_what_is_the_factorys(action: str, conditions: list[dict[str, object]]) -> None:
    assert [statement["Condition"] for statement in allowed()[action]] == conditions


def test_nothing_can_be_started_without_the_factorys_tag() -> None:
    for statement in allowed()["ec2:RunInstances"]:
        starts = any(re.search(r":(instance|volume|spot-instances-request)/", one) for one in statement["Resource"])
        assert starts == ("Condition" in statement)
