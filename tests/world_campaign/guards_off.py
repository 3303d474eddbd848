"""Each guard of the product, switched off: the campaign must fail then. A check that cannot fail proves nothing.

Only a campaign's host process knows of this (host.py); the product has no such switch. With each guard stand the kinds
of faults that it is there for: a campaign of those shows soonest what its absence does.
"""

# ruff: noqa: ARG001, ARG005 - what replaces a function takes what that one takes

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from actors.clouds.simulated.cloud import WorldCloud
from actors.fleet import reconcile
from actors.fleet.evidence import Health
from actors.fleet.matching import Matched, match
from actors.fleet.observations import Machine
from actors.retirement import converge, sightings, vm_calls
from actors.retirement.vm_calls import Verdict, Verified
from actors.runtime import publisher
from actors.submitter import actor as submitter


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """`off` replaces a part of the product in this process. `kinds`: of faults that need the guard."""

    says: str
    off: Callable[[], None]
    kinds: tuple[str, ...]
    vms: int = 60
    each: int = 10  # faults of each kind


def _replace(owner: Any, name: str, other: Any) -> None:
    """Raises AttributeError where there is nothing to replace any more: then the guard has another name now."""
    getattr(owner, name)
    setattr(owner, name, other)


def _drained() -> None:
    def drained_for(self: Machine, nonce: str) -> bool:
        return bool(self.slots) and all(slot.state == "Drained" for slot in self.slots)

    _replace(Machine, "drained_for", drained_for)


def _last_look() -> None:
    _replace(vm_calls, "verify", lambda pool, vm: Verified(verdict=Verdict.EMPTY, why="not looked"))


def _schedds() -> None:
    def nobody(pool: Any, vm: Any, away: str) -> Verified:
        return Verified(verdict=Verdict.EMPTY, why="nobody was asked")

    _replace(vm_calls, "_ask_schedds", nobody)


def _unjoined_look() -> None:
    def end_unjoined(pool: Any, cloud: Any, vms: Any, identities: Any, allowed: Any) -> Any:
        allowed()
        return {}, cloud.end([vm.instance_id for vm in vms])

    _replace(vm_calls, "end_unjoined", end_unjoined)


def _doubtful() -> None:
    def last_wins(machines: Any, vms: Any, identities: Any = ()) -> Matched:
        by_instance = {vm.instance_id: vm.id for vm in vms if vm.instance_id and vm.alive}
        found = {by_instance[one.instance_id]: one for one in machines if one.instance_id in by_instance}
        return Matched(machines=found, doubtful={}, strays=match(machines, vms, identities).strays)

    _replace(sightings, "match", last_wins)
    _replace(vm_calls, "match", last_wins)


def _healthy_source() -> None:
    def judge(before: Health, reading: Any, matched: Any, wanted: Any) -> Health:
        at = getattr(reading, "at", before.read_at)
        return replace(before, since=before.since or at, read_at=at, why="")

    _replace(sightings, "judge", judge)


def _token() -> None:
    launch = WorldCloud.launch

    def with_new_token(self: WorldCloud, request: str) -> Any:
        facts = json.loads(request)
        return launch(self, json.dumps({**facts, "token": uuid.uuid4().hex}, sort_keys=True))

    _replace(WorldCloud, "launch", with_new_token)
    _replace(WorldCloud, "find", lambda self, intent, token: ())


def _limit() -> None:
    _replace(submitter, "room", lambda *_: 1_000_000)
    _replace(publisher, "room", lambda *_: 1_000_000)


def _adopted() -> None:
    _replace(sightings, "orphans", lambda *_: [])


def _notices() -> None:
    _replace(converge, "read_notices", lambda table: {})


def _asked_again() -> None:
    _replace(reconcile, "ASK_AGAIN_S", 1e9)


OF_STARTDS = ("late-ads", "spot-notices", "startd-restarts")  # VMs drain while jobs wait, and their startds restart

GUARDS: Mapping[str, Guard] = {
    "drained": Guard(
        says="a machine is drained when every slot is Drained, Idle and carries our nonce",
        off=_drained,
        kinds=("late-ads", "capacity"),
    ),
    "last-look": Guard(
        says="right before the end call the startd itself is asked once more", off=_last_look, kinds=OF_STARTDS
    ),
    "schedds": Guard(
        says="where the startd does not answer, all schedds must say that they have no job there",
        off=_schedds,
        kinds=("spot-notices", "startd-restarts"),
        vms=240,
        each=40,  # a startd has to restart, and take a job, in the moment before its last look
    ),
    "unjoined-look": Guard(
        says="before a VM that never joined is ended, the pool is looked at once more",
        off=_unjoined_look,
        kinds=("slow-boots", "cut"),  # VMs join while the call that would end them is lost
        vms=240,
    ),
    "two-ads": Guard(
        says="two startds that advertise one instance prove nothing", off=_doubtful, kinds=("lying-ads", "late-ads")
    ),
    "healthy-source": Guard(
        says="a short or failed reading stops the boot deadline and freezes what rests on absence",
        off=_healthy_source,
        kinds=("collector-restart", "cut"),
    ),
    "token": Guard(
        says="a launch without an answer is looked up by token and tag, and goes out again with the same token",
        off=_token,
        kinds=("late-calls", "lost-answers"),
    ),
    "limit": Guard(
        says="rows and orphans together never pass a cloud's limit",
        off=_limit,
        kinds=("stuck-deletes", "silent-startds", "slow-boots"),
    ),
    "adopted": Guard(
        says="an instance with our tags and no row is adopted", off=_adopted, kinds=("redis-emptied", "host-kill")
    ),
    "asked-again": Guard(
        says="an end that had no effect is asked for again", off=_asked_again, kinds=("stuck-deletes", "capacity")
    ),
    "notices": Guard(
        says="a VM that its cloud will take is drained at once, so that no other job begins there",
        off=_notices,
        kinds=("spot-notices",),
    ),
}

OFF: Mapping[str, Callable[[], None]] = {name: guard.off for name, guard in GUARDS.items()}
