"""What is taken from an answer with instances is what botocore takes from it; what is no such answer is left to it."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from botocore.parsers import create_parser

from actors.clouds.ec2 import answers, fast_xml

SPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
HEAD = f'<?xml version="1.0" encoding="UTF-8"?>\n<DescribeInstancesResponse xmlns="{SPACE}"><requestId>r</requestId>'
FULL = """
<item><instanceId>i-1</instanceId><imageId>ami-1</imageId>
 <instanceState><code>80</code><name>stopped</name></instanceState>
 <privateDnsName>ip-10-0-0-5</privateDnsName><reason>User initiated (2026-01-02)</reason>
 <amiLaunchIndex>3</amiLaunchIndex><launchTime>2026-01-02T03:04:05.000Z</launchTime>
 <placement><availabilityZone>z</availabilityZone></placement>
 <privateIpAddress>10.0.0.5</privateIpAddress>
 <stateReason><code>Server.SpotInstanceTermination</code><message>Server.Spot &lt;ended&gt;</message></stateReason>
 <instanceLifecycle>spot</instanceLifecycle><clientToken>token-1</clientToken>
 <tagSet><item><key>apf:intent</key><value>x1</value></item><item><key>apf:queue</key><value>atl\u00e4s</value></item>
  <item><key>empty</key><value/></item></tagSet>
 <networkInterfaceSet><item><privateIpAddress>10.9.9.9</privateIpAddress><tagSet><item><key>apf:queue</key>
  <value>other</value></item></tagSet><reason>other</reason></item></networkInterfaceSet></item>"""
BARE = "<item><instanceId>i-2</instanceId><instanceState><name>pending</name></instanceState></item>"
NAMELESS = "<item><instanceId>i-3</instanceId></item>"


def body(*reservations: str, rest: str = "") -> bytes:
    sets = "".join(f"<item><instancesSet>{one}</instancesSet></item>" for one in reservations)
    return f"{HEAD}<reservationSet>{sets}</reservationSet>{rest}</DescribeInstancesResponse>".encode()


def started(*instances: str) -> bytes:
    """The answer to RunInstances."""
    return (
        f'<RunInstancesResponse xmlns="{SPACE}"><requestId>r</requestId><reservationId>r-1</reservationId>'
        f"<instancesSet>{''.join(instances)}</instancesSet></RunInstancesResponse>"
    ).encode()


def by_botocore(text: bytes, call: str = "DescribeInstances", **more: Any) -> dict[str, Any]:
    model = botocore.session.get_session().get_service_model("ec2").operation_model(call)
    response = {"status_code": 200, "headers": {}, "body": text, "context": {}}
    found: dict[str, Any] = create_parser("ec2").parse(response, model.output_shape)
    return found | more


@pytest.mark.parametrize(
    "text",
    [
        body(FULL + BARE, BARE),
        body(FULL, rest="<nextToken>more</nextToken>"),
        body(),
        body("", rest="<nextToken/>"),
    ],
    ids=["two reservations", "a page of several", "none", "an empty reservation"],
)
def test_what_is_read_is_what_botocore_reads(text: bytes) -> None:
    response = {"status_code": 200, "headers": {}, "body": text}
    ours: dict[str, Any] = {}
    fast_xml.take_apart(response, ours)
    assert response["body"] == fast_xml.EMPTY
    merged, theirs = by_botocore(fast_xml.EMPTY, **ours), by_botocore(text)
    assert list(answers.instances(merged)) == list(answers.instances(theirs))
    assert merged.get("NextToken") == theirs.get("NextToken", None) or not theirs["NextToken"]


@pytest.mark.parametrize("text", [started(FULL, BARE), started()], ids=["two", "none"])
def test_what_is_read_of_a_launch_is_what_botocore_reads(text: bytes) -> None:
    response, ours = {"status_code": 200, "headers": {}, "body": text}, dict[str, Any]()
    fast_xml.take_apart(response, ours)
    assert response["body"] == fast_xml.EMPTY
    merged, theirs = by_botocore(fast_xml.EMPTY, "RunInstances", **ours), by_botocore(text, "RunInstances")
    read = [[answers.instance(one) for one in answers.required(answer, "Instances")] for answer in (merged, theirs)]
    assert read[0] == read[1]


def test_an_instance_without_a_state_is_no_answer_of_ec2s() -> None:
    with pytest.raises(answers.Unknown, match="State"):
        list(answers.instances(fast_xml.taken(body(NAMELESS))))


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (503, body(BARE)),
        (200, b"<html><body>a page of a proxy</body></html>"),
        (200, b"<DescribeInstancesResponse><requestId>r</requestId></DescribeInstancesResponse>"),
        (200, b"<RunInstancesResponse><requestId>r</requestId></RunInstancesResponse>"),
        (200, body(BARE)[:-30]),
        (200, b""),
        (200, body(FULL.replace("2026-01-02T03:04:05.000Z", "yesterday"))),
        (200, body(FULL.replace("<amiLaunchIndex>3", "<amiLaunchIndex>three"))),
    ],
    ids=["an error", "a proxy's page", "no reservations", "no instances", "cut off", "empty", "no time", "no number"],
)
def test_what_is_no_such_page_is_left_to_botocore(status: int, text: bytes) -> None:
    response, ours = {"status_code": status, "headers": {}, "body": text}, dict[str, Any]()
    fast_xml.take_apart(response, ours)
    assert (response["body"], ours) == (text, {})
