"""A shared configuration, which is what hosts agreed on, in the form of the file that an operator writes.

The clouds that `config.shapes` made are one cloud with shapes again, and the rhythm of ownership is two keys of
`[factory]`. What is printed can be put into a file beside the host's own keys, and means the same. A cascade names the
shapes one by one, as their order in it may be another one than that of their tables.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Raw = Mapping[str, Any]
ORDER = ("factory", "pools", "accounts", "clouds", "queues")
FOR_ALL = ("kind", "weight")  # a shape may not say them for itself


def toml(body: bytes) -> str:
    """As TOML. `body` is what `applying.shared` made."""
    import tomli_w  # only here: hosts do without it

    written = as_written(json.loads(body))
    return tomli_w.dumps({name: written[name] for name in ORDER if written.get(name)})


def as_written(plain: Raw, *, spread: bool = False) -> dict[str, Any]:
    """The tables as in a file: no key in it that an operator may not write. `spread`: each shape says all of its own,
    so that two of them can be compared key by key."""
    written = {key: value for key, value in plain.items() if key != "rhythm"}
    if rhythm := plain.get("rhythm"):
        written["factory"] = dict(rhythm)
    families: dict[str, dict[str, Raw]] = {}
    for name, cloud in plain.get("clouds", {}).items():
        if family := cloud.get("family"):
            families.setdefault(family["name"], {})[name] = cloud
    written["clouds"] = _clouds(plain.get("clouds", {}), families, spread)
    return written


def _clouds(clouds: Raw, families: Mapping[str, Mapping[str, Raw]], spread: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, cloud in clouds.items():
        family = cloud.get("family")
        if not family:
            found[name] = cloud
        elif family["name"] not in found:
            found[family["name"]] = _of_shapes(family, families[family["name"]], spread)
    return found


def _of_shapes(family: Raw, clouds: Mapping[str, Raw], spread: bool) -> dict[str, Any]:
    """What all say alike stands in the cloud's table, what differs in each shape's."""
    ones = list(clouds.values())
    alike = [
        key
        for key, value in ones[0].items()
        if not spread and key not in ("family", "max_vms") and all(one.get(key) == value for one in ones)
    ]
    whole: dict[str, Any] = {key: ones[0][key] for key in alike} | {"max_vms": family["max_vms"]}
    whole |= {key: ones[0][key] for key in FOR_ALL if key in ones[0]}
    shapes = {}
    for name, one in clouds.items():
        own = {key: value for key, value in one.items() if key not in (*alike, *FOR_ALL, "family", "max_vms")}
        if one.get("max_vms") != family["max_vms"]:
            own["max_vms"] = one.get("max_vms")
        shapes[name.removeprefix(f"{family['name']}-")] = own
    return whole | {"shapes": shapes}
