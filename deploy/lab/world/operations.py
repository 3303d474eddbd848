"""What can be asked of a world: the pool's side, the clouds' side, and the test's."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

from deploy.lab.world.model import Refusal, Vm, World
from deploy.lab.world.things import INSIDE, OWNER, SPOT, BusyEnd
from deploy.lab.world.weather import OUR_IDENTITY, Weather

_DEAD_SHOWN_S = 3600.0
_LAST_LOOK_S = 5.0
_INSTANCE_ID = 2  # its place in a row
_NOTICES_AT_ONCE = 10
_OF_JOB = ("id", "queue", "state", "starts", "evictions", "submitted", "started", "done", "ran_on", "failed")
_OF_VM = ("id", "name", "cloud", "intent", "decision", "token", "usd_per_hour", "launched", "state", "reason", "ended",
          "index", "factory", "joined", "began_after")  # fmt: skip


class Lost(Exception):
    """The call, or its answer, is lost on the way: nobody answers."""


class Operations:
    """A world with a clock, a lock and its weather. `do` is the only way in."""

    def __init__(
        self, world: World, clock: Callable[[], float], seed: int = 0, dead_shown_s: float = _DEAD_SHOWN_S
    ) -> None:
        self._world, self._clock, self._dead_shown_s = world, clock, dead_shown_s
        self._weather = Weather(world, seed)
        self._lock = threading.Lock()
        self._by = threading.local()  # the link of the call that is carried out
        self._known: dict[str, Callable[..., Any]] = {
            operation.__name__: operation
            for operation in (
                self.submit, self.finish, self.jobs, self.machines, self.machine, self.drain, self.cancel, self.evict,
                self.jobs_on, self.launch, self.find, self.listing, self.end, self.mark_held, self.boot, self.power_off,
                self.ledger, self.record, self.weather, self.clear, self.restart_startds, self.reclaim, self.stand,
                self.left, self.notices, self.drop_notices, self.warn,
            )
        }  # fmt: skip

    def do(self, operation: str, arguments: dict[str, Any], link: str = "") -> Any:
        """Raises Refusal and Lost. Everything due has happened before the operation sees the world.

        `link`: over which way the call came; only such calls meet with weather.
        """
        if operation not in self._known:
            raise Refusal("refused", f"no such operation: {operation}; there are {', '.join(sorted(self._known))}")
        if not link:
            return self._carry_out(operation, arguments, link)
        with self._lock:
            self._weather.tidy(self._clock())
            road = self._weather.road(link, operation, arguments)
        if road.lost:
            raise Lost
        if road.broken:
            raise ConnectionResetError
        if road.throttled:
            raise Refusal("throttled", "slow down")
        if road.wait_s:
            self._note_leaving(operation, arguments)
            time.sleep(road.wait_s)
        answer = self._carry_out(operation, arguments, link)
        if road.answer_lost:
            raise Lost
        return answer

    def _note_leaving(self, operation: str, arguments: dict[str, Any]) -> None:
        """An end that comes late: nobody can call it back. See `restart_startds` and `World._join`."""
        for id in arguments["ids"] if operation == "end" else ():
            if id in self._world.vms:
                self._world.vms[id].leaving = True

    def _carry_out(self, operation: str, arguments: dict[str, Any], link: str) -> Any:
        with self._lock:
            now = self._clock()
            self._weather.tidy(now)
            self._world.advance(now)
            self._by.link = link
            return self._known[operation](now, **arguments)

    # --- the pool

    def submit(self, now: float, **job: Any) -> list[int]:
        return self._world.submit(now, **job)

    def finish(self, now: float, ids: list[int] | None = None) -> None:
        self._world.finish(now, ids)

    def jobs(self, now: float) -> list[Any]:
        """[queue, cpus, MiB, state, seconds in it, how many] of all jobs that are not done."""
        alive = self._world.alive_jobs.values()
        counted = Counter((job.queue, job.cpus, job.memory_mib, job.state, int(now - job.since)) for job in alive)
        return [[*kind, jobs] for kind, jobs in counted.items()]

    def machines(self, now: float, of: Collection[str] = ()) -> list[Any]:
        """A row for each startd's slot, as actors.pools.machines reads it; `of`: that advertises one of these ids."""
        here = (vm for of_cloud in self._world.of_cloud.values() for vm in of_cloud.values() if vm.here)
        rows = self._weather.ads(now, {vm.id: self._row(vm, now) for vm in here})
        return [row for row in rows if row[_INSTANCE_ID] in of] if of else rows

    def machine(self, now: float, machine: str, address: str) -> list[Any]:
        vm = self._startd(machine, address)
        vm.looked_at = now
        return self._row(vm, now)

    def _row(self, vm: Vm, now: float) -> list[Any]:
        return [*_row(vm), *self._world.jobs_told(vm, now)]

    def drain(self, now: float, machine: str, address: str, instance_id: str, nonce: str, min_retirement_s: int) -> str:
        return self._world.drain(now, self._startd(machine, address), instance_id, nonce, min_retirement_s)

    def cancel(self, now: float, machine: str, address: str, nonce: str, request_id: str) -> None:
        self._world.cancel(now, self._startd(machine, address), nonce, request_id)

    def evict(
        self, now: float, machine: str, address: str, instance_id: str, nonce: str, request_id: str, new_nonce: str
    ) -> str:
        return self._world.evict(now, self._startd(machine, address), instance_id, nonce, request_id, new_nonce)

    def _startd(self, machine: str, address: str) -> Vm:
        vm = self._world.startd(machine, address)
        if self._weather.silent(vm):
            raise Refusal("away", f"startd {machine} does not answer at {address}")
        return vm

    def jobs_on(self, _: float) -> dict[str, int]:
        """By the name of the startd, and by the id of the instance."""
        running = Counter(job.vm for job in self._world.alive_jobs.values() if job.vm)
        return {place: jobs for id, jobs in running.items() for place in (id, self._world.vms[id].name)}

    # --- the clouds

    def launch(self, now: float, count: int, token: str, request: str, **facts: Any) -> list[Any]:
        """Up to `count`, as far as there is room, or a Refusal.

        `request` is the whole request's text: the same token stands for one text.
        """
        cloud = facts["cloud"]
        known = self._world.tokens.get((cloud, token))
        if known is not None:
            return self._again(*known, request)
        capacity = self._weather.capacity(cloud)
        room = count if capacity is None else capacity - self._world.alive[cloud]
        if room < 1:
            raise Refusal("no-capacity", f"cloud {cloud} is full")
        vms = [self._world.start(now, index=index, token=token, **facts) for index in range(min(count, room))]
        self._world.tokens[cloud, token] = (request, [vm.id for vm in vms])
        return [_instance(vm) for vm in vms]

    def _again(self, first: str, ids: list[str], request: str) -> list[Any]:
        if first != request:
            raise Refusal("token-mismatch", "this token was used for another request")
        vms = [self._world.vms[id] for id in ids]
        if all(vm.state == "terminated" for vm in vms):
            raise Refusal("spent", "what this token started has ended")
        return [_instance(vm) for vm in vms]

    def find(self, _: float, cloud: str, factory: str, intent: str, token: str) -> list[Any]:
        """By intent, or by a token that one of the intent's launches had."""
        known = self._world.tokens.get((cloud, token), ("", []))[1]
        ids = dict.fromkeys([*(vm.id for vm in self._world.of_intent[intent]), *known])
        vms = (self._world.vms[id] for id in ids)
        return [_instance(vm) for vm in vms if vm.cloud == cloud and vm.factory == factory]

    def listing(self, now: float, cloud: str, factory: str) -> list[Any]:
        """[instances of this factory, how many others there are]."""
        self._world.forget(now, self._dead_shown_s)
        self._world.listings[cloud] += 1
        there = self._world.of_cloud[cloud].values()
        mine = [_instance(vm) for vm in there if vm.factory == factory]
        foreign = sum(vm.factory != factory and vm.state != "terminated" for vm in there)
        return [self._weather.listed(cloud, mine), foreign]

    def end(self, now: float, ids: list[str], reason: str = OWNER) -> list[str]:
        """Ids that are not known are gone, and so accepted."""
        for vm in [self._world.vms[id] for id in ids if id in self._world.vms]:
            stuck = self._weather.stuck(vm)
            if stuck > now and not vm.stuck_until and self._weather.asks_once(vm):
                self._world.end_later(stuck, vm, reason, self._by.link)
            if stuck > now:
                vm.stuck_until = stuck
            else:
                self._world.end(now, vm, reason, self._by.link)
        return ids

    def mark_held(self, _: float, cloud: str, ids: list[str], words: str) -> None:
        """Ids that are not known are gone: that does no harm."""
        there = self._world.of_cloud[cloud]
        for id in ids:
            if id in there:
                there[id].held = words

    def notices(self, _: float, cloud: str) -> list[list[str]]:
        """Some messages of a cloud's queue, [receipt, body] each: they come again until they are dropped."""
        return [list(one) for one in itertools.islice(self._world.notices[cloud].items(), _NOTICES_AT_ONCE)]

    def drop_notices(self, _: float, cloud: str, receipts: list[str]) -> None:
        for receipt in receipts:
            self._world.notices[cloud].pop(receipt, None)

    # --- the test's side

    def boot(self, now: float, queue: str, cpus: int, retirement_s: int, **facts: str) -> str:
        """A worker that none of these clouds started: its instance id. `facts`: `id`, for one of a cloud elsewhere."""
        facts = {"cloud": "", **facts}
        vm = self._world.start(now, queue=queue, cpus=cpus, memory_mib=cpus * 4096, retirement_s=retirement_s, **facts)
        return vm.id

    def power_off(self, now: float, id: str) -> None:
        """From inside, as the dead man's switch does."""
        self._world.end(now, self._world.vms[id], INSIDE)

    def weather(self, now: float, kind: str, for_s: float, **settings: Any) -> None:
        self._weather.begin(now, kind, for_s, settings)

    def clear(self, now: float) -> None:
        self._weather.end(now)

    def restart_startds(self, now: float, share: float, seed: int) -> int:
        """How many. Spared are those whose end is under way, or that were empty when they were asked directly, seconds
        ago: between that last look and the end a startd that restarts would take a job, and no factory can help it."""
        some = self._some(share, seed, list(self._world.of_cloud))
        chosen = [vm for vm in some if not (vm.leaving or (vm.drain and now - vm.looked_at < _LAST_LOOK_S))]
        for vm in chosen:
            self._world.restart_startd(now, vm)
        return len(chosen)

    def reclaim(self, now: float, share: float, seed: int, cloud: str) -> int:
        """The cloud takes VMs back, busy or not: how many."""
        chosen = self._some(share, seed, [cloud])
        for vm in chosen:
            self._world.end(now, vm, SPOT)
        return len(chosen)

    def warn(self, now: float, share: float, seed: int, cloud: str, grace_s: float) -> int:
        """The cloud says that it will take VMs back, and does so after `grace_s`: how many. It says it twice, with a
        recommendation about a VM that it does not take, and with a message that is none, all in one queue."""
        chosen = self._some(share, seed, [cloud])
        for vm in chosen:
            vm.warned = vm.warned if vm.warned >= 0 else self._world.listings[cloud]
            for _ in range(2):
                self._world.tell(cloud, _event("EC2 Spot Instance Interruption Warning", vm.id))
            self._world.end_later(now + grace_s, vm, SPOT)
        for vm in self._some(0, seed + 1, [cloud]):
            self._world.tell(cloud, _event("EC2 Instance Rebalance Recommendation", vm.id))
        self._world.tell(cloud, "no notice at all")
        return len(chosen)

    def left(self, _: float) -> list[str]:
        """What is alive, in a line each: for whoever wonders why."""
        alive = (vm for vm in self._world.vms.values() if vm.state != "terminated")
        return [
            f"{vm.id} {vm.cloud} {vm.queue} {vm.intent}-{vm.index} {vm.state} jobs {len(vm.jobs)} drain {vm.drain!r} "
            f"retirement {vm.grants_s} stuck {vm.stuck_until:.0f}"
            for vm in alive
        ]

    def _some(self, share: float, seed: int, clouds: list[str]) -> list[Vm]:
        """Running VMs of these clouds by the seed, at least one if there is one."""
        running = [vm for cloud in clouds for vm in self._world.of_cloud[cloud].values() if vm.here]
        ranked = sorted(running, key=lambda vm: hash((seed, vm.number)))
        return ranked[: max(1, int(len(ranked) * share))]

    def stand(self, _: float) -> dict[str, Any]:
        """How things are, in a few numbers."""
        states = Counter(job.state for job in self._world.alive_jobs.values())
        return {"alive": dict(self._world.alive), "jobs": dict(states), "submitted": len(self._world.jobs)}

    def ledger(self, now: float) -> dict[str, Any]:
        vms, jobs, truth = self._world.vms.values(), self._world.jobs.values(), self._world.ledger
        for vm in vms:
            self._world.settle(vm, now)
        return {
            "jobs": len(jobs),
            "done": sum(job.state == "done" for job in jobs),
            "started_twice": sum(job.starts > 1 for job in jobs),
            "evictions": truth.evictions,
            "evictions_asked_for": truth.evictions_asked_for,
            "killed": truth.killed,
            "started": dict(Counter(vm.cloud for vm in vms)),
            "ended": dict(Counter(vm.cloud for vm in vms if vm.state == "terminated")),
            "ended_by": dict(truth.ended),
            "busy_ends": [_named(end) for end in truth.busy_ends],
            "most_alive": truth.most_alive,
            "order_of_ends": list(truth.ends),
            "usd": sum(vm.paid_usd for vm in vms),
        }

    def record(self, _: float) -> dict[str, list[Any]]:
        """Every job and every VM that ever was, by their fields' names: what a run is judged by."""
        vms = [{name: getattr(vm, name) for name in _OF_VM} for vm in self._world.vms.values()]
        jobs = [{name: getattr(job, name) for name in _OF_JOB} for job in self._world.jobs.values()]
        return {"jobs": jobs, "vms": vms}


