"""glideinWMS' frontend, once a minute: idle glideins asked for are a third of the idle jobs, in VMs.

A glidein ends by itself: after 1,200 s without a first job (GLIDEIN_Max_Idle), or after 400 s without a further one
(GLIDEIN_Max_Tail). Both are its defaults. The frontend asks for glideins to be there that wait; those that boot count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from actors.fleet.vm import State
from actors.simulator.machine import SimulatedMachine
from actors.simulator.world import SimulatedSite
from tests.simulator.peers.site import empty_for, give_up, only_cloud, supply

FIRST_S, TAIL_S = 1_200.0, 400.0
SHARE = 3


class Glideinwms:
    name, interval_s = "glideinwms", 60.0

    def __init__(self, jobs_a_vm: int) -> None:
        self._jobs_a_vm = jobs_a_vm
        self._worked: set[str] = set()  # VMs that had a job once

    def scale(self, world: SimulatedSite) -> Mapping[str, int]:
        self._worked.update(machine.id for machine in supply(world) if machine.jobs)
        give_up(world, [machine for machine in empty_for(world, TAIL_S) if self._over(world, machine)])
        vms = supply(world)
        waiting = sum(map(len, world.waiting.values()))
        asked = math.ceil(waiting / self._jobs_a_vm / SHARE)
        idle = sum(machine.state is State.BOOTING or not machine.jobs for machine in vms)
        return {only_cloud(world): len(vms) + max(0, asked - idle)}

    def _over(self, world: SimulatedSite, machine: SimulatedMachine) -> bool:
        return machine.id in self._worked or world.env.now - machine.idle_since >= FIRST_S
