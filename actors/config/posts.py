"""The posts of a factory: the units of ownership. Each pool, cloud and queue is one."""

from __future__ import annotations

from actors.config.schema import Config


def posts_of(config: Config) -> tuple[str, ...]:
    """All posts of a factory, in a fixed order: "pool/NAME", "cloud/NAME", "queue/NAME"."""
    kinds = (("pool", config.pools), ("cloud", config.clouds), ("queue", config.queues))
    return tuple(f"{kind}/{name}" for kind, names in kinds for name in names)
