"""Two queues as one sentence: "12 idle jobs -> 12 pilots wait, 0 run -> 3 VMs boot, 0 joined, 0 leave (queue vms)".

A queue whose pilots are the jobs of another queue says so by its clouds' `feeds`. From rows alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from actors.config.schema import Config
from actors.fleet.number_of import number_of
from actors.fleet.vm import State, Vm

COMES, LEAVES = (State.LAUNCHING, State.BOOTING), (State.DRAINING, State.DRAINED, State.ENDING)


def fed_by(config: Config, queue: str) -> dict[str, str]:
    """By queue that this one feeds, its cloud of pilots."""
    clouds = (cloud for tier in config.queues[queue].cascade for cloud in tier if cloud in config.clouds)
    return {feeds: cloud for cloud in clouds if (feeds := getattr(config.clouds[cloud], "feeds", None))}


def chains(config: Config, queue: str, idle: int, vms: Iterable[Vm]) -> tuple[str, ...]:
    """One sentence for each queue that it feeds; none where it feeds none. `vms`: those of all clouds."""
    known = list(vms)
    return tuple(
        f"{number_of(idle, 'idle job')} -> {_pilots(known, queue, cloud)} -> {_workers(known, fed)} (queue {fed})"
        for fed, cloud in fed_by(config, queue).items()
    )


def feeding(config: Config, queue: str) -> tuple[str, ...]:
    """The same for a plan, which has no rows: whose jobs its pilots are."""
    return tuple(
        f"its VMs on {cloud} are pilots, the jobs of queue {fed}" for fed, cloud in fed_by(config, queue).items()
    )


def _pilots(vms: Iterable[Vm], queue: str, cloud: str) -> str:
    states = Counter(vm.state for vm in vms if (vm.queue, vm.cloud) == (queue, cloud))
    return f"{number_of(sum(states[one] for one in COMES), 'pilot', 'wait')}, {states[State.READY]} run"


def _workers(vms: Iterable[Vm], queue: str) -> str:
    states = Counter(vm.state for vm in vms if vm.queue == queue)
    leave = sum(states[one] for one in LEAVES)
    return f"{number_of(sum(states[one] for one in COMES), 'VM', 'boot')}, {states[State.READY]} joined, {leave} leave"
