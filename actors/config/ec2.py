"""What a cloud of kind ec2 may say: keys that go together, and what of a launch is the factory's own.

`request` is passed through to RunInstances as it is, so that what EC2 learns next year can be used at once; but some
parameters carry the promises (the token, the tags, how an instance ends), and may not be set there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from actors.config.mistakes import MISSING, shown
from actors.config.toml_lines import Path

OURS = {
    "ClientToken": "the factory makes it from the launch intent",
    "MinCount": "the factory decides how many",
    "MaxCount": "the factory decides how many",
    "UserData": "set `user_data` to a template of your own",
    "TagSpecifications": "set `tags`",
    "DryRun": "`apf check --live` does that",
    "InstanceInitiatedShutdownBehavior": "it has to be `terminate`: a worker ends itself by power-off",
    "InstanceMarketOptions": "set `market` and `max_usd_per_hour`",
}
ENDPOINT = re.compile(r"https?://[^/\s?#@]+(/[^\s]*)?\Z")
MAX_TAGS, MAX_TAG_KEY, MAX_TAG_VALUE = 50, 128, 256
OUR_TAGS = 6  # Name and five that begin with apf:, see clouds.ec2_request
_NAMED_BY = {"image": "ImageId", "instance_type": "InstanceType"}


def ec2_cloud(cloud: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, str, str]]:
    """(where, what is wrong, hint) for a cloud's raw table."""
    request, tags = (value if isinstance(value, dict) else {} for value in (cloud.get("request"), cloud.get("tags")))
    for key in OURS.keys() & request.keys():
        yield (*path, "request", key), "this parameter is the factory's own", OURS[key]
    yield from _tags(tags, (*path, "tags"))
    endpoint = cloud.get("endpoint")
    if isinstance(endpoint, str) and not _is_url(endpoint.strip()):
        seen = "a value that is not shown" if "@" in endpoint else shown((*path, "endpoint"), endpoint)
        said = f"seen {seen}; allowed: a URL with its scheme and host"
        yield (*path, "endpoint"), said, "https://HOST:PORT/PATH; Amazon's own is meant when it is left out"
    for key, parameter in _NAMED_BY.items():
        if not {key, "launch_template"} & cloud.keys() and parameter not in request:
            yield (*path, key), MISSING, "an EC2 cloud needs image and instance_type, or a launch_template"
    if "max_usd_per_hour" in cloud and cloud.get("market", "on-demand") != "spot":
        yield (*path, "max_usd_per_hour"), "only spot instances have a most to pay", 'set market = "spot" too'
    if "NetworkInterfaces" in request and (cloud.get("subnet") or cloud.get("security_groups")):
        hint = "put subnet and security_groups into it"
        yield (*path, "request", "NetworkInterfaces"), "excludes the keys subnet and security_groups", hint


def _is_url(text: str) -> bool:
    try:
        return bool(ENDPOINT.match(text) and urlsplit(text).hostname and urlsplit(text).port != 0)
    except ValueError:  # a [ without ], or no port number
        return False


def _tags(tags: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, str, str]]:
    """What EC2 takes: one that it refuses would have every launch refused."""
    for key, value in tags.items():
        if key.lower().startswith(("apf:", "aws:")):
            yield (*path, key), "names that begin with apf: or aws: are taken", "choose another name"
        if not 0 < len(key) <= MAX_TAG_KEY:
            yield (*path, key), f"a name of {len(key)} characters; allowed: 1 to {MAX_TAG_KEY}", "choose another name"
        if isinstance(value, str) and len(value) > MAX_TAG_VALUE:
            yield (
                (*path, key),
                f"a value of {len(value)} characters; allowed: at most {MAX_TAG_VALUE}",
                "make it shorter",
            )
    most = MAX_TAGS - OUR_TAGS
    if (count := len(tags.keys() - {"Name"})) > most:
        yield path, f"{count} tags; EC2 takes {MAX_TAGS}, of which {OUR_TAGS} are ours", f"at most {most}, and Name"
