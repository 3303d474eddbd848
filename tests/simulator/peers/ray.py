"""Ray's autoscaler v2: a reconciliation every 5 s packs what waits onto new nodes.

`upscaling_speed` 1.0, the default: no more nodes are launching at a time than there are, but always 5 may.
`idle_timeout_minutes` 5, the default.
"""

from __future__ import annotations

from collections.abc import Mapping

from actors.fleet.vm import State
from actors.policies.rules import QueueRules
from actors.simulator.world import SimulatedSite
from tests.simulator.peers.site import Packing, empty_for, only_cloud, supply

IDLE_S = 300.0
SPEED = 1.0
ALWAYS = 5


class Ray:
    name, interval_s = "ray", 5.0

    def __init__(self, queue: QueueRules) -> None:
        self._packing = Packing(queue, self.interval_s)

    def scale(self, world: SimulatedSite) -> Mapping[str, int]:
        vms = supply(world)
        wanted = self._packing.vms(world)
        if wanted > len(vms):
            launching = sum(machine.state is State.BOOTING for machine in vms)
            most = max(ALWAYS, int(SPEED * (len(vms) - launching))) - launching
            return {only_cloud(world): len(vms) + min(wanted - len(vms), max(0, most))}
        return self._packing.end_unneeded(world, wanted, empty_for(world, IDLE_S))
