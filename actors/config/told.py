"""What the workers of a pool are told now, as the word that rows and readings keep of it (see `fleet.told`).

Everything counts that decides where a worker appears and who is asked for its jobs: the addresses, the trust domain,
whose token it has, who may advertise it, the schedds. How often and how patiently the pool is read does not, nor what
has its default, so that a version with more keys says the same word.
"""

from __future__ import annotations

import hashlib
import json

from actors.config.schema import AnyPool, Config
from actors.fleet.told import told

DIGITS = 12  # hexadecimal ones
NOT_TOLD = frozenset({"interval_s", "timeout_s", "missing_share", "thaw_after", "token_directory"})


def told_of(config: Config, pool: str) -> str:
    settings = config.pools[pool]
    facts = settings.model_dump(mode="json", exclude=set(NOT_TOLD), exclude_defaults=True)
    digits = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:DIGITS]
    return told(pool, _address(settings), digits)


def told_by_pool(config: Config) -> dict[str, str]:
    """Of the pools that workers join."""
    return {name: told_of(config, name) for name, pool in config.pools.items() if pool.has_startds}


def _address(settings: AnyPool) -> str:
    """As workers reach it."""
    names = ("worker_collector", "collector", "world")
    return str(next((value for name in names if (value := getattr(settings, name, None))), settings.kind))
