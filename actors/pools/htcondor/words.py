"""One startd ad's values, each of a type and within bounds. Runs in a child.

An ad is a worker's word, and many megabytes fit into one. So texts are cut, with a mark: nothing of ours is so long. A
number that no machine can mean (negative, a million children) spoils its ad: it counts as 0, and the ad says so, as the
first that was found. Such an ad is nobody's evidence (`fleet.matching`). A value that is not there is 0 or empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actors.fleet.bounds import MOST_SECONDS, cut

LONG, SHORT = 2_048, 256  # characters: of a sinful string, and of any other text
MOST = {  # of one slot
    "NumDynamicSlots": 1 << 12,
    "Cpus": 1 << 14,
    "Memory": 1 << 30,  # MiB
    "Disk": 1 << 50,  # KiB
    "GPUs": 1 << 10,
    "TotalSlotCpus": 1 << 14,
    "TotalSlotMemory": 1 << 30,
    "TotalSlotDisk": 1 << 50,
    "TotalSlotGPUs": 1 << 10,
    "RecentJobBusyTimeCount": 1 << 30,
}
MAY_BE_NEGATIVE = frozenset({"MaxJobRetirementTime"})  # then it is as good as none

Told = Mapping[str, Any]


class Words:
    """`damaged`: what was wrong with the first number that was; empty where none was."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self.damaged = ""

    def text(self, name: str, most: int = SHORT) -> str:
        return cut(self._told.get(name), most)

    def label(self, name: str) -> str:
        """A text, or a whole number as one."""
        value = self._told.get(name)
        return str(value) if type(value) is int and 0 <= value <= MOST_SECONDS else cut(value, SHORT)

    def whole(self, name: str) -> int:
        value, most = self._told.get(name), MOST.get(name, MOST_SECONDS)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return 0
        if name in MAY_BE_NEGATIVE and value < 0:
            return 0
        if 0 <= value <= most:
            return int(value)
        self.damaged = self.damaged or f"says {name} {value:g}; a slot has from 0 to {most}"
        return 0
