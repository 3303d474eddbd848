"""The lab's EC2 API keeps EC2's promises, keeps its record, and ends with whoever started it."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from deploy.lab import processes
from deploy.lab.cloud.api import IMAGE, CannotStart, CloudApi
from tests.condor_pool import until

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def api() -> Iterator[CloudApi]:
    with CloudApi() as running:
        yield running


@pytest.fixture
def ec2(api: CloudApi) -> Iterator[EC2Client]:
    client = boto3.client(
        "ec2", endpoint_url=api.endpoint, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s"
    )
    yield client
    client.close()


def run(ec2: EC2Client, token: str, least: int = 1, most: int = 1, **more: Any) -> list[str]:
    wanted = {"ImageId": IMAGE, "InstanceType": "t3.micro", "MinCount": least, "MaxCount": most, "ClientToken": token}
    return [one["InstanceId"] for one in ec2.run_instances(**{**wanted, **more})["Instances"]]


def test_as_many_as_there_is_room_for_are_started_but_not_fewer_than_asked(api: CloudApi, ec2: EC2Client) -> None:
    api.control.set(capacity={"t3.small": 3})
    assert len(run(ec2, "room-1", 1, 2, InstanceType="t3.small")) == 2
    assert len(run(ec2, "room-2", 1, 5, InstanceType="t3.small")) == 1
    with pytest.raises(ClientError, match="InsufficientInstanceCapacity"):
        run(ec2, "room-3", InstanceType="t3.small")


def test_capacity_is_free_again_when_an_instance_has_ended(api: CloudApi, ec2: EC2Client) -> None:
    api.control.set(capacity={"t3.medium": 1})
    (one,) = run(ec2, "again-1", InstanceType="t3.medium")
    ec2.terminate_instances(InstanceIds=[one])
    assert run(ec2, "again-2", InstanceType="t3.medium") != [one]


def test_an_attempt_that_had_no_capacity_does_not_use_its_token_up(api: CloudApi, ec2: EC2Client) -> None:
    api.control.set(capacity={"t3.large": 0})
    with pytest.raises(ClientError, match="InsufficientInstanceCapacity"):
        run(ec2, "kept", InstanceType="t3.large")
    api.control.set(capacity={})
    assert run(ec2, "kept", InstanceType="t3.large")


def test_the_ledger_tells_new_instances_from_repeated_answers_and_who_ended(api: CloudApi, ec2: EC2Client) -> None:
    (one,) = run(ec2, "ledger")
    run(ec2, "ledger")
    ec2.terminate_instances(InstanceIds=[one])
    ec2.terminate_instances(InstanceIds=[one])
    mine = [entry for entry in api.control.ledger() if one in entry["ids"]]
    assert [(entry["action"], entry.get("repeat")) for entry in mine] == [
        ("RunInstances", False),
        ("RunInstances", True),
        ("TerminateInstances", None),
    ]


def test_an_instance_ends_from_inside_once_and_heeds_its_shutdown_behaviour(api: CloudApi, ec2: EC2Client) -> None:
    (stays,) = run(ec2, "stop")
    (goes,) = run(ec2, "terminate", InstanceInitiatedShutdownBehavior="terminate")
    assert [api.control.end_from_inside(stays), api.control.end_from_inside(goes)] == [True, True]
    assert api.control.end_from_inside(goes) is False
    found = ec2.describe_instances(InstanceIds=[stays, goes])["Reservations"]
    assert [one["Instances"][0]["State"]["Name"] for one in found] == ["stopped", "terminated"]


def test_a_fault_is_used_up_by_its_action_only(api: CloudApi, ec2: EC2Client) -> None:
    api.control.fault("refuse", action="TerminateInstances", code="Blocked")
    (one,) = run(ec2, "fault")
    with pytest.raises(ClientError, match="Blocked"):
        ec2.terminate_instances(InstanceIds=[one])
    ec2.terminate_instances(InstanceIds=[one])
    assert api.control.faults() == []


def test_a_wrong_word_at_the_side_door_is_told(api: CloudApi) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        api.control.set(capacities={})


def test_a_port_that_is_taken_is_told(api: CloudApi) -> None:
    with pytest.raises(CannotStart), CloudApi(port=int(api.endpoint.rpartition(":")[2])):
        pytest.fail("two servers on one port")


def test_it_ends_when_it_is_left() -> None:
    with CloudApi() as running:
        below = processes.descendants(running.pid)
        assert below
    assert not any(map(processes.is_running, below))


def test_it_ends_with_whoever_started_it_even_by_kill_9() -> None:
    text = (
        "import time; from deploy.lab.cloud.api import CloudApi\n"
        "with CloudApi() as api: print(api.pid, flush=True); time.sleep(600)"
    )
    owner = subprocess.Popen([sys.executable, "-c", text], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    keeper = int(owner.stdout.readline())
    below = [keeper, *processes.descendants(keeper)]
    owner.send_signal(signal.SIGKILL)
    owner.wait(10)
    owner.stdout.close()
    until(lambda: not any(map(processes.is_running, below)), "the API is gone", 10)
