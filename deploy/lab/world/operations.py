"""What can be asked of a world: the pool's side, the clouds' side, and the test's."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from deploy.lab.world.model import Refusal, Vm, World

_DEAD_SHOWN_S = 3600.0
_OF_JOB = ("id", "queue", "state", "starts", "evictions", "submitted", "started", "done", "ran_on")
_OF_VM = ("id", "name", "cloud", "intent", "decision", "token", "usd_per_hour", "launched", "state", "reason", "ended")


class Operations:
    """A world with a clock and a lock. `do` is the only way in."""

    def __init__(self, world: World, clock: Callable[[], float]) -> None:
        self._world, self._clock = world, clock
        self._lock = threading.Lock()
        self._known: dict[str, Callable[..., Any]] = {
            operation.__name__: operation
            for operation in (
                self.submit, self.jobs, self.machines, self.machine, self.drain, self.cancel, self.jobs_on,
                self.launch, self.find, self.listing, self.end, self.boot, self.power_off, self.ledger,
                self.record,
            )
        }  # fmt: skip

    def do(self, operation: str, arguments: dict[str, Any]) -> Any:
        """Raises Refusal. Everything due has happened before the operation sees the world."""
        if operation not in self._known:
            raise Refusal("refused", f"no such operation: {operation}; there are {', '.join(sorted(self._known))}")
        with self._lock:
            now = self._clock()
            self._world.advance(now)
            return self._known[operation](now, **arguments)

    def submit(self, now: float, **job: Any) -> list[int]:
        return self._world.submit(now, **job)

    def jobs(self, now: float) -> list[Any]:
        """[queue, cpus, MiB, state, seconds in it, how many] of all jobs that are not done."""
        alive = (job for job in self._world.jobs.values() if job.state != "done")
        counted = Counter((job.queue, job.cpus, job.memory_mib, job.state, int(now - job.since)) for job in alive)
        return [[*kind, jobs] for kind, jobs in counted.items()]

    def machines(self, _: float) -> list[Any]:
        """A row for each startd's slot, as actors.pools.machines reads it."""
        return [_row(vm) for vm in self._world.vms.values() if vm.here]

    def machine(self, _: float, machine: str, address: str) -> list[Any]:
        return _row(self._world.startd(machine, address))

    def drain(self, now: float, machine: str, address: str, instance_id: str, nonce: str, min_retirement_s: int) -> str:
        return self._world.drain(now, self._world.startd(machine, address), instance_id, nonce, min_retirement_s)

    def cancel(self, now: float, machine: str, address: str, nonce: str, request_id: str) -> None:
        self._world.cancel(now, self._world.startd(machine, address), nonce, request_id)

    def jobs_on(self, _: float) -> dict[str, int]:
        return {vm.name: len(vm.jobs) for vm in self._world.vms.values() if vm.jobs}

    def launch(self, now: float, count: int, token: str, request: str, **facts: Any) -> list[Any]:
        """Up to `count`, as far as there is room, or a Refusal.

        `request` is the whole request's text: the same token stands for one text.
        """
        known = self._world.tokens.get((facts["cloud"], token))
        if known is not None:
            return self._again(*known, request)
        alive = sum(vm.state != "terminated" for vm in self._world.vms.values() if vm.cloud == facts["cloud"])
        room = self._world.capacity[facts["cloud"]] - alive if facts["cloud"] in self._world.capacity else count
        if room < 1:
            raise Refusal("no-capacity", f"cloud {facts['cloud']} is full")
        vms = [self._world.start(now, index=index, token=token, **facts) for index in range(min(count, room))]
        self._world.tokens[facts["cloud"], token] = (request, [vm.id for vm in vms])
        return [_instance(vm) for vm in vms]

    def _again(self, first: str, ids: list[str], request: str) -> list[Any]:
        if first != request:
            raise Refusal("token-mismatch", "this token was used for another request")
        vms = [self._world.vms[id] for id in ids]
        if all(vm.state == "terminated" for vm in vms):
            raise Refusal("spent", "what this token started has ended")
        return [_instance(vm) for vm in vms]

    def find(self, _: float, cloud: str, factory: str, intent: str, token: str) -> list[Any]:
        mine = (vm for vm in self._world.vms.values() if vm.cloud == cloud and vm.factory == factory)
        return [_instance(vm) for vm in mine if intent == vm.intent or token == vm.token]

    def listing(self, now: float, cloud: str, factory: str) -> list[Any]:
        """[instances of this factory, how many others there are]."""
        there = [
            vm
            for vm in self._world.vms.values()
            if vm.cloud == cloud and (vm.state != "terminated" or vm.ended > now - _DEAD_SHOWN_S)
        ]
        mine = [vm for vm in there if vm.factory == factory]
        foreign = sum(vm.factory != factory and vm.state != "terminated" for vm in there)
        return [[_instance(vm) for vm in mine], foreign]

    def end(self, now: float, ids: list[str], reason: str = "ended by its owner") -> list[str]:
        """Ids that are not known are gone, and so accepted."""
        for id in ids:
            if id in self._world.vms:
                self._world.end(now, self._world.vms[id], reason)
        return ids

    def boot(self, now: float, queue: str, cpus: int, retirement_s: int) -> str:
        """A worker of no factory, there at once: its instance id."""
        vm = self._world.start(now, cloud="", queue=queue, cpus=cpus, memory_mib=cpus * 4096, retirement_s=retirement_s)
        return vm.id

    def power_off(self, now: float, id: str) -> None:
        """From inside, as the dead man's switch does."""
        self._world.end(now, self._world.vms[id], "shut down from inside")

    def ledger(self, now: float) -> dict[str, Any]:
        vms, jobs = self._world.vms.values(), self._world.jobs.values()
        return {
            "jobs": len(jobs),
            "done": sum(job.state == "done" for job in jobs),
            "started_twice": sum(job.starts > 1 for job in jobs),
            "evictions": self._world.ledger.evictions,
            "killed": self._world.ledger.killed,
            "started": dict(Counter(vm.cloud for vm in vms)),
            "ended": dict(Counter(vm.cloud for vm in vms if vm.state == "terminated")),
            "order_of_ends": list(self._world.ledger.ends),
            "usd": sum(vm.usd_per_hour * ((vm.ended or now) - vm.launched) / 3600 for vm in vms),
        }

    def record(self, _: float) -> dict[str, list[Any]]:
        """Every job and every VM that ever was, by their fields' names: what a run is judged by."""
        vms = [{name: getattr(vm, name) for name in _OF_VM} for vm in self._world.vms.values()]
        jobs = [{name: getattr(job, name) for name in _OF_JOB} for job in self._world.jobs.values()]
        return {"jobs": jobs, "vms": vms}


def _row(vm: Vm) -> list[Any]:
    cpus, memory_mib = vm.free()
    state = "Drained" if vm.drain else "Unclaimed"
    activity = "Retiring" if vm.drain and vm.jobs else "Idle"
    drain = (f"apf {vm.drain}", bool(vm.jobs), str(vm.requests)) if vm.drain else ("", False, "")
    return [
        vm.name, vm.address, vm.id, vm.queue, vm.cloud, "worker@sim", vm.retirement_s, int(vm.joined),
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
    }
