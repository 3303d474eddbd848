"""When a pool is asked to match its waiting jobs: a worker joined, and it would wait for the negotiator's next cycle.

With HTCondor's own pace a cycle comes each 60 s, sooner only where jobs are submitted; so jobs for which a VM was
bought waited half a minute for nothing once it was there. It is asked at most every LEAST_S, which is the
negotiator's own least time between two cycles; what comes earlier is asked for when that is over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from actors.fleet.observations import JobsSeen, StartdsSeen

LEAST_S = 20.0


@dataclass(slots=True, kw_only=True)
class Wakes:
    """What one pool's monitor remembers. `denied`: the pool does not let us ask, so it is not asked in this term."""

    denied: bool = False
    _waiting: bool = False
    _known: frozenset[str] | None = None
    _due: bool = False
    _asked: float = -math.inf

    def jobs(self, seen: JobsSeen) -> None:
        """`seen`: the last reading of the schedds."""
        self._waiting = any(one.idle for one in seen.classes)

    def joined(self, seen: StartdsSeen, now: float) -> bool:
        """Whether the pool is to be asked now. Workers that the first reading shows were there before."""
        names = frozenset(machine.name for machine in seen.machines)
        self._due = self._waiting and (self._due or bool(self._known is not None and names - self._known))
        self._known = names
        if not self._due or self.denied or now - self._asked < LEAST_S:
            return False
        self._due, self._asked = False, now
        return True
