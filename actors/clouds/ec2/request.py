"""What is sent to RunInstances. Pure: the same order and configuration give the same text.

Why frozen: EC2 compares the whole request when a token is used again; one other byte and it answers with a mismatch. So
the text is made once, kept in the intent, and sent again as it is.

The rule it keeps: an instance is born with the tags by which it is found again, ends when it powers itself off, and
asks for metadata by IMDSv2 only, with a hop limit of 1, so that what runs in a container of it cannot.

User-data stands in the text as base64. EC2 takes 16,384 bytes of it; more is packed by gzip, which cloud-init unpacks.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from typing import Any

from actors.clouds.port import Order, Refused
from actors.config.schema import Ec2Cloud

MAX_USER_DATA = 16_384
MAX_TAG_VALUE = 256
MAX_TOKEN = 64
IMDS = {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
Parameters = dict[str, object]


def freeze(order: Order, cloud: Ec2Cloud, names: Mapping[str, str]) -> str:
    """The whole request as JSON. `names` are the tags `apf:factory` and `apf:cloud`. Refused: it can never be sent."""
    if not (0 < len(order.token) <= MAX_TOKEN and order.token.isascii()):
        raise Refused(f"the token has {len(order.token)} characters; allowed are 1 to {MAX_TOKEN}, ASCII only")
    parameters = _place(cloud) | _machine(cloud) | _market(cloud) | cloud.request | _ours(order, cloud, names)
    return json.dumps(parameters, sort_keys=True, separators=(",", ":"))


def thaw(request: str) -> Parameters:
    """The parameters for boto3, which packs user-data into base64 by itself."""
    parameters: Parameters = json.loads(request)
    parameters["UserData"] = base64.b64decode(str(parameters["UserData"]))
    return parameters


def without_tags(parameters: Parameters) -> tuple[Parameters, dict[str, str]]:
    """For an API that tags nothing at its birth: what is sent, and the tags that its instances get right after."""
    specifications: Any = parameters["TagSpecifications"]
    kept = {name: value for name, value in parameters.items() if name != "TagSpecifications"}
    return kept, {str(tag["Key"]): str(tag["Value"]) for tag in specifications[0]["Tags"]}


def tags(order: Order, cloud: Ec2Cloud, names: Mapping[str, str]) -> dict[str, str]:
    """The tags of everything that a launch makes. Ours win over the operator's, except for Name."""
    ours = {"apf:queue": order.queue, "apf:intent": order.intent, "apf:decision": order.decision[:MAX_TAG_VALUE]}
    if order.pool:
        ours["apf:pool"] = order.pool[-MAX_TAG_VALUE:]
    name = f"apf {names['apf:factory']} {names['apf:cloud']} {order.queue}"
    return {"Name": name} | cloud.tags | dict(names) | ours


def _ours(order: Order, cloud: Ec2Cloud, names: Mapping[str, str]) -> Parameters:
    kinds = ["instance", "volume"] + (["spot-instances-request"] if cloud.market == "spot" else [])
    pairs = [{"Key": key, "Value": value} for key, value in sorted(tags(order, cloud, names).items())]
    return {
        "ClientToken": order.token,
        "MinCount": 1,  # what fits is started: no job waits for capacity that could be had
        "MaxCount": order.count,
        "UserData": base64.b64encode(_packed(order.user_data)).decode(),
        "TagSpecifications": [{"ResourceType": kind, "Tags": pairs} for kind in kinds],
        "InstanceInitiatedShutdownBehavior": "terminate",
    }


def _packed(user_data: str) -> bytes:
    raw = user_data.encode()
    if len(raw) <= MAX_USER_DATA:
        return raw
    packed = gzip.compress(raw, mtime=0)  # no time in it: the same text has to give the same bytes
    if len(packed) > MAX_USER_DATA:
        raise Refused(f"user-data has {len(packed)} bytes when packed; EC2 allows {MAX_USER_DATA}. Make it shorter")
    return packed


def _place(cloud: Ec2Cloud) -> Parameters:
    found: Parameters = {}
    if cloud.subnet:
        found["SubnetId"] = cloud.subnet
    if cloud.zone:
        found["Placement"] = {"AvailabilityZone": cloud.zone}
    ids = [group for group in cloud.security_groups if group.startswith("sg-")]
    names = [group for group in cloud.security_groups if not group.startswith("sg-")]
    return found | ({"SecurityGroupIds": ids} if ids else {}) | ({"SecurityGroups": names} if names else {})


def _machine(cloud: Ec2Cloud) -> Parameters:
    found: Parameters = {"MetadataOptions": dict(IMDS)} if cloud.metadata_options else {}
    if cloud.image:
        found["ImageId"] = cloud.image
    if cloud.instance_type:
        found["InstanceType"] = cloud.instance_type
    if cloud.key_pair:
        found["KeyName"] = cloud.key_pair
    if cloud.iam_profile:
        found["IamInstanceProfile"] = {"Arn" if cloud.iam_profile.startswith("arn:") else "Name": cloud.iam_profile}
    if cloud.launch_template:
        found["LaunchTemplate"] = _template(cloud.launch_template)
    return found


def _template(text: str) -> dict[str, str]:
    name, _, version = text.partition(":")
    found = {"LaunchTemplateId" if name.startswith("lt-") else "LaunchTemplateName": name}
    return found | ({"Version": version} if version else {})


def _market(cloud: Ec2Cloud) -> Parameters:
    """Spot: one-time, since a persistent request would buy again by itself; terminate, since a stopped one is kept."""
    if cloud.market != "spot":
        return {}
    options = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
    if cloud.max_usd_per_hour is not None:
        options["MaxPrice"] = f"{cloud.max_usd_per_hour:.6f}".rstrip("0").rstrip(".")
    return {"InstanceMarketOptions": {"MarketType": "spot", "SpotOptions": options}}
