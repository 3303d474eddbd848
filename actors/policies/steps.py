"""Steps: an ordered list of rules that change how many VMs a queue gets, each leaving a sentence.

They are the counterparts of AutoPyFactory's scheduling plugins, with their names and keys, for operators who come from
there. `n` is the change in VMs: n > 0 to start, n < 0 to give up. It comes in as what the jobs need (the packing of
`matchmaking` and `packing`), so a queue without steps needs none; `ready` and `weighted-ready` put APF's own arithmetic
in its place (one VM for each job; when that is none, what no job needs is given up as ever). Only what changes `n`
leaves a sentence.

Draining VMs are neither pending nor running, as in APF. Unlike there, the order of steps is the operator's, a step that
is not known is a mistake, and no step can carry `n` past what was promised: limits and holds come after the steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Protocol

from actors.fleet.nearest import nearest
from actors.fleet.number_of import number_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What steps may look at. Jobs: `ready`. VMs of the queue: `pending` (under way), `running` (joined).

    `grown`: VMs added less VMs given up in the running cycle. `started`: in the queue's life. `factory`: VMs of all
    queues. `ended`, `short`: VMs that ended lately, and those of them that lived for a moment only. `status`: what the
    workload system says of the site, in its word: online, test, brokeroff, or one of OFFLINE.
    """

    ready: int = 0
    pending: int = 0
    running: int = 0
    grown: int = 0
    started: int = 0
    factory: int = 0
    ended: int = 0
    short: int = 0
    status: str = "online"

    @property
    def workers(self) -> int:
        return self.pending + self.running


STARTED, ENDED, STATUS = "started", "ended", "status"
OFFLINE = ("offline", "standby", "maintenance")  # while a site is so, its jobs are no demand


