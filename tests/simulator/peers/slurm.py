"""Slurm's power saving: the backfill scheduler, each 30 s (its default), gives jobs nodes that are powered down.

`ResumeRate` and `SuspendRate` are the defaults, 300 and 60 nodes a minute. A node that is idle for `SuspendTime` is
powered down: 300 s, as AWS' plugin and many sites have it (slurm-300), or 600 s, ParallelCluster's
`ScaledownIdletime` (slurm-600).
"""

from __future__ import annotations

from collections.abc import Mapping

from actors.policies.rules import QueueRules
from actors.simulator.world import SimulatedSite
from tests.simulator.peers.site import Packing, empty_for, only_cloud, supply

RESUMED_A_MINUTE, SUSPENDED_A_MINUTE = 300, 60


class Slurm:
    interval_s = 30.0

    def __init__(self, queue: QueueRules, suspend_s: float) -> None:
        self.name = f"slurm-{suspend_s:g}"
        self._packing, self._suspend_s = Packing(queue, self.interval_s), suspend_s

    def scale(self, world: SimulatedSite) -> Mapping[str, int]:
        minutes = self.interval_s / 60.0
        idle = empty_for(world, self._suspend_s)[: round(SUSPENDED_A_MINUTE * minutes)]
        wanted = self._packing.vms(world)
        if wanted > len(supply(world)):
            return {only_cloud(world): min(wanted, len(supply(world)) + round(RESUMED_A_MINUTE * minutes))}
        return self._packing.end_unneeded(world, wanted, idle)
