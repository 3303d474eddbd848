"""A simulated VM: a partitionable slot of a size, or static slots, with jobs on it."""

from __future__ import annotations

from dataclasses import dataclass, field

from actors.fleet.shape import Shape
from actors.fleet.vm import State
from actors.policies.provisioning.matchmaking import Size
from actors.simulator.jobs import Job


@dataclass(slots=True, eq=False)
class WaitingJob:
    """A job in the queue, and how often it was started (a reclaimed spot VM takes its jobs with it).

    It waits `since`; its slot was `claimed` then, maybe for a job before it.
    """

    number: int
    job: Job
    ask: Size
    since: float = 0.0
    claimed: float = 0.0
    starts: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class SimulatedMachine:
    """Times are virtual seconds. `on` has its jobs, and when each will end (only the oracle looks)."""

    id: str
    cloud: str
    born: float
    cpus: int
    free: Size
    state: State = State.BOOTING
    unwanted: bool = False
    final: bool = False  # it has lived its time: its drain is not taken back
    idle_since: float = 0.0
    jobs: int = 0
    on: dict[int, tuple[float, WaitingJob]] = field(default_factory=dict)

    @property
    def supply(self) -> bool:
        return self.state is State.READY or (self.state is State.BOOTING and not self.unwanted)

    @property
    def open(self) -> bool:
        return self.state is State.READY and self.free[0] > 0

    def holds(self, ask: Size) -> bool:
        free = self.free
        return free[0] >= ask[0] and free[1] >= ask[1] and free[2] >= ask[2] and free[3] >= ask[3]

    def take(self, ask: Size) -> None:
        a, b, c, d = self.free
        self.free = (a - ask[0], b - ask[1], c - ask[2], d - ask[3])
        self.jobs += 1

    def give(self, ask: Size) -> None:
        a, b, c, d = self.free
        self.free = (a + ask[0], b + ask[1], c + ask[2], d + ask[3])
        self.jobs -= 1


def size_of(shape: Shape) -> Size:
    return (max(1, shape.cpus), shape.memory_mib, shape.disk_mib, shape.gpus)
