"""How long the VMs of a cloud may live, where credentials, an allocation or a reservation end.

A VM that has lived its time is drained as any other: its jobs end in peace, so it lives on for as long as they run. The
time is therefore to be set shorter than what must not be passed, by the longest job. VMs that were bought at once do
not all go at once: each has its own time, up to a tenth shorter, by its id, so that every host and every next holder
says the same.

For a while before that a VM is of little use: a job that starts there now would keep it beyond its time. So its free
slots are no supply any more, and waiting jobs get a new VM, which has joined when the old one goes; what runs there
still counts as it did. One that is idle then is of no use at all, and is drained at once.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

STAGGER = 0.1  # part of its life by which a VM may go earlier


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """Of one cloud's VMs, in seconds. `min_useful_s`: one with less than that left takes no new jobs into account."""

    max_s: float = math.inf
    min_useful_s: float = 0.0

    @property
    def ends(self) -> bool:
        return not math.isinf(self.max_s)

    def left_s(self, vm_id: str, born: float, now: float) -> float:
        """Until it is given up; infinite where nothing ends."""
        if not self.ends:
            return math.inf
        earlier = STAGGER * zlib.crc32(vm_id.encode()) / 2**32
        return born + self.max_s * (1.0 - earlier) - now

    def short(self, vm_id: str, born: float, now: float) -> bool:
        """Whether it lives too short for new jobs."""
        return self.left_s(vm_id, born, now) < self.min_useful_s


FOREVER = Life()
