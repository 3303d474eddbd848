"""The request of a launch, frozen as text, and the servers that it asks for. Pure.

Nova has no client token: the same request twice starts twice as many. So each server of an intent has a name of its
own, made of intent, index and token, and carries the token as a tag from its birth; whoever repeats a launch
looks first, and asks only for what is not there. A digest of the text stands with each server, so that another request
by the same token shows. A name is all that Nova keeps of a deleted server, so it says all that a launch must know.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actors.clouds.port import Order, Refused
from actors.config.openstack import OpenStackCloud

MAX_USER_DATA = 65_535  # characters of base64
MAX_VALUE = 255
MAX_TAG = 60
MAX_TOKEN = 64
_PLAIN = re.compile(r"[0-9A-Za-z-]{1,80}")
_LONGEST_MARK = 50
Server = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMarks:
    """What tells the servers of one cloud of one factory from all others."""

    factory: str
    cloud: str

    @property
    def factory_tag(self) -> str:
        return f"apf:factory={self.factory}"

    @property
    def tags(self) -> tuple[str, str]:
        """A tag may have 60 characters: a longer name is told by its digest."""
        long = len(self.cloud) > _LONGEST_MARK - 1
        cloud = hashlib.sha256(self.cloud.encode()).hexdigest()[:32] if long else self.cloud
        return self.factory_tag, f"apf:cloud={cloud}"

    @property
    def prefix(self) -> str:
        return f"apf-{self.factory}-{self.cloud}-"

    def pattern(self, intent: str = "[0-9A-Za-z-]+", token: str = "[0-9A-Za-z]+") -> str:
        """Of the names of their servers, for Nova's filter, which is a regular expression that is anchored nowhere."""
        return f"^{re.escape(self.prefix)}{intent}-[0-9]+-{token}$".replace("\\-", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOrder:
    """A frozen request as it was read again. `server` lacks what differs between its servers, and what has ids."""

    intent: str
    token: str
    count: int
    digest: str
    server: Server
    image: str
    flavor: str
    networks: tuple[str, ...]
    server_group: str


def intent_tag(intent: str) -> str:
    return f"apf:intent={intent}"[:MAX_TAG]


def token_tag(token: str) -> str:
    return token[:MAX_TAG]


def freeze(order: Order, cloud: OpenStackCloud, marks: ServerMarks) -> str:
    """The whole request as JSON. Refused: it can never be sent."""
    if not (0 < len(order.token) <= MAX_TOKEN and order.token.isascii() and order.token.isalnum()):
        raise Refused(
            f"the token has {len(order.token)} characters; allowed are 1 to {MAX_TOKEN}, letters and digits only"
        )
    if not _PLAIN.fullmatch(order.intent):
        raise Refused("the intent's name has to be letters, digits and hyphens, which a server's name may have")
    facts = {
        "intent": order.intent,
        "token": order.token,
        "count": order.count,
        "image": cloud.image,
        "flavor": cloud.flavor,
        "networks": cloud.networks,
        "server_group": cloud.server_group or "",
        "server": _machine(cloud) | cloud.request | _ours(order, cloud, marks),
    }
    return json.dumps(facts, sort_keys=True, separators=(",", ":"))


def thaw(request: str) -> ServerOrder:
    found = json.loads(request)
    digest = hashlib.sha256(request.encode()).hexdigest()[:32]
    return ServerOrder(**{**found, "networks": tuple(found["networks"]), "digest": digest})


def body(launch: ServerOrder, index: int, marks: ServerMarks, ids: Mapping[str, Any]) -> dict[str, Any]:
    """What is posted for one server. `ids`: "image", "flavor", "networks" and "server_group" as Nova knows them."""
    names = {"apf:index": str(index), "apf:request": launch.digest}
    server: Server = {
        **launch.server,
        "name": f"{marks.prefix}{launch.intent}-{index}-{launch.token}",
        "flavorRef": ids["flavor"],
        "metadata": launch.server["metadata"] | names,
    }
    volume = server.pop("volume", None)
    if volume is None:
        server["imageRef"] = ids["image"]
    else:
        server["block_device_mapping_v2"] = [volume | {"uuid": ids["image"]}]
    if ids["networks"] is not None:
        server["networks"] = ids["networks"]
    hints = {"os:scheduler_hints": {"group": ids["server_group"]}} if ids["server_group"] else {}
    return {"server": server, **hints}


def _machine(cloud: OpenStackCloud) -> Server:
    found: Server = {}
    if cloud.security_groups:
        found["security_groups"] = [{"name": one} for one in cloud.security_groups]
    if cloud.key_pair:
        found["key_name"] = cloud.key_pair
    if cloud.zone:
        found["availability_zone"] = cloud.zone
    if cloud.config_drive:
        found["config_drive"] = True
    if cloud.volume_gib:
        kind = {"volume_type": cloud.volume_type} if cloud.volume_type else {}
        found["volume"] = kind | {
            "boot_index": 0,
            "source_type": "image",
            "destination_type": "volume",
            "volume_size": cloud.volume_gib,
            "delete_on_termination": True,
        }
    return found


def _ours(order: Order, cloud: OpenStackCloud, marks: ServerMarks) -> Server:
    told = {
        "apf:factory": marks.factory,
        "apf:cloud": marks.cloud,
        "apf:queue": order.queue,
        "apf:intent": order.intent,
        "apf:token": order.token,
        "apf:decision": order.decision[:MAX_VALUE],
    } | ({"apf:pool": order.pool[-MAX_VALUE:]} if order.pool else {})
    return {
        "user_data": _packed(order.user_data),
        "metadata": cloud.tags | told,
        "tags": [*marks.tags, intent_tag(order.intent), token_tag(order.token)],
    }


def _packed(user_data: str) -> str:
    plain = base64.b64encode(user_data.encode()).decode()
    if len(plain) <= MAX_USER_DATA:
        return plain
    packed = gzip.compress(user_data.encode(), mtime=0)  # no time in it: the same text has to give the same bytes
    text = base64.b64encode(packed).decode()
    if len(text) > MAX_USER_DATA:
        raise Refused(f"user-data has {len(text)} characters when packed; Nova allows {MAX_USER_DATA}. Make it shorter")
    return text
