"""What a decision says of one cloud: why its want is what it is."""

from __future__ import annotations

from collections.abc import Mapping

from actors.policies.provisioning.capacity import Capacity
from actors.policies.provisioning.cascade import Places


def grown(cloud: Capacity, places: Places, new: int) -> str:
    used = places.used(cloud.name)
    parts = [f"{cloud.busy} busy"] if cloud.busy else []
    parts += [f"{used} with room that waiting jobs take"] if used else []
    parts += [f"{new} new"] if new else []
    back = min(new, cloud.cancellable)
    parts += [f"{back} of them by taking drains back"] if back else []
    parts += [f"no more: {cloud.full}"] if cloud.full else []
    return f"{cloud.name}: {', '.join(parts) or 'nothing needs it'}"


def shrunk(
    cloud: Capacity, surplus: int, released: int, age_s: float, after_s: float, holds: Mapping[int, float]
) -> str:
    beyond = f", {cloud.over} beyond its share of {cloud.share}" if cloud.over else ""
    learnt = f" (kept for {min(holds.values()):.0f} to {holds[1]:.0f} s: so pays what was seen)" if holds else ""
    after_s = holds[1] if holds else after_s
    if not released:
        return f"{cloud.name}: {surplus} too many{beyond}, for {age_s:.0f} of {after_s:.0f} s{learnt}"
    rest = f"; {surplus - released} more not for long enough" if surplus > released else ""
    if holds:
        return f"{cloud.name}: {released} released, too many{beyond}{learnt}{rest}"
    return f"{cloud.name}: {released} released, too many{beyond} for {after_s:.0f} s{rest}"
