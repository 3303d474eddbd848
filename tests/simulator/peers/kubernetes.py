"""Kubernetes' cluster-autoscaler: a scan every 10 s packs what waits onto new nodes; an empty node goes after a time.

Three settings that are common, as `--scale-down-unneeded-time` and `--scale-down-delay-after-add`:

kubernetes          10 minutes and 10 minutes: its defaults
kubernetes-5min     5 minutes and 5 minutes
kubernetes-1min     1 minute and 1 minute: what cost-conscious sites set
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from actors.policies.rules import QueueRules
from actors.simulator.world import SimulatedSite
from tests.simulator.peers.site import Packing, empty_for, only_cloud, supply


class Kubernetes:
    interval_s = 10.0

    def __init__(self, queue: QueueRules, idle_s: float = 600.0) -> None:
        self.name = "kubernetes" if idle_s == 600.0 else f"kubernetes-{idle_s / 60:g}min"
        self._packing, self._idle_s = Packing(queue, self.interval_s), idle_s
        self._added = -math.inf

    def scale(self, world: SimulatedSite) -> Mapping[str, int]:
        wanted = self._packing.vms(world)
        if wanted > len(supply(world)):
            self._added = world.env.now
        elif world.env.now - self._added >= self._idle_s:
            return self._packing.end_unneeded(world, wanted, empty_for(world, self._idle_s))
        return {only_cloud(world): max(wanted, len(supply(world)))}
