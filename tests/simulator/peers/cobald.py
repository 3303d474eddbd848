"""COBalD's own LinearController and RelativeSupplyController.

Less when the utilisation is below a threshold, more when the allocation is above it: 0.9, as in the example of TARDIS'
documentation (LinearController, low_utilisation 0.90, high_allocation 0.90, rate 1, at least 1), and 0.5, COBalD's own
default. Linear: 1 core a second; relative: 0.9 and 1.1 times the supply; all defaults. They are asked every 15 s, as we
read every 15 s, with that interval (default: 1 s, which makes the same ramp of 1 core a second). A Standardiser keeps
at least one VM, as they cannot start from nothing. COBalD sees no queue of jobs, by design. Which VMs go is left to
us: a drone that has no job, else one that is drained, which is what TARDIS does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from cobald.controller.linear import LinearController
from cobald.controller.relative_supply import RelativeSupplyController
from cobald.decorator.standardiser import Standardiser
from cobald.interfaces import Controller, Pool

from actors.fleet.vm import State
from actors.simulator.machine import SimulatedMachine
from actors.simulator.world import SimulatedSite
from tests.simulator.peers.site import only_cloud, supply


class SimulatedPool(Pool):  # type: ignore[misc]
    """The simulated cloud as COBalD sees it: cores."""

    def __init__(self) -> None:
        self.world: SimulatedSite | None = None
        self._demand = 0.0

    @property
    def _ready(self) -> list[SimulatedMachine]:
        return [machine for machine in supply(self.world) if machine.state is State.READY] if self.world else []

    @property
    def supply(self) -> float:
        return sum(machine.cpus for machine in self._ready)

    @property
    def demand(self) -> float:
        return self._demand

    @demand.setter
    def demand(self, value: float) -> None:
        self._demand = value

    @property
    def utilisation(self) -> float:
        return self._mean(min)

    @property
    def allocation(self) -> float:
        return self._mean(max)

    def _mean(self, of: Callable[[list[float]], float]) -> float:
        ready = self._ready
        if not ready or self.world is None:
            return 1.0
        size = self.world.clouds[ready[0].cloud].rules.size
        return sum(of([1 - machine.free[i] / size[i] for i in (0, 1)]) for machine in ready) / len(ready)


class Cobald:
    interval_s = 15.0

    def __init__(self, kind: str, threshold: float) -> None:
        self.name = f"cobald-{kind} {threshold:g}"
        self._pool = SimulatedPool()
        self._kind, self._threshold = kind, threshold
        self._controller: Controller | None = None

    def scale(self, world: SimulatedSite) -> Mapping[str, int]:
        name = only_cloud(world)
        rules = world.clouds[name].rules
        self._pool.world = world
        if self._controller is None:
            self._controller = self._made(rules.size[0], rules.max_vms)
        self._controller.regulate(self.interval_s)
        return {name: min(rules.max_vms, math.ceil(self._pool.demand / rules.size[0]))}

    def _made(self, cores: int, max_vms: int) -> Controller:
        target = Standardiser(self._pool, minimum=cores, maximum=cores * max_vms)
        limits = {"low_utilisation": self._threshold, "high_allocation": self._threshold}
        if self._kind == "linear":
            return LinearController(target, **limits, rate=1, interval=15)
        return RelativeSupplyController(target, **limits, low_scale=0.9, high_scale=1.1, interval=15)
