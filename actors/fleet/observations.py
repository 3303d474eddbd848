"""What was seen of the world outside: job classes, startds, instances, and the readings that hold them.

Absence is never evidence. So a reading that failed and a reading that found nothing have different types, and
everything that came out of an ad or a tag is a worker's word: input, not truth.

A reading is one look at one source. `at` is Redis time in seconds, taken *before* the source was asked: whatever
happened after `at` may or may not be in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from actors.fleet.shape import Shape

DRAIN_WORD = "apf "


def drain_reason(nonce: str) -> str:
    """DrainReason of a drain that is ours. Compared as a whole: "x.1" stands inside "x.10"."""
    return f"{DRAIN_WORD}{nonce}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The source was asked and did not answer, or answered what cannot be used. It proves nothing."""

    source: str
    at: float
    reason: str


class Answer(NamedTuple):
    """What the free slots of one cloud's workers say to jobs: whether both Requirements hold, and what they would take.

    `best`: it suits, and the jobs' Rank is nowhere higher in its tier. Amounts are those that are carved from the slot.
    """

    cloud: str
    suits: bool
    best: bool
    cpus: int
    memory_mib: int
    disk_mib: int
    gpus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobClass:
    """Jobs of one queue that are alike: every cloud answers them the same, and they would take the same there.

    `idle` counts those that waited at least the queue's `min_idle_age_s`; younger ones are in `young`. `requirements`,
    `rank` and `attributes` are those of one of them. Where there are no answers (rows of before there were any, pools
    that give none) they are those of all, and are evaluated as they are.

    `apart`: why these jobs are no demand: the schedd does not offer them, or they cannot be read.
    `asks`: where no cloud suits, the attributes of slots that decided that, each with the clouds where it did; what
    else decided it says `decided`.
    """

    queue: str
    request: Shape
    requirements: str = "true"
    rank: str = "0"
    attributes: tuple[tuple[str, str], ...] = ()  # name, ClassAd literal: what Requirements may look at
    idle: int = 0
    young: int = 0
    running: int = 0
    held: int = 0
    answers: tuple[Answer, ...] = ()
    apart: str = ""
    decided: str = ""
    asks: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheddSeen:
    """One schedd's part in a reading; `error` is empty when it answered in full.

    `notes`: what a person should know of jobs that make readings dear, or could not be read: sentences.
    """

    name: str
    error: str = ""
    overlapping: int = 0  # jobs that more than one queue's expression matches; the first queue got them
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSeen:
    """What a source says of one queue beside its jobs.

    `status`: what the workload system says of the queue's site, in its word; empty: it does not say. `unread`: why what
    it said of this queue's jobs cannot be used: they are not known then, though the other queues' are.
    """

    queue: str
    status: str = ""
    unread: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsSeen:
    """Jobs by class over the schedds of a pool. With a schedd missing it may raise a want, never lower one."""

    source: str
    at: float
    classes: tuple[JobClass, ...]
    schedds: tuple[ScheddSeen, ...]
    queues: tuple[QueueSeen, ...] = ()  # of those of which it says something beside their jobs

    @property
    def complete(self) -> bool:
        return bool(self.schedds) and not any(schedd.error for schedd in self.schedds)

    def of(self, queue: str) -> QueueSeen:
        """What the source says of one queue beside its jobs."""
        return next((one for one in self.queues if one.queue == queue), QueueSeen(queue=queue))


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A static or partitionable slot as its startd advertises it (never a dynamic one)."""

    name: str
    state: str  # Owner, Unclaimed, Matched, Claimed, Preempting, Backfill, Drained
    activity: str  # Idle, Busy, Retiring, Vacating, Suspended, Benchmarking, Killing
    partitionable: bool = False
    children: int = 0  # dynamic slots under a partitionable one: each runs, or holds a claim for, a job
    free: Shape = field(default_factory=Shape)  # what a partitionable slot has left; all of a static one
    drain_reason: str = ""  # DrainReason, where our nonce stands
    draining: bool = False
    request_id: str = ""  # DrainingRequestId: restarts at 1 with the startd, so it proves nothing by itself

    @property
    def busy(self) -> bool:
        """Claimed/Idle is busy too: a claim may start its next job at any moment."""
        return self.children > 0 or self.state not in ("Unclaimed", "Drained", "Owner")

    @property
    def drained(self) -> bool:
        return self.state == "Drained" and self.activity == "Idle" and self.children == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """All slots of one startd. `instance_id`, `queue` and `cloud` are what the startd says of itself."""

    name: str  # the startd's Machine attribute, or the name behind the last "@" of its slots
    address: str  # MyAddress: a sinful string
    instance_id: str = ""
    queue: str = ""
    cloud: str = ""
    identity: str = ""  # AuthenticatedIdentity: who advertised it, as the collector saw
    max_retirement_s: int = 0  # MaxJobRetirementTime; 0 means that a graceful drain evicts at once
    started_at: int = 0  # DaemonStartTime by the worker's own clock: tells two lives of a startd apart
    slots: tuple[Slot, ...] = ()
    recent_jobs: int = 0  # starters that ended in the last 20 minutes; 0 also where the startd does not tell
    longest_job_s: float = 0.0  # how long the longest of them lived, with its transfers
    whole: Shape | None = None  # all that its slots have together, taken or not; None: a slot does not tell
    factory: str = ""  # whose worker it says that it is; empty: it does not say
    damaged: str = ""  # what no machine can mean of what it says: then nothing that it says is evidence

    @property
    def busy(self) -> bool:
        return any(slot.busy for slot in self.slots)

    @property
    def nonce(self) -> str:
        """The nonce of the drain that its first slot shows, if it is one of a factory's."""
        reason = self.slots[0].drain_reason if self.slots else ""
        return reason.removeprefix(DRAIN_WORD) if reason.startswith(DRAIN_WORD) else ""

    def draining_for(self, nonce: str) -> bool:
        """Every slot shows the drain that carries this nonce, on its way or done."""
        reason = drain_reason(nonce)
        return bool(self.slots) and all(s.drain_reason == reason and (s.draining or s.drained) for s in self.slots)

    def drained_for(self, nonce: str) -> bool:
        """Every slot is Drained, Idle, without children, and carries this nonce. Anything less proves nothing."""
        return bool(self.slots) and all(s.drained and s.drain_reason == drain_reason(nonce) for s in self.slots)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartdsSeen:
    """The startds that a collector knew. A restarted collector answers in full and empty: judge by what is expected."""

    source: str
    at: float
    machines: tuple[Machine, ...]
    told: str = ""  # which pool it is of, as its workers are told (see `told`); empty: not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One instance as a cloud lists it."""

    id: str
    # pending, stuck (it waits, and will not come), running, ending, stopped, terminated, defunct (it runs nothing, and
    # holds quota until it is ended)
    state: str
    launched_at: float = 0.0  # by the cloud's clock: the birth time of an adopted VM
    address: str = ""  # private address, to hold against the startd's
    intent: str = ""  # tags apf:intent, apf:queue, apf:index
    queue: str = ""
    index: int = -1
    token: str = ""  # the ClientToken it was started with
    market: str = ""  # spot or on-demand
    reason: str = ""  # why it stopped or is stuck, in the cloud's words
    held: str = ""  # its tag apf:held: see `hold_tags`
    pool: str = ""  # its tag apf:pool: what its worker was told to join
    finished: bool = False  # it is over because it ended by itself, as it should
    ran_s: float = 0.0  # how long it ran, of one that is over; 0: it never did, or that is not known

    @property
    def dead(self) -> bool:
        return self.state in ("stopped", "terminated", "defunct")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """All instances that carry this factory's and this cloud's tag. `foreign` ones only count against the quota.

    `foreign_cores`: theirs, as far as the cloud tells.
    """

    source: str
    at: float
    instances: tuple[Instance, ...]
    foreign: int = 0
    foreign_cores: int = 0
