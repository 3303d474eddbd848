"""A pool in a simulated world: the same promises as HTCondor's, without HTCondor. See deploy/lab/world."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from classad2 import ClassAd, ExprTree, quote

from actors.clouds.simulated.link import WorldAway, WorldLink, WorldRefused
from actors.config.findings import Finding
from actors.config.schema import Config, SimulatedPool
from actors.fleet.number_of import number_of
from actors.fleet.observations import JobClass, JobsSeen, Machine, ScheddSeen, StartdsSeen
from actors.fleet.shape import Shape
from actors.pools.machines import machine as machine_of
from actors.pools.port import NO_SLOTS, Drain, PoolAway, PoolRefused, PoolWrong, Slots

_COUNTS = ("idle", "young", "running", "held")


class WorldPool:
    """One pool of the configuration. `queues`: name, jobs expression, min_idle_age_s, in the configuration's order."""

    def __init__(self, name: str, config: SimulatedPool, queues: tuple[tuple[str, str, float], ...]) -> None:
        self.name, self._queues = name, queues
        self._link = WorldLink(config.world, config.timeout_s)

    @classmethod
    def of(cls, name: str, config: Config) -> WorldPool:
        pool = config.pools[name]
        if not isinstance(pool, SimulatedPool):
            raise TypeError(f"pool {name} is of kind {pool.kind}")
        queues = tuple((n, q.jobs, q.min_idle_age_s) for n, q in config.queues.items() if q.pool == name)
        return cls(name, pool, queues)

    def jobs(self, now: float, slots: Slots = NO_SLOTS) -> JobsSeen:
        counts: dict[tuple[str, str, int, int], dict[str, int]] = defaultdict(lambda: dict.fromkeys(_COUNTS, 0))
        overlapping = 0
        for label, cpus, memory_mib, state, age_s, jobs in self._ask("jobs"):
            matching = [queue for queue in self._queues if _matches(queue[1], label)]
            overlapping += jobs if len(matching) > 1 else 0
            if matching:
                name, _, min_age_s = matching[0]
                column = "young" if state == "idle" and age_s < min_age_s else state
                counts[name, label, cpus, memory_mib][column] += jobs
        classes = tuple(
            JobClass(
                queue=name,
                request=Shape(cpus=cpus, memory_mib=memory_mib),
                attributes=(("MATCH_APF_QUEUE", str(quote(label))),),
                idle=columns["idle"],
                young=columns["young"],
                running=columns["running"],
                held=columns["held"],
            )
            for (name, label, cpus, memory_mib), columns in counts.items()
        )
        schedd = ScheddSeen(name="world", overlapping=overlapping)
        return JobsSeen(source=self.name, at=now, classes=classes, schedds=(schedd,))

    def startds(self, now: float) -> StartdsSeen:
        machines = tuple(machine_of((tuple(row),)) for row in self._ask("machines"))
        return StartdsSeen(source=self.name, at=now, machines=machines)

    def joined(self, instance_ids: tuple[str, ...]) -> tuple[Machine, ...]:
        return tuple(machine_of((tuple(row),)) for row in self._ask("machines", of=instance_ids))

    def drain(self, order: Drain) -> str:
        return str(
            self._ask(
                "drain",
                machine=order.machine,
                address=order.address,
                instance_id=order.instance_id,
                nonce=order.nonce,
                min_retirement_s=order.min_retirement_s,
            )
        )

    def cancel(self, order: Drain, request_id: str) -> None:
        self._ask("cancel", machine=order.machine, address=order.address, nonce=order.nonce, request_id=request_id)

    def evict(self, order: Drain, request_id: str, nonce: str) -> str:
        told = {"instance_id": order.instance_id, "nonce": order.nonce, "request_id": request_id, "new_nonce": nonce}
        return str(self._ask("evict", machine=order.machine, address=order.address, **told))

    def look(self, machine: str, address: str) -> Machine:
        return machine_of((tuple(self._ask("machine", machine=machine, address=address)),))

    def jobs_on(self, places: tuple[str, ...]) -> dict[str, int]:
        running = self._ask("jobs_on")
        return {place: running.get(place, 0) for place in places}

    def wake(self) -> None:
        """Its world matches whenever something changes."""

    def check(self) -> tuple[Finding, ...]:
        try:
            machines = len(self._ask("machines"))
        except PoolAway as error:
            return (Finding(what="world", ok=False, text=str(error)),)
        return (Finding(what="world", ok=True, text=f"answers; {number_of(machines, 'startd')}"),)

    def close(self) -> None:
        """There is nothing to end: each call has a connection of its own."""

    def _ask(self, operation: str, **arguments: Any) -> Any:
        with _remedied():
            return self._link.call(operation, **arguments)


@contextmanager
def _remedied() -> Iterator[None]:
    try:
        yield
    except WorldAway as away:
        raise PoolAway(str(away)) from away
    except WorldRefused as refused:
        raise {"away": PoolAway, "wrong": PoolWrong}.get(refused.kind, PoolRefused)(str(refused)) from refused


@lru_cache(maxsize=10_000)
def _matches(expression: str, label: str) -> bool:
    """A job of the world has one attribute that expressions may ask for, besides its universe."""
    ad = ClassAd({"MATCH_APF_QUEUE": label, "JobUniverse": 5})
    return ExprTree(expression).eval(ad) is True
