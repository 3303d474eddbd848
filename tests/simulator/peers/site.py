"""The simulated site as a peer sees it: one cloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from actors.fleet.vm import State
from actors.policies.rules import QueueRules
from actors.simulator.machine import SimulatedMachine
from actors.simulator.scaler import Ours
from actors.simulator.world import SimulatedSite


def only_cloud(world: SimulatedSite) -> str:
    (name,) = world.clouds
    return name


def supply(world: SimulatedSite) -> list[SimulatedMachine]:
    return [machine for machine in world.machines[only_cloud(world)].values() if machine.supply]


def empty_for(world: SimulatedSite, age_s: float) -> list[SimulatedMachine]:
    """Joined VMs without a job for so long, those longest without one first."""
    ready = [machine for machine in supply(world) if machine.state is State.READY and not machine.jobs]
    long = [machine for machine in ready if world.env.now - machine.idle_since >= age_s]
    return sorted(long, key=lambda machine: (machine.idle_since, machine.id))


def give_up(world: SimulatedSite, machines: list[SimulatedMachine]) -> Mapping[str, int]:
    """End these, and want what is left."""
    world.end_empty(machines)
    return {only_cloud(world): len(supply(world))}


class Packing:
    """How many VMs there would be if all that waits were packed onto what is there and on new VMs.

    Kubernetes' scheduler binds a pod to a node that is ready within milliseconds, and Slurm's resumes a node for a job:
    neither takes a VM for empty that joined for jobs which HTCondor's negotiator will put there within the minute. So
    what waiting jobs need is no VM to be given up.
    """

    def __init__(self, queue: QueueRules, interval_s: float) -> None:
        self._ours = Ours(replace(queue, release_after_s=0.0), interval_s=interval_s)

    def vms(self, world: SimulatedSite) -> int:
        """Fewer than there are: the rest is needed by nothing that waits or runs."""
        return self._ours.scale(world)[only_cloud(world)]

    def end_unneeded(self, world: SimulatedSite, wanted: int, empty: list[SimulatedMachine]) -> Mapping[str, int]:
        """Of `empty` ones, the first to go first, those that nothing needs."""
        return give_up(world, empty[: max(0, len(supply(world)) - wanted)])
