"""The calls that retire a VM, as they run off the actors' threads. Each asks before it acts, and each may be repeated.

A host may have died right after a call: so a drain is asked for only where the startd does not show ours yet, and a VM
is ended only on an answer of the startd itself that is seconds old. Whoever holds a worker's token can forge that, and
when the startd does not answer, its job may still run: so before every end all schedds, read completely, must say that
they have no job there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from actors.clouds.port import Cloud, KeepsHolds, TakesBack
from actors.fleet.history import shown
from actors.fleet.matching import host_of, match
from actors.fleet.number_of import number_of
from actors.fleet.observations import Machine
from actors.fleet.told import place_of
from actors.fleet.vm import Vm
from actors.pools.port import Drain, Pool, PoolAway, PoolRefused, PoolWrong

REQUIRED_RETIREMENT_S = 30 * 86_400  # a worker whose MaxJobRetirementTime is less would evict: not one of ours


class Verdict(StrEnum):
    EMPTY = "empty"  # it may be ended
    FORGOT = "forgot"  # its startd shows no drain of ours: it may have taken a job
    WAIT = "wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """`saw`: what the startd itself showed, for the VM's history; empty when it did not answer."""

    verdict: Verdict
    why: str
    saw: str = ""


class Unjoined(NamedTuple):
    """What was found of VMs that had not joined. By VM id: `there`, the startds of those that joined after all, and
    `jobs`, how many run on those that did not; and the instance ids whose end the cloud accepted.
    """

    there: Mapping[str, Machine]
    jobs: Mapping[str, int]
    ended: tuple[str, ...]


def drain(pool: Pool, vm: Vm, allowed: Callable[[], object]) -> str:
    """The request id of the drain that carries the VM's nonce, asked for now or found there. Raises PoolError."""
    seen = _itself(pool, vm)
    if seen.draining_for(vm.nonce):
        return seen.slots[0].request_id
    allowed()
    return pool.drain(_order(vm))


def cancel(pool: Pool, vm: Vm, allowed: Callable[[], object]) -> bool:
    """Take our drain back while its last job runs. Raises PoolRefused when that job has ended.

    Returns whether it can be drained again later. Where its last job ended between the look and the request it grants
    no retirement any more. PoolAway when that cannot be seen.
    """
    seen = _itself(pool, vm)
    if not seen.busy or not seen.draining_for(vm.nonce):
        raise PoolRefused(f"{vm.machine}: {'its drain is not ours' if seen.busy else 'its last job has ended'}")
    request = seen.slots[0].request_id or vm.request_id
    allowed()
    pool.cancel(_order(vm), request)
    return _itself(pool, vm).max_retirement_s >= REQUIRED_RETIREMENT_S


def evict(pool: Pool, vm: Vm, nonce: str, allowed: Callable[[], object]) -> str:
    """The request id of the drain with `nonce` that evicts, asked for now or found there. Raises PoolError."""
    seen = _itself(pool, vm)
    if seen.draining_for(nonce):
        return seen.slots[0].request_id
    if not seen.draining_for(vm.nonce):
        raise PoolRefused(f"{vm.machine}: its drain is not ours")
    request = seen.slots[0].request_id or vm.request_id
    allowed()
    return pool.evict(_order(vm), request, nonce)


def verify(pool: Pool, vm: Vm, told: bool) -> Verified:
    """Whether no job is there. Raises PoolAway when nobody can tell, PoolWrong when another machine answers.

    `told`: this is the pool that the VM was told to join. The schedds of another one know nothing of its jobs.
    """
    try:
        seen = _itself(pool, vm)
    except PoolWrong:
        raise
    except PoolAway as away:
        if not told:
            raise PoolAway(f"{away}; it was told to join {place_of(vm.pool)}, whose schedds cannot be asked") from away
        return _ask_schedds(pool, vm, f"its startd does not answer ({away})")
    saw = f"asked directly, {shown(seen)}"
    if seen.drained_for(vm.nonce):
        return _ask_schedds(pool, vm, "its startd says Drained and Idle on every slot", saw)
    if seen.draining_for(vm.nonce):
        return Verified(verdict=Verdict.WAIT, why="its startd says that a slot is not idle yet", saw=saw)
    return Verified(verdict=Verdict.FORGOT, why="its startd shows no drain of ours: it restarted", saw=saw)


