"""An HTCondor pool, seen from the host. All calls run in children (see `child_lanes`): htcondor2 is never imported
here.

Three lanes, so that nothing waits for what hangs elsewhere: `schedds` (jobs), `collector` (startds), and `startds`
(look, drain, cancel). A reading's rows come in pieces and become objects while the child makes the next piece.

The rules:
- A schedd that fails is named, with its error; the others count. One that hung is asked again on the side, and a
  reading waits for it only `_GRACE_S`, so that a frozen schedd costs its time limit once, not each time.
- With no schedds named in the configuration all that the collector knows are asked. One that it knew once and does not
  name any more is asked where it was last, for as long as this process lives: a restarted collector has forgotten
  schedds that run (for up to 5 minutes at stock intervals), and absence is never evidence. One that does not answer
  there is an error.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from math import inf
from typing import Any

from actors.config.findings import Finding
from actors.config.schema import Config, HtcondorPool
from actors.fleet.observations import Answer as CloudAnswer
from actors.fleet.observations import JobClass, JobsSeen, Machine, ScheddSeen, StartdsSeen
from actors.fleet.shape import Shape
from actors.pools.htcondor.check import check
from actors.pools.htcondor.child_lanes import ChildFailed, Lane, TaskFailed
from actors.pools.machines import MachineMemory, machines_of
from actors.pools.machines import machine as machine_of
from actors.pools.port import NO_SLOTS, Drain, PoolAway, PoolDenied, PoolError, PoolRefused, PoolWrong, Slots
from actors.pools.together import SharedQuestion

_TASKS = "actors.pools.htcondor.condor_tasks"
_GRACE_S = 1.0
_CONFIG_S = 300.0  # so long the negotiator's configuration is believed
_REMEDIES: dict[str, type[PoolError]] = {
    "away": PoolAway,
    "denied": PoolDenied,
    "refused": PoolRefused,
    "wrong": PoolWrong,
}

QueueSpec = tuple[str, str, str, float]
Avoided = tuple[int, ...]  # clusters
Arguments = Callable[[str], tuple[Any, ...]]  # of a task, by schedd
Answer = Future[list[Any]]


class Htcondor:
    """One pool of the configuration. Makes no call before it is asked; its children start when they are needed."""

    def __init__(self, name: str, config: HtcondorPool, queues: tuple[QueueSpec, ...], *, children: int = 2) -> None:
        """`queues`: name, jobs expression, start expression, min_idle_age_s, in the configuration's order."""
        self.name, self._config, self._queues = name, config, queues
        settings = (config.collector, config.token_directory or "", config.trust_domain or "", config.timeout_s)
        limit_s = config.timeout_s
        self._schedd_lane = Lane(_TASKS, settings, most=children, limit_s=limit_s)
        self._collector_lane = Lane(_TASKS, settings, most=1, limit_s=limit_s)
        self._startd_lane = Lane(_TASKS, settings, most=children, limit_s=limit_s)
        self._threads = ThreadPoolExecutor(max(2, children) + 1, thread_name_prefix=f"pool-{name}")
        self._lock = threading.Lock()
        self._one_reading = threading.Lock()
        self._memory = MachineMemory()
        self._places_asked = SharedQuestion(self._jobs_on)
        self._known: dict[str, str] = {}
        self._asked_again: dict[str, Answer] = {}
        self._without: dict[str, Avoided] = {}
        self._limits: tuple[Any, ...] = ({}, {}, {})  # of running jobs, see `run_limits`
        self._shared: dict[str, float] = {}
        self._shared_at = -inf
        self._asking: Future[Any] | None = None

    @classmethod
    def of(cls, name: str, config: Config) -> Htcondor:
        """The pool of this name, with its queues in the configuration's order."""
        pool = config.pools[name]
        if not isinstance(pool, HtcondorPool):
            raise TypeError(f"pool {name} is of kind {pool.kind}")
        queues = tuple((n, q.jobs, q.start, q.min_idle_age_s) for n, q in config.queues.items() if q.pool == name)
        return cls(name, pool, queues, children=config.factory.actors.children)

    def jobs(self, now: float, slots: Slots = NO_SLOTS) -> JobsSeen:
        found: dict[tuple[Any, ...], JobClass] = {}
        seen = []

        def arguments(schedd: str) -> tuple[Any, ...]:
            return self._queues, dict(slots), self._avoided(schedd), (*self._limits[:2], self._shared_limits())

        for schedd, answer in self._each_schedd("jobs", arguments):
            if isinstance(answer, PoolError):
                seen.append(ScheddSeen(name=schedd, error=str(answer)))
                continue
            (overlapping, notes, avoided), *parts = answer
            self._heed(schedd, avoided)
            seen.append(ScheddSeen(name=schedd, overlapping=overlapping, notes=notes))
            _add(found, parts)
        classes = tuple(found.values())
        return JobsSeen(source=self.name, at=now, classes=classes, schedds=tuple(seen))

    def startds(self, now: float) -> StartdsSeen:
        with self._one_reading, _remedied("startds"):
            machines = self._memory.reading(self._collector_lane.stream("startds", self._memory.last))
        return StartdsSeen(source=self.name, at=now, machines=machines)

    def joined(self, instance_ids: tuple[str, ...]) -> tuple[Machine, ...]:
        with _remedied("startds"):
            return machines_of(self._collector_lane.call("joined", instance_ids))

    def drain(self, order: Drain) -> str:
        return str(self._startd("drain", order, order.instance_id, order.nonce, order.min_retirement_s))

    def cancel(self, order: Drain, request_id: str) -> None:
        self._startd("cancel", order, order.nonce, request_id)

    def evict(self, order: Drain, request_id: str, nonce: str) -> str:
        return str(self._startd("evict", order, order.instance_id, order.nonce, request_id, nonce))

    def look(self, machine: str, address: str) -> Machine:
        with _remedied(f"startd {machine} at {address}"):
            return machine_of(tuple(self._startd_lane.call("look", machine, address, key=address)))

    def jobs_on(self, places: tuple[str, ...]) -> dict[str, int]:
        return self._places_asked.ask(places)

    def _jobs_on(self, places: tuple[str, ...]) -> dict[str, int]:
        found = dict.fromkeys(places, 0)
        for schedd, answer in self._each_schedd("jobs_on", lambda _: (places,)):
            if isinstance(answer, PoolError):
                raise PoolAway(f"schedd {schedd} did not answer in full, so nothing is known of running jobs: {answer}")
            for place, jobs in answer[0].items():
                found[place] += jobs
        return found

    def advertised(self, names: tuple[str, ...]) -> dict[tuple[str, str], dict[str, str]]:
        with _remedied("startds"):
            found = self._collector_lane.call("advertised", names)
        return {(name, address): attributes for name, address, attributes in found}

    def wake(self) -> None:
        with _remedied("negotiator"):
            self._collector_lane.call("wake")

    def check(self) -> tuple[Finding, ...]:
        """For `apf check --live`: who answers, what each queue finds, and whether we may drain."""
        return check(self, tuple(name for name, *_ in self._queues))

    def may_administer(self, machine: Machine) -> None:
        """Returns if this startd takes our drains; else a PoolError says why not. Changes nothing."""
        with _remedied(f"startd {machine.name} at {machine.address}"):
            self._startd_lane.call("may_administer", machine.name, machine.address, key=machine.address)

    def close(self) -> None:
        for lane in (self._schedd_lane, self._collector_lane, self._startd_lane):
            lane.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def pids(self) -> list[int]:
        """The child processes that are there now."""
        return [*self._schedd_lane.pids(), *self._collector_lane.pids(), *self._startd_lane.pids()]

    def _startd(self, task: str, order: Drain, *args: Any) -> Any:
        with _remedied(f"startd {order.machine} at {order.address}"):
            return self._startd_lane.call(task, order.machine, order.address, *args, key=order.address)

    def _each_schedd(self, task: str, arguments: Arguments) -> list[tuple[str, list[Any] | PoolError]]:
        """(name, answers or error) of each schedd that is to be asked. PoolAway if the collector names none."""
        here = self._schedds()
        slow = {name for name in here if self._schedd_lane.is_slow(name)}
        asked = {n: self._ask(task, n, here[n], arguments(n)) for n in here if here[n] and n not in slow}
        again = {name: self._ask_again(task, name, here[name], arguments(name)) for name in slow if here[name]}
        wait(asked.values())
        wait(again.values(), timeout=_GRACE_S)
        answers = {**asked, **again}
        return [(name, _outcome(name, answers.get(name))) for name in here]

    def _schedds(self) -> dict[str, str]:
        """Name -> last known address, empty for one that the collector never named."""
        with _remedied("schedds"):
            schedds, self._limits = self._collector_lane.stream("schedds", self._config.schedds)
        found = dict(schedds)
        with self._lock:
            self._known.update(found)
            known = {name.lower() for name in self._known}
            never = [name for name in self._config.schedds if name.lower() not in known]
            return {**self._known, **dict.fromkeys(never, "")}

    def _ask(self, task: str, name: str, address: str, arguments: tuple[Any, ...]) -> Answer:
        def asking() -> list[Any]:
            try:
                with _remedied(f"schedd {name} at {address}"):
                    return list(self._schedd_lane.stream(task, name, address, *arguments, key=name))
            except PoolAway:
                if task == "jobs":
                    self._ask_otherwise(name)
                raise

        return self._threads.submit(asking)

    def _ask_again(self, task: str, name: str, address: str, arguments: tuple[Any, ...]) -> Answer:
        """One that hung is asked by one thread at a time, however many readings come by."""
        with self._lock:
            under_way = self._asked_again.get(name)
            if under_way is None or under_way.done():
                under_way = self._asked_again[name] = self._ask(task, name, address, arguments)
            return under_way

    def _shared_limits(self) -> dict[str, float]:
        """Concurrency limits, as the negotiator's configuration said them last. It is asked on the side, now and then:
        it may be frozen, or tell us nothing, and then nothing is limited.
        """
        with self._lock:
            if time.monotonic() - self._shared_at > _CONFIG_S and (self._asking is None or self._asking.done()):
                self._shared_at = time.monotonic()
                self._asking = self._threads.submit(self._startd_lane.call, "shared_limits", key="negotiator")
                wait([self._asking], timeout=_GRACE_S)
            if self._asking and self._asking.done() and not self._asking.exception():
                self._shared = self._asking.result()
            return self._shared

    def _avoided(self, schedd: str) -> Avoided | None:
        """None: it is asked for groups. Else for each job, without these clusters."""
        with self._lock:
            return self._without.get(schedd)

    def _ask_otherwise(self, schedd: str) -> None:
        """It hung: next time in the other way, for it may be one job that it cannot group, or all of them too many."""
        with self._lock:
            if self._without.pop(schedd, None) is None:
                self._without[schedd] = ()

    def _heed(self, schedd: str, avoided: Avoided | None) -> None:
        """What it said is better not asked for; once that is gone, it is asked for groups again."""
        with self._lock:
            self._without.pop(schedd, None)
            if avoided:
                self._without[schedd] = tuple(avoided)


