"""A step of one's own: physical machines are switched on by the rack, so the number of new ones is rounded up to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from actors.policies.steps import Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeRacks:
    """Whole racks of `rack` machines are added; what is given up is left as it is."""

    name: ClassVar[str] = "whole-racks"
    rack: int

    def apply(self, n: int, counts: Counts) -> tuple[int, str]:
        if n <= 0:
            return n, ""
        racks = -(-n // self.rack)
        return racks * self.rack, f"{racks} racks of {self.rack}, with {counts.workers} machines there"