def _ask_schedds(pool: Pool, vm: Vm, startd: str, saw: str = "") -> Verified:
    """They have a veto. `startd`: how it answered."""
    jobs = jobs_of(pool, [vm])[vm.id]
    if jobs:
        return Verified(verdict=Verdict.WAIT, why=f"{startd}, but schedds have {number_of(jobs, 'job')} there", saw=saw)
    return Verified(verdict=Verdict.EMPTY, why=f"{startd}, and no schedd has a job there", saw=saw)


def jobs_of(pool: Pool, vms: Sequence[Vm]) -> dict[str, int]:
    """By VM id, how many running jobs the schedds have there. Raises PoolAway unless all answered in full."""
    places = {vm.id: _places(vm) for vm in vms}
    found = pool.jobs_on(tuple(sorted({place for several in places.values() for place in several})))
    return {key: max((found.get(place, 0) for place in several), default=0) for key, several in places.items()}


def _places(vm: Vm) -> tuple[str, ...]:
    """What jobs may know the VM by. Its address only where nothing better is known: two clouds may use it both."""
    at_home = vm.joined and host_of(vm.machine_address) == vm.address
    return tuple(filter(None, (vm.machine, vm.instance_id, "" if at_home else vm.address)))


def end(cloud: Cloud, ids: Sequence[str], allowed: Callable[[], object]) -> tuple[str, ...]:
    allowed()
    return cloud.end(ids)


def end_defunct(cloud: Cloud, ids: Collection[str], now: float, allowed: Callable[[], object]) -> tuple[str, ...]:
    """Look once more: one that somebody started again meanwhile may have taken a job. Returns the ended ids."""
    still = [one.id for one in cloud.listing(now).instances if one.id in ids and one.state == "defunct"]
    return end(cloud, still, allowed) if still else ()


def take_back(cloud: TakesBack, ids: Sequence[str], allowed: Callable[[], object]) -> tuple[str, ...]:
    allowed()
    return cloud.take_back(ids)


def end_asked(
    pool: Pool, cloud: Cloud, vm: Vm, told: bool, allowed: Callable[[], object]
) -> Verified | tuple[str, ...]:
    """Ask once more, and if it is empty end it, with nothing between the two. Else what was found."""
    found = verify(pool, vm, told)
    return end(cloud, [vm.instance_id], allowed) if found.verdict is Verdict.EMPTY else found


def mark_held(cloud: KeepsHolds, ids: Sequence[str], tag: str, allowed: Callable[[], object]) -> None:
    allowed()
    cloud.mark_held(ids, tag)


def end_unjoined(
    pool: Pool,
    cloud: Cloud,
    vms: Sequence[Vm],
    identities: tuple[str, ...],
    allowed: Callable[[], object],
) -> Unjoined:
    """Look once more, and at these alone: whoever joins between this look and the end call is ended with its job.

    Those that are still not there are ended, if no schedd has a job there. They are matched as in any reading: an ad of
    somebody else's proves nothing, two ads with one id spare their VM. Raises PoolAway when not all schedds answer.
    """
    jobs = {key: running for key, running in jobs_of(pool, vms).items() if running}
    matched = match(pool.joined(tuple(vm.instance_id for vm in vms)), vms, identities)
    there = {*matched.machines, *matched.doubtful, *jobs}
    gone = [vm.instance_id for vm in vms if vm.id not in there]
    allowed()
    return Unjoined(matched.machines, jobs, cloud.end(gone) if gone else ())


def _itself(pool: Pool, vm: Vm) -> Machine:
    seen = pool.look(vm.machine, vm.machine_address)
    if seen.instance_id != vm.instance_id:
        raise PoolWrong(f"{vm.machine} says it is instance {seen.instance_id or '(none)'}, not {vm.instance_id}")
    if seen.damaged:
        raise PoolWrong(f"{vm.machine} {seen.damaged}: nothing that it says counts")
    return seen


def _order(vm: Vm) -> Drain:
    return Drain(
        machine=vm.machine,
        address=vm.machine_address,
        instance_id=vm.instance_id,
        nonce=vm.nonce,
        min_retirement_s=REQUIRED_RETIREMENT_S,
    )
