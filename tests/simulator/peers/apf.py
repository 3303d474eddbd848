"""AutoPyFactory's chains of scheduling plugins, once a minute.

apf-chain         Ready, Scale, MaxPerCycle 50, MaxPending 100. APF starts one VM for each ready job, so Scale is one
                  divided by the jobs that a VM holds. It never gives a VM up; a worker that is idle for 10 minutes
                  powers itself off.
apf-keep-running  Ready, Scale, then KeepNRunning's arithmetic: a target for what runs. Where it is below what runs,
                  that many nodes are retired, empty ones first (only those, here: APF's killed jobs otherwise).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from actors.fleet.vm import State
from actors.policies.steps import Counts, MaxPending, MaxPerCycle, Ready, Scale, run
from actors.simulator.world import SimulatedSite
from tests.simulator.peers.site import empty_for, give_up, only_cloud, supply

IDLE_S = 600.0
MOST_A_CYCLE, MOST_PENDING = 50, 100


class ApfChain:
    name, interval_s = "apf-chain", 60.0

    def __init__(self, jobs_a_vm: int) -> None:
        self._steps = (
            Ready(),
            Scale(factor=1 / jobs_a_vm),
            MaxPerCycle(maximum=MOST_A_CYCLE),
            MaxPending(maximum=MOST_PENDING),
        )

    def scale(self, world: SimulatedSite) -> Mapping[str, int]:
        give_up(world, empty_for(world, IDLE_S))
        vms = supply(world)
        counts = Counts(
            ready=sum(map(len, world.waiting.values())), pending=sum(machine.state is State.BOOTING for machine in vms)
        )
        n, _ = run(self._steps, 0, counts)
        return {only_cloud(world): len(vms) + n}


class ApfKeepRunning:
    """Jobs that wait and jobs that run, over the jobs that a VM holds, is the target."""

    name, interval_s = "apf-keep-running", 60.0

    def __init__(self, jobs_a_vm: int) -> None:
        self._jobs_a_vm = jobs_a_vm

    def scale(self, world: SimulatedSite) -> Mapping[str, int]:
        jobs = sum(map(len, world.waiting.values())) + sum(world.running.values())
        n = math.ceil(jobs / self._jobs_a_vm) - len(supply(world))
        if n < 0:
            return give_up(world, empty_for(world, 0.0)[:-n])
        return {only_cloud(world): len(supply(world)) + min(n, MOST_A_CYCLE)}
