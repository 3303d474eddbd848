"""What a cloud of kind ec2 may say: keys that go together, and what of a launch is the factory's own.

`request` is passed through to RunInstances as it is, so that what EC2 learns next year can be used at once; but some
parameters carry the promises (the token, the tags, how an instance ends), and may not be set there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from actors.config_lines import Path
from actors.config_mistakes import MISSING

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
_NAMED_BY = {"image": "ImageId", "instance_type": "InstanceType"}


def ec2_cloud(cloud: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, str, str]]:
    """(where, what is wrong, hint) for a cloud's raw table."""
    request, tags = (value if isinstance(value, dict) else {} for value in (cloud.get("request"), cloud.get("tags")))
    for key in OURS.keys() & request.keys():
        yield (*path, "request", key), "this parameter is the factory's own", OURS[key]
    for key in tags:
        if key.startswith(("apf:", "aws:")):
            yield (*path, "tags", key), "names that begin with apf: or aws: are taken", "choose another name"
    for key, parameter in _NAMED_BY.items():
        if not {key, "launch_template"} & cloud.keys() and parameter not in request:
            yield (*path, key), MISSING, "an EC2 cloud needs image and instance_type, or a launch_template"
    if "max_usd_per_hour" in cloud and cloud.get("market", "on-demand") != "spot":
        yield (*path, "max_usd_per_hour"), "only spot instances have a most to pay", 'set market = "spot" too'
    if "NetworkInterfaces" in request and (cloud.get("subnet") or cloud.get("security_groups")):
        hint = "put subnet and security_groups into it"
        yield (*path, "request", "NetworkInterfaces"), "excludes the keys subnet and security_groups", hint
