"""The life of each instance, from the cloud's ledger alone: when it was started, what for, and when it ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One instance. Times are Unix seconds; `ended_at` None: it runs still. `how` it ended, if nobody asked for it.

    `cloud`, `intent` and `decision` are the factory's tags on it; `token` is the launch call's.
    """

    id: str
    cloud: str
    intent: str
    decision: str
    token: str
    usd_per_hour: float
    started_at: float
    ended_at: float | None = None
    how: str = ""

    def seconds(self, now: float) -> float:
        """How long it lived, until `now` if it still does."""
        return (self.ended_at or now) - self.started_at

    def cost_usd(self, now: float) -> float:
        return self.usd_per_hour * self.seconds(now) / 3600

    def alive_at(self, at: float) -> bool:
        return self.started_at <= at and (self.ended_at is None or at < self.ended_at)


def lives(ledger: Iterable[Mapping[str, Any]]) -> tuple[Life, ...]:
    """In the order in which they were started."""
    found: dict[str, Life] = {}
    for entry in ledger:
        if entry["action"] == "RunInstances":
            found |= {one: _begun(one, entry) for one in entry["ids"] if one not in found}
        elif entry["action"] in ("TerminateInstances", "Ended"):
            found |= {
                one: replace(found[one], ended_at=entry["at"], how=entry.get("how", ""))
                for one in entry["ids"]
                if one in found and found[one].ended_at is None
            }
    return tuple(found.values())


def _begun(instance_id: str, entry: Mapping[str, Any]) -> Life:
    tags = entry["tags"]
    return Life(
        id=instance_id,
        cloud=tags.get("apf:cloud", ""),
        intent=tags.get("apf:intent", ""),
        decision=tags.get("apf:decision", ""),
        token=entry["token"],
        usd_per_hour=entry["usd_per_hour"],
        started_at=entry["at"],
    )
