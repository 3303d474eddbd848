"""What there is in a simulated world: jobs, instances with the startd on each, and the ledger of their ends."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

YEARS_S = 315_360_000
OWNER = "ended by its owner"
INSIDE = "shut down from inside"
SPOT = "spot: no longer at this price"


class Refusal(Exception):
    """The world says no; `kind` is the remedy's name on the wire."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(slots=True, kw_only=True)
class Job:
    id: int
    queue: str
    seconds: float
    cpus: int = 1
    memory_mib: int = 0
    state: str = "idle"  # idle, running, held, done
    since: float = 0.0
    starts: int = 0
    vm: str = ""
    submitted: float = 0.0
    started: float = 0.0  # first
    done: float = 0.0
    ran_on: str = ""  # the VM of its last start
    evictions: int = 0
    failed: bool = False  # it ended at once, on a black hole


@dataclass(slots=True, kw_only=True)
class Vm:
    """An instance, and the startd on it once it has booted."""

    id: str
    number: int
    cloud: str
    queue: str
    launched: float
    cpus: int
    memory_mib: int
    intent: str = ""
    decision: str = ""
    pool: str = ""  # a tag: what its worker was told to join
    held: str = ""  # a tag: why its owner wants it kept
    index: int = 0
    token: str = ""
    factory: str = ""
    market: str = ""
    usd_per_hour: float = 0.0
    retirement_s: int = YEARS_S
    state: str = "pending"  # pending, running, terminated
    reason: str = ""
    joined: float = 0.0
    ended: float = 0.0
    jobs: dict[int, Job] = field(default_factory=dict)
    drain: str = ""  # the nonce
    requests: int = 0
    was_busy: bool = False
    spoiled: bool = False  # its drain was taken back after its last job had ended
    lives: int = 0  # of its startd: each has a port of its own
    leaving: bool = False  # an end call for it is under way
    looked_at: float = -1e9  # when its startd was asked directly, last
    warned: int = -1  # how often its cloud had been listed when it said that it will take this VM
    began_after: int = 0  # how often it was listed between that and the last job's beginning here
    broken: bool = False  # a black hole: each job ends at once
    recent: list[tuple[float, float]] = field(default_factory=list)  # jobs that ended: when, how long they lived
    unclaimed: float = 0.0  # since when, as its dead man's switch counts
    stuck_until: float = 0.0  # an end was accepted and does not work before this
    paid_usd: float = 0.0  # until `paid_to`
    paid_to: float = 0.0

    @property
    def name(self) -> str:
        return f"vm-{self.number}.sim"

    @property
    def address(self) -> str:
        place = f"10.{self.number >> 16 & 255}.{self.number >> 8 & 255}.{self.number & 255}"
        return f"<{place}:{9618 + self.lives}>"

    @property
    def here(self) -> bool:
        """Its startd answers."""
        return self.joined > 0 and self.state == "running"

    @property
    def grants_s(self) -> int:
        """Its MaxJobRetirementTime now."""
        return 0 if self.spoiled else self.retirement_s

    def free(self) -> tuple[int, int]:
        """Cpus and MiB that no job holds."""
        return (
            self.cpus - sum(job.cpus for job in self.jobs.values()),
            self.memory_mib - sum(job.memory_mib for job in self.jobs.values()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyEnd:
    """A VM that was ended with jobs on it. `by`: who made the call, or what happened."""

    vm: str
    cloud: str
    jobs: int
    by: str
    reason: str
    at: float


@dataclass(slots=True, kw_only=True)
class Ledger:
    """The truth that a test holds against what the factory believes."""

    evictions: int = 0
    evictions_asked_for: int = 0  # by a quick drain
    killed: int = 0  # jobs that ran when their VM was ended
    ends: list[str] = field(default_factory=list)  # clouds, in the order in which VMs were ended
    ended: Counter[str] = field(default_factory=Counter)  # VMs by reason
    busy_ends: list[BusyEnd] = field(default_factory=list)
    most_alive: int = 0