def _outcome(name: str, answer: Answer | None) -> list[Any] | PoolError:
    if answer is None:
        return PoolAway(f"the collector does not know schedd {name}")
    if not answer.done():
        return PoolAway(f"schedd {name} hung when it was last asked, and has not answered since")
    error = answer.exception()
    if isinstance(error, PoolError):
        return error
    return answer.result()


@contextmanager
def _remedied(what: str) -> Iterator[None]:
    """Name what went wrong in a child by its remedy."""
    try:
        yield
    except TaskFailed as failed:
        raise _REMEDIES[failed.kind](str(failed)) from failed
    except ChildFailed as failed:
        raise PoolAway(f"{what}: {failed}") from failed


_CLASS = 11  # what comes before the counts in a row


def _add(found: dict[tuple[Any, ...], JobClass], parts: list[list[tuple[Any, ...]]]) -> None:
    """Sum a schedd's rows into the classes. Of two schedds, what they answer is alike, whatever their samples say."""
    for part in parts:
        for row in part:
            queue, *sample, answers, apart, decided = row[:_CLASS]
            key = (queue, answers, apart, decided, *(() if answers else sample))
            new = _job_class(row)
            old = found.get(key)
            found[key] = new if old is None else _sum(old, new)


def _sum(old: JobClass, new: JobClass) -> JobClass:
    return replace(
        old,
        idle=old.idle + new.idle,
        young=old.young + new.young,
        running=old.running + new.running,
        held=old.held + new.held,
    )


def _job_class(row: tuple[Any, ...]) -> JobClass:
    queue, cpus, memory_mib, disk_mib, gpus, requirements, rank, attributes, answers, apart, decided = row[:_CLASS]
    idle, young, running, held = row[_CLASS:]
    return JobClass(
        queue=queue,
        request=Shape(cpus=cpus, memory_mib=memory_mib, disk_mib=disk_mib, gpus=gpus),
        requirements=requirements,
        rank=rank,
        attributes=attributes,
        idle=idle,
        young=young,
        running=running,
        held=held,
        answers=tuple([CloudAnswer(*answer) for answer in answers]),
        apart=apart,
        decided=decided[0],
        asks=decided[1],
    )
