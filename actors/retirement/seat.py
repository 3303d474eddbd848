"""What retirement knows of one cloud, for one term: lost with the post, and built anew by the next holder."""

from __future__ import annotations

from dataclasses import dataclass, field

from actors.fleet.orphan_claims import Orphaned
from actors.fleet.unchanged import Still
from actors.fleet.vm import Vm
from actors.retirement.learning import Learning
from actors.retirement.sightings import Sightings
from actors.runtime.post_actor import Seat


@dataclass(slots=True, kw_only=True)
class Marks:
    """The tags that stand for holds: when each VM's was accepted (Redis seconds), and why the last one was not."""

    asked: dict[str, float] = field(default_factory=dict)
    failed: str = ""
    tries: int = 0
    not_before: float = 0.0  # monotonic


@dataclass(slots=True, kw_only=True)
class RetirementSeat:
    """`verified`: ids of VMs that were written down as empty, and no end call was made yet."""

    sightings: Sightings
    still: Still = field(default_factory=Still)
    marks: Marks = field(default_factory=Marks)
    quiet: bool = False
    learned: bool = False  # whether this term asked the VMs that it found what they offer
    learning: Learning = field(default_factory=Learning)
    empty: list[tuple[Vm, Vm, str]] = field(default_factory=list)  # verified: row before, row after, what was seen
    verified: set[str] = field(default_factory=set)
    pauses: dict[str, tuple[float, int]] = field(default_factory=dict)  # VM id -> not before (monotonic), tries
    wrong: dict[str, str] = field(default_factory=dict)  # VM id -> what answered in its place
    defunct: dict[str, float] = field(default_factory=dict)  # instance id -> when its end was asked for (Redis seconds)
    orphaned: dict[str, Orphaned] = field(default_factory=dict)  # by VM id
    asked_of: dict[str, float] = field(default_factory=dict)  # pool -> when its schedds were last asked for orphans
    decisions: dict[str, str] = field(default_factory=dict)  # queue -> the decision that its want is of
    heard: dict[str, float] = field(default_factory=dict)  # queue -> its want knows of what went until then


CloudSeat = Seat[RetirementSeat]
