"""A factory's configuration on the lab: two clouds, the cheaper first, quick intervals; and how a test changes it."""

import json
from collections.abc import Mapping
from typing import Any

from broker.connection.embedded import EmbeddedServer
from deploy.lab.cloud.api import IMAGE
from deploy.lab.site import Site

TYPES = {"private": "m5.large", "spot": "c5.large"}
QUEUE = "atlas"
TTL_S = 3.0  # of a lease


def configuration(site: Site, redis: EmbeddedServer, name: str) -> dict[str, Any]:
    """The factory's configuration, as TOML's plain values."""
    cloud = {
        "kind": "ec2",
        "endpoint": site.cloud.endpoint,
        "region": "us-east-1",
        "image": IMAGE,
        "shape": {"cpus": 1, "memory_mib": 512},
        "interval_s": 1.0,
        "timeout_s": 5.0,
        "closed_s": 10.0,
    }
    return {
        "factory": {
            "name": name,
            "redis": str(redis.address),
            "redis_password": "env:APF_TEST_REDIS",
            "ttl_s": TTL_S,
            "tick_s": 0.5,
            "console": {"port": 0},
        },
        "pools": {
            "local": {
                "kind": "htcondor",
                "collector": site.pool.collector,
                "token_directory": str(site.tokens()),
                "trust_domain": "lab",
                "interval_s": 1.0,
                "timeout_s": 5.0,
                "worker_token_command": list(site.pool.worker_token_command),
                "worker_identities": ["worker@lab"],
            }
        },
        "clouds": {
            "private": {**cloud, "instance_type": TYPES["private"], "max_vms": 2},
            "spot": {**cloud, "instance_type": TYPES["spot"], "max_vms": 4, "usd_per_hour": 0.1},
        },
        "queues": {
            QUEUE: {
                "pool": "local",
                "jobs": f'MATCH_APF_QUEUE == "{QUEUE}"',
                "cascade": [["private"], ["spot"]],
                "release_after_s": 2.0,
            }
        },
    }


def merged(before: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged key by key; everything else is replaced, and None removes."""
    after = dict(before)
    for key, value in changes.items():
        known = after.get(key)
        after[key] = merged(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return {key: value for key, value in after.items() if value is not None}


def toml(tables: Mapping[str, Any]) -> str:
    """Every top table's entries as inline values: JSON's texts, numbers and lists are TOML's too."""
    return "".join(
        f"[{table}]\n" + "".join(f"{json.dumps(key)} = {_inline(value)}\n" for key, value in entries.items())
        for table, entries in tables.items()
    )


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_inline(one)}" for key, one in value.items()) + "}"
    return json.dumps(value)
