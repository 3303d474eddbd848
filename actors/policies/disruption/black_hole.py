"""Black holes: workers on which one job after the other ends within seconds, so that they eat a queue. Pure.

The signal. A startd tells how long its starters lived that ended in the last 20 minutes (in steps of 4):
RecentJobBusyTimeCount and RecentJobBusyTimeMax, with transfers, whether the job itself ran or not. HTCondor publishes
them only where STATISTICS_TO_PUBLISH_LIST names JobBusyTime (measured with 25.14); the workers' user-data does so.
A worker without them is not judged. JobStarts, which is always there, does not tell short jobs from long ones.

What it does not tell is whether the jobs failed: pools keep no exit codes by machine, and jobs may be short by nature.
So a worker is judged beside its peers, which are the other workers of its queue on its cloud. It is a black hole when

- at least `jobs` ended there lately, and not one of them took `shorter_than_s` seconds;
- at least as many peers as there are such workers show that the queue's jobs take longer: one of theirs did lately, or
  they have been busy for a minute without a break, with fewer endings than jobs so short would have made of it.

A lone worker is never judged, nor are workers that are all alike: then it is the jobs, or the image.

What follows: it is drained, so no job is killed, and held for a look instead of ended; another may be bought. At most a
tenth of a queue's workers on a cloud, and at least one, are held at a time, so that a queue which mixes very short jobs
with long ones costs no more than that. An operator's `release` lets it be ended; so does the worker's own dead man's
switch, after `unclaimed_poweroff_s`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from actors.fleet.drain_and_hold import DrainFor, DrainWhy, HoldBy, VmHold
from actors.fleet.number_of import number_of
from actors.fleet.observations import Machine
from actors.fleet.reconcile import drain
from actors.fleet.vm import State, Vm
from actors.fleet.wish import Wish

DRAINED_FOR = DrainFor(DrainWhy.BLACK_HOLE)
STEADY_S = 60.0  # a peer that was busy for so long, without a break, shows how long jobs take
MOST_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackHoleRules:
    """`jobs` 0: nothing is judged."""

    jobs: int = 20
    shorter_than_s: float = 10.0


def black_holes(
    vms: Collection[Vm],
    machines: Mapping[str, Machine],
    busy_since: Mapping[str, float],
    rules: Mapping[str, BlackHoleRules],
    now: float,
) -> dict[str, str]:
    """By VM id, why it is one: those that may be taken out now, of all VMs of one cloud.

    `machines` and `busy_since` (Redis seconds) by VM id, as last seen; `rules` by queue.
    """
    least = min((one.jobs for one in rules.values() if one.jobs), default=0)
    if not least or not any(machine.recent_jobs >= least for machine in machines.values()):
        return {}
    by_queue: dict[str, list[Vm]] = defaultdict(list)
    for vm in vms:
        if vm.alive and vm.queue in rules and rules[vm.queue].jobs:
            by_queue[vm.queue].append(vm)
    return {
        vm_id: why
        for queue, mine in by_queue.items()
        for vm_id, why in _of_queue(mine, machines, busy_since, rules[queue], now).items()
    }


def _of_queue(
    vms: list[Vm], machines: Mapping[str, Machine], busy_since: Mapping[str, float], rules: BlackHoleRules, now: float
) -> dict[str, str]:
    ready = {vm.id: machines[vm.id] for vm in vms if vm.state is State.READY and vm.id in machines}
    suspects = [vm_id for vm_id, machine in ready.items() if _short(machine, rules)]
    if not suspects:
        return {}
    longer = [
        vm_id
        for vm_id, machine in ready.items()
        if vm_id not in suspects and _takes_longer(machine, now - busy_since.get(vm_id, now), rules)
    ]
    if len(longer) < len(suspects):
        return {}
    held = sum(vm.held_by is HoldBy.BLACK_HOLE for vm in vms)
    most = max(1, int(MOST_SHARE * len(ready))) - held
    worst = sorted(suspects, key=lambda vm_id: (-ready[vm_id].recent_jobs, vm_id))
    return {vm_id: _told(ready[vm_id], len(longer)) for vm_id in worst[: max(0, most)]}


def _short(machine: Machine, rules: BlackHoleRules) -> bool:
    return machine.recent_jobs >= rules.jobs and machine.longest_job_s < rules.shorter_than_s


def _takes_longer(machine: Machine, busy_s: float, rules: BlackHoleRules) -> bool:
    if machine.recent_jobs and machine.longest_job_s >= rules.shorter_than_s:
        return True
    return machine.busy and busy_s >= STEADY_S and machine.recent_jobs * rules.shorter_than_s < busy_s


def _told(machine: Machine, peers: int) -> str:
    jobs = (
        f"{number_of(machine.recent_jobs, 'job')} ended on it lately, none took more than {machine.longest_job_s:.0f} s"
    )
    return f"black hole: {jobs}, and on {peers} of its peers they take longer"


def taken_out(vm: Vm, why: str, now: float) -> Vm:
    """Drained, and held for a look."""
    return replace(drain(vm, now, DRAINED_FOR, why), hold=VmHold(why=why, by=HoldBy.BLACK_HOLE, at=now))


def looked_at(vm: Vm, release: Wish | None) -> Vm:
    """An operator who releases it has looked: its drain goes on to its end."""
    if vm.hold is None or vm.hold.by is not HoldBy.BLACK_HOLE or release is None or release.at < vm.hold.at:
        return vm
    return replace(vm, hold=None)
