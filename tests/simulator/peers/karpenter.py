"""Karpenter: pods that wait are batched (1 s without a new one, 10 s at most), here a scan every 5 s.

Consolidation `WhenEmpty` with `consolidateAfter: 15s`, and the default disruption budget: at a time no more than 10 %
of the nodes, rounded up. (`WhenEmptyOrUnderutilized` moves pods; jobs of a batch system cannot be moved.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from actors.policies.rules import QueueRules
from actors.simulator.world import SimulatedSite
from tests.simulator.peers.site import Packing, empty_for, only_cloud, supply

EMPTY_S = 15.0
BUDGET = 0.1


class Karpenter:
    name, interval_s = "karpenter", 5.0

    def __init__(self, queue: QueueRules) -> None:
        self._packing = Packing(queue, self.interval_s)

    def scale(self, world: SimulatedSite) -> Mapping[str, int]:
        wanted = self._packing.vms(world)
        if wanted > len(supply(world)):
            return {only_cloud(world): wanted}
        at_once = math.ceil(BUDGET * len(supply(world)))
        return self._packing.end_unneeded(world, wanted, empty_for(world, EMPTY_S)[:at_once])
