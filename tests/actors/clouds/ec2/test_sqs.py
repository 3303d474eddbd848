"""Spot notices over real HTTP: deploy/spot-notices.json made into a stack of moto's, an event put on the bus, read."""

from __future__ import annotations

import json
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from actors.clouds.ec2.sqs import Sqs
from actors.clouds.port import Refused, Unknown
from actors.clouds.spot_notices import QueuedMessage, notice_of
from actors.config.schema import Ec2Account
from actors.fleet.spot_notice import Kind
from tests.actors.clouds.test_spot_notices import INTERRUPTION, REBALANCE

TEMPLATE = Path(__file__).parents[4] / "deploy/spot-notices.json"
REGION = "eu-central-1"


class Amazon:
    """A region with the stack in it. `queue` is the URL as the configuration would have it."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        reset = urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")  # moto has one region a process
        urllib.request.urlopen(reset, timeout=20).close()
        stacks = self.client("cloudformation")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # moto has no queue policies; the template's is looked at below
            stacks.create_stack(StackName="apf", TemplateBody=TEMPLATE.read_text(), Capabilities=["CAPABILITY_IAM"])
        outputs = stacks.describe_stacks(StackName="apf")["Stacks"][0]["Outputs"]
        url = next(one["OutputValue"] for one in outputs if one["OutputKey"] == "NoticesQueue")
        self.queue = f"{endpoint}/{url.split('/', 3)[3]}"

    def client(self, service: str) -> Any:
        return boto3.client(
            service, region_name=REGION, endpoint_url=self.endpoint, aws_access_key_id="a", aws_secret_access_key="b"
        )  # type: ignore[call-overload]

    def happens(self, *events: dict[str, Any]) -> None:
        """Put events on the bus, as EC2 does."""
        entries = [
            {"Source": one["source"], "DetailType": one["detail-type"], "Detail": json.dumps(one["detail"])}
            for one in events
        ]
        assert self.client("events").put_events(Entries=entries)["FailedEntryCount"] == 0


@pytest.fixture(scope="module")
def amazon() -> Iterator[Amazon]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Amazon(f"http://{host}:{port}")
    server.stop()


def sqs(url: str, known: dict[str, str] | None = None) -> Sqs:
    account = Ec2Account(kind="ec2", access_key_id="env:KEY", secret_access_key="env:SECRET")
    secrets = {"env:KEY": "key", "env:SECRET": "secret"} if known is None else known
    return Sqs(url=url, region=REGION, account=account, reveal=secrets.__getitem__, timeout_s=10)


def test_an_event_goes_through_the_stack_into_the_queue_and_comes_until_it_is_deleted(amazon: Amazon) -> None:
    queue = sqs(amazon.queue)
    amazon.happens(INTERRUPTION, REBALANCE, {**INTERRUPTION, "detail-type": "EC2 Instance State-change Notification"})
    found = queue.receive(1)
    assert {notice_of(one.body, 1.0).kind for one in found} == {Kind.INTERRUPTION, Kind.REBALANCE}
    assert len(found) == 2, "the rule lets other events of EC2 pass by"
    amazon.client("sqs").change_message_visibility_batch(
        QueueUrl=amazon.queue,
        Entries=[{"Id": str(n), "ReceiptHandle": one.receipt, "VisibilityTimeout": 0} for n, one in enumerate(found)],
    )
    again = queue.receive(1)
    assert {one.body for one in again} == {one.body for one in found}
    queue.delete(again)
    assert queue.receive(0) == ()
    queue.close()


def test_deleting_what_is_gone_does_no_harm(amazon: Amazon) -> None:
    sqs(amazon.queue).delete([QueuedMessage(body="", receipt=f"gone-{n}") for n in range(11)])


def test_a_queue_that_is_not_there_a_secret_and_nobody_at_the_address_are_cloud_errors(amazon: Amazon) -> None:
    with pytest.raises(Refused, match="SQS answered"):
        sqs(f"{amazon.endpoint}/123456789012/nobodys").receive(0)
    with pytest.raises(Refused, match="secret"):
        sqs(amazon.queue, known={}).receive(0)
    with pytest.raises(Unknown):
        sqs("http://127.0.0.1:9/123456789012/apf").receive(0)


def test_only_the_rule_may_write_into_the_queue_and_the_factory_may_read_and_delete() -> None:
    resources = json.loads(TEMPLATE.read_text())["Resources"]
    queue = {"Fn::GetAtt": ["Notices", "Arn"]}
    (writes,) = resources["LetEventsIn"]["Properties"]["PolicyDocument"]["Statement"]
    assert (writes["Action"], writes["Resource"]) == ("sqs:SendMessage", queue)
    assert writes["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["Events", "Arn"]}}}
    (reads,) = resources["ReadNotices"]["Properties"]["PolicyDocument"]["Statement"]
    assert (reads["Action"], reads["Resource"]) == (["sqs:ReceiveMessage", "sqs:DeleteMessage"], queue)
