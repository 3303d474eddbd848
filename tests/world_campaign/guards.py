"""The guards: how often each fired, by the hosts' logs and the metrics, and how each is switched off, in tests only.

A guard that fired is one line of a host's log: event, and what one of its fields contains.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# name -> (event, {field: text that it contains})
FIRED: dict[str, tuple[str, dict[str, str]]] = {
    "term over": ("term over", {}),
    "Redis away": ("redis away", {}),
    "rows lost, or may be": ("redis is empty", {}),
    "Redis restarted": ("redis restarted", {}),
    "release frozen": ("release frozen", {}),
    "launch unknown": ("launch unknown", {}),
    "launch throttled": ("launch throttled", {}),
    "cloud closed": ("cloud closed", {}),
    "startd not matched": ("startd not matched", {}),
    "drain refused": ("drain refused", {}),
    "drain forgotten, asked again": ("vm", {"why": "shows no drain of ours"}),
    "joined before the end call": ("vm", {"why": "joined before the end call"}),
    "adopted": ("vm", {"why": "had no row: adopted"}),
    "boot deadline": ("vm", {"why": "though the pool was healthy"}),
    "schedds asked for a silent startd": ("vm", {"why": "no schedd has a job there"}),
    "spot notice": ("spot notice", {}),
    "drained for a notice": ("vm", {"why": "notice from its cloud"}),
    "black hole taken out": ("vm", {"why": "black hole: "}),
    "event refused": ("event refused", {}),
    "call failed": ("call failed", {}),
}


def fired(lines: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How often, by name."""
    counts = dict.fromkeys(FIRED, 0)
    for line in lines:
        for name, (event, fields) in FIRED.items():
            if line.get("event") == event and all(text in str(line.get(key, "")) for key, text in fields.items()):
                counts[name] += 1
    return counts
