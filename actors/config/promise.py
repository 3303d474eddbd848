"""What a cloud's VMs are made from, all together, as one word: the promise that they were bought for.

What was learned from workers that joined holds for those that are made in the same way, and for no others. So
everything that may change what a worker offers goes into the word: image, machine type, shape, its configuration, and
whatever an installed kind of cloud has of its own. Money, limits and times do not. What has its default is left out, so
that a version with more keys says the same word.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from actors.config.schema import AnyCloud, Config

WORD = 12  # hexadecimal digits
NOT_OF_WORKERS = frozenset({
    "max_vms", "account", "usd_per_hour", "weight", "billed_s", "min_life_s", "max_life_s", "min_useful_s",
    "boot_deadline_s", "interval_s", "timeout_s", "missing_share", "thaw_after", "closed_s", "closed_most_s",
    "boot_failures", "boot_failures_share", "batch", "unclaimed_poweroff_s", "tags", "drains", "shapes", "family",
    "retired", "market", "max_usd_per_hour", "key_pair", "subnet", "security_groups", "iam_profile", "zone",
    "notices_queue", "cvmfs_proxy",
})  # fmt: skip


def promises_of(config: Config, clouds: Iterable[str]) -> dict[str, str]:
    """By cloud."""
    return {cloud: promise_of(config.clouds[cloud]) for cloud in clouds}


def promise_of(cloud: AnyCloud) -> str:
    told = cloud.model_dump(mode="json", exclude=set(NOT_OF_WORKERS), exclude_defaults=True)
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:WORD]