class Step(Protocol):
    """One rule. `apply` gives the new `n` and why; the sentence is used only where `n` changed.

    A step that looks at more than the present says so in a class attribute `asks`, with some of: STARTED, for
    `Counts.started`; ENDED, for `ended` and `short`, by its own `interval_s` and `maxtime_s`; STATUS. What no step of a
    queue asks for is not counted.
    """

    name: ClassVar[str]

    def apply(self, n: int, counts: Counts) -> tuple[int, str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """One VM for each waiting job beyond `offset`, less those under way."""

    name: ClassVar[str] = "ready"
    offset: int = 0

    def apply(self, n: int, counts: Counts) -> tuple[int, str]:
        less = f" - {self.offset} offset" if self.offset else ""
        wanted = max(0, counts.ready - self.offset - counts.pending)
        return wanted or min(n, 0), f"{number_of(counts.ready, 'ready job')}{less} - {counts.pending} pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedReady:
    """As `ready`, with a weight for each count; fractions are cut off."""

    name: ClassVar[str] = "weighted-ready"
    ready: float = 1.0
    pending: float = 1.0

    def apply(self, n: int, counts: Counts) -> tuple[int, str]:
        wanted = max(0, int(counts.ready * self.ready) - int(counts.pending * self.pending))
        return wanted or min(
            n, 0
        ), f"{number_of(counts.ready, 'ready job')} * {self.ready:g} - {counts.pending} pending * {self.pending:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """`n` times `factor`, rounded up."""

    name: ClassVar[str] = "scale"
    factor: float = 1.0

    def apply(self, n: int, counts: Counts) -> tuple[int, str]:
        return math.ceil(n * self.factor), f"times {self.factor:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """Always the same number of new VMs in a cycle, whatever the jobs."""

    name: ClassVar[str] = "fixed"
    vms: int

    def apply(self, n: int, counts: Counts) -> tuple[int, str]:
        return max(0, self.vms - max(0, counts.grown)), f"{self.vms} in a cycle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Null:
    """No change at all."""

    name: ClassVar[str] = "null"

    def apply(self, n: int, counts: Counts) -> tuple[int, str]:
        return 0, "nothing is started nor given up"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepNRunning:
    """So many VMs, no more, no less. Without `keep_running` the `n` so far is that number; 0 is a number."""

    name: ClassVar[str] = "keep-n-running"
    keep_running: int | None = None

    def apply(self, n: int, counts: Counts) -> tuple[int, str]:
        keep = n if self.keep_running is None else self.keep_running
        return keep - counts.workers, f"keep {keep} - {counts.workers} that there are"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepNQueueLife:
    """Start VMs until so many were started in the queue's life; from then on only what no job needs is given up."""

    name: ClassVar[str] = "keep-n-queue-life"
    asks: ClassVar[tuple[str, ...]] = (STARTED,)
    njobs: int

    def apply(self, n: int, counts: Counts) -> tuple[int, str]:
        wanted = max(0, self.njobs - counts.started)
        return wanted or min(n, 0), f"{self.njobs} in the queue's life, {counts.started} were started"


@dataclass(frozen=True, slots=True, kw_only=True)
class MinPending:
    """At least so many VMs under way."""

    name: ClassVar[str] = "min-pending"
    minimum: int

    def apply(self, n: int, counts: Counts) -> tuple[int, str]:
        return max(n, self.minimum - counts.pending), f"at least {self.minimum} pending, there are {counts.pending}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPending:
    """At most so many VMs under way. It starts fewer; it gives none up."""

    name: ClassVar[str] = "max-pending"
    maximum: int

    def apply(self, n: int, counts: Counts) -> tuple[int, str]:
        most = max(0, self.maximum - counts.pending)
        return min(n, most), f"at most {self.maximum} pending, there are {counts.pending}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxToRun:
    """At most so many VMs in all; with more, the rest is given up."""

    name: ClassVar[str] = "max-to-run"
    maximum: int

    def apply(self, n: int, counts: Counts) -> tuple[int, str]:
        return min(n, self.maximum - counts.workers), f"at most {self.maximum} in all, there are {counts.workers}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MinPerCycle:
    """At least so many more in a cycle; a negative `minimum` bounds how many are given up in one."""

    name: ClassVar[str] = "min-per-cycle"
    minimum: int

    def apply(self, n: int, counts: Counts) -> tuple[int, str]:
        done = max(0, counts.grown) if self.minimum > 0 else min(0, counts.grown)
        return max(n, self.minimum - done), f"at least {self.minimum} in a cycle, {done} done"


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPerCycle:
    """At most so many more in a cycle."""

    name: ClassVar[str] = "max-per-cycle"
    maximum: int

    def apply(self, n: int, counts: Counts) -> tuple[int, str]:
        done = max(0, counts.grown)
        return min(n, max(0, self.maximum - done)), f"at most {self.maximum} in a cycle, {done} done"


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPerFactory:
    """At most so many VMs over all queues of the factory. It starts fewer; it gives none up."""

    name: ClassVar[str] = "max-per-factory"
    maximum: int

    def apply(self, n: int, counts: Counts) -> tuple[int, str]:
        most = max(0, self.maximum - counts.factory)
        return min(n, most), f"at most {self.maximum} in the factory, there are {counts.factory}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusTest:
    """While the site is in test: this many VMs under way, and no more."""

    name: ClassVar[str] = "status-test"
    asks: ClassVar[tuple[str, ...]] = (STATUS,)
    pilots: int = 0

    def apply(self, n: int, counts: Counts) -> tuple[int, str]:
        return _while(counts, ("test",), n, self.pilots)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusOffline:
    """While the site is offline, in standby or in maintenance: this many VMs under way, and no more."""

    name: ClassVar[str] = "status-offline"
    asks: ClassVar[tuple[str, ...]] = (STATUS,)
    pilots: int = 0

    def apply(self, n: int, counts: Counts) -> tuple[int, str]:
        return _while(counts, OFFLINE, n, self.pilots)


def _while(counts: Counts, statuses: tuple[str, ...], n: int, pilots: int) -> tuple[int, str]:
    if counts.status not in statuses:
        return n, ""
    return max(0, pilots - counts.pending), f"the site is in {counts.status}: {pilots} pending, no more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """A black hole: when more than `ratio` of the VMs that ended lately lived for a moment only, start only `submit`
    in a cycle.

    "Lately" is the last `interval_s`, "a moment" is up to `maxtime_s` after it joined; who counts them is told both.
    """

    name: ClassVar[str] = "throttle"
    asks: ClassVar[tuple[str, ...]] = (ENDED,)
    ratio: float = 0.5
    submit: int = 1
    interval_s: float = 3600.0
    maxtime_s: float = 10.0

    def apply(self, n: int, counts: Counts) -> tuple[int, str]:
        if not counts.ended or counts.short <= self.ratio * counts.ended:
            return n, ""
        most = max(0, self.submit - max(0, counts.grown))
        return min(n, most), f"{counts.short} of {number_of(counts.ended, 'VM')} ended within {self.maxtime_s:g} s"


STEPS: dict[str, type[Any]] = {
    step.name: step
    for step in (
        Ready, WeightedReady, Scale, Fixed, Null, KeepNRunning, KeepNQueueLife, MinPending, MaxPending, MaxToRun,
        MinPerCycle, MaxPerCycle, MaxPerFactory, StatusTest, StatusOffline, Throttle,
    )
}  # fmt: skip


def asks(step: object) -> tuple[str, ...]:
    """What a step, or a kind of step, looks at beyond the present."""
    return tuple(getattr(step, "asks", ()))


def run(steps: Iterable[Step], n: int, counts: Counts) -> tuple[int, tuple[str, ...]]:
    """`n` after all steps, and a sentence for each that changed it."""
    sentences = []
    for step in steps:
        after, why = step.apply(n, counts)
        if after != n:
            sentences.append(f"{step.name}: {n:+d} becomes {after:+d}: {why}")
        n = after
    return n, tuple(sentences)


def make(settings: Mapping[str, Any], known: Mapping[str, type[Any]] = STEPS) -> Step:
    """The step that `{step = "scale", factor = 0.5}` says. Raises ValueError with what is allowed."""
    name = settings.get("step")
    if name not in known:
        near = nearest(str(name), known)
        hint = f"did you mean {near!r}?" if near else f"known: {', '.join(known)}"
        raise ValueError(f"step {name!r} is not known ({hint})")
    kind = known[str(name)]
    keys = {field.name: field for field in fields(kind)}
    given = {key: value for key, value in settings.items() if key != "step"}
    for key, value in given.items():
        _check(str(name), key, value, keys)
    missing = [key for key, field in keys.items() if field.default is MISSING and key not in given]
    if missing:
        raise ValueError(f"step {name!r} needs {', '.join(missing)}")
    step: Step = kind(**given)
    return step


def _check(name: str, key: str, value: Any, keys: Mapping[str, Any]) -> None:
    if key not in keys:
        raise ValueError(f"step {name!r} has no {key!r} (known: {', '.join(keys) or 'no key at all'})")
    whole = "float" not in str(keys[key].type)
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise ValueError(  # noqa: TRY004
            f"{key} of step {name!r}: seen {value!r}; allowed: a {'whole ' if whole else ''}number"
        )