def _event(kind: str, instance: str) -> str:
    """As EventBridge writes it."""
    detail = {"instance-id": instance, "instance-action": "terminate"}
    return json.dumps({"source": "aws.ec2", "detail-type": kind, "detail": detail})


def _named(end: BusyEnd) -> dict[str, Any]:
    return {"vm": end.vm, "cloud": end.cloud, "jobs": end.jobs, "by": end.by, "reason": end.reason, "at": end.at}


def _row(vm: Vm) -> list[Any]:
    cpus, memory_mib = vm.free()
    state = "Drained" if vm.drain else "Unclaimed"
    activity = "Retiring" if vm.drain and vm.jobs else "Idle"
    drain = (f"apf {vm.drain}", bool(vm.jobs), str(vm.requests)) if vm.drain else ("", False, "")
    return [
        vm.name, vm.address, vm.id, vm.queue, vm.cloud, OUR_IDENTITY, vm.grants_s, int(vm.joined),
        f"slot1@{vm.name}", state, activity, True, len(vm.jobs), cpus, memory_mib, 10_000, 0, *drain,
    ]  # fmt: skip


def _instance(vm: Vm) -> dict[str, Any]:
    return {
        "id": vm.id,
        "state": vm.state,
        "launched_at": vm.launched,
        "address": vm.address.strip("<>").partition(":")[0],
        "intent": vm.intent,
        "queue": vm.queue,
        "index": vm.index,
        "token": vm.token,
        "market": vm.market,
        "reason": vm.reason,
        "held": vm.held,
        "pool": vm.pool,
    }
