"""What a reading may be used for.

A reading is judged against the rows that are expected in it, not against the reading before it: a restarted collector
answers successfully and empty, then grows, and at HTCondor's stock intervals a busy draining node can stay absent for
minutes. So a reading that misses too many expected startds is *short*; it still proves what it shows, and nothing by
what it lacks. A deadline that rests on absence runs only while the source was healthy, without a gap.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from actors.fleet.matching import Matched
from actors.fleet.seen import Failed, StartdsSeen
from actors.fleet.vm import State, Vm

MISSING_SHARE = 0.2  # of the expected startds; rounded down, so in a fleet under five none may be missing
EXPECTED_FOR_S = 3_600.0  # a startd unseen for longer than this is no longer expected: it alone must not blind us
OLD_S = 180.0  # a reading older than this is not used for anything that rests on absence


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How far a source can be trusted, as one cloud's holder sees it. Times are Redis seconds; 0 means never."""

    source: str
    since: float = 0.0  # healthy without a gap since; 0: not healthy now
    read_at: float = 0.0  # the last reading that was used
    why: str = "not read yet"

    @property
    def good(self) -> bool:
        return self.since > 0

    def good_at(self, now: float) -> bool:
        """Healthy, and not too old to say what is absent."""
        return self.good and now - self.read_at <= OLD_S


def expected(vms: Iterable[Vm], last_seen: dict[str, float], now: float) -> frozenset[str]:
    """Ids of the VMs whose startds a reading must show: joined, not ended, and seen within the hour."""
    return frozenset(
        vm.id
        for vm in vms
        if vm.state in (State.READY, State.DRAINING) and now - last_seen.get(vm.id, vm.since) <= EXPECTED_FOR_S
    )


def judge(before: Health, reading: StartdsSeen | Failed, matched: Matched | None, wanted: frozenset[str]) -> Health:
    """The health after this reading. `wanted` are the ids that it should show."""
    if isinstance(reading, Failed) or matched is None:
        why = reading.reason if isinstance(reading, Failed) else "not matched"
        return replace(before, since=0.0, why=why)
    missing = [vm_id for vm_id in wanted if vm_id not in matched.machines and vm_id not in matched.doubtful]
    if len(missing) > int(len(wanted) * MISSING_SHARE):
        why = f"shows {len(wanted) - len(missing)} of {len(wanted)} startds that were there before"
        return replace(before, since=0.0, read_at=reading.at, why=why)
    since = before.since or reading.at
    if before.good and reading.at - before.read_at > OLD_S:
        since = reading.at  # nobody looked in between: that is a gap too
    return replace(before, since=since, read_at=reading.at, why="")
