"""What a reading may be used for.

A reading is judged against the rows that are expected in it, not against the reading before it: a restarted collector
answers successfully and empty, then grows, and at HTCondor's stock intervals a busy draining node can stay absent for
minutes. So a reading that misses too many expected startds is *short*; it still proves what it shows, and nothing by
what it lacks. A deadline that rests on absence runs only while the source was healthy, without a gap.

After trouble a source is trusted again when `thaw_after` readings in a row were good: the first whole one of a
collector that flaps proves little. Or at once, when an operator says that what is missing is gone (a thaw, newer than
the trouble).

A cloud's listing is judged the same way, by the instances that it showed before: one that is short proves no end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from actors.fleet.matching import Matched
from actors.fleet.observations import Failed, Listed, StartdsSeen
from actors.fleet.reasons import Freezing
from actors.fleet.vm import State, Vm

MISSING_SHARE = 0.2  # of the expected startds; rounded down, so in a fleet under five none may be missing
EXPECTED_FOR_S = 3_600.0  # a startd unseen for longer than this is no longer expected: it alone must not blind us
OLD_S = 180.0  # a reading older than this is not used for anything that rests on absence
_LISTED = frozenset({State.BOOTING, State.READY, State.DRAINING, State.DRAINED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How far a source can be trusted, as one cloud's holder sees it. Times are Redis seconds; 0 means never."""

    source: str
    since: float = 0.0  # healthy without a gap since; 0: not healthy now
    read_at: float = 0.0  # the last reading that was used
    why: str = "not read yet"
    bad_since: float = 0.0  # when the trouble began that is not over yet; 0: there is none
    good_row: int = 0  # good readings in a row since it began
    short: bool = False  # whether `why` is that the last reading lacks what was there before
    missing_share: float = MISSING_SHARE
    thaw_after: int = 1
    old_s: float = OLD_S

    @property
    def good(self) -> bool:
        return self.since > 0

    def good_at(self, now: float) -> bool:
        """Healthy, and not too old to say what is absent."""
        return self.good and now - self.read_at <= self.old_s

    def trouble(self, now: float) -> str:
        """Why it cannot be trusted now: a sentence that stays the same while its cause does. Empty: it can."""
        if not self.good:
            return f"{self.source} {self.why}"
        return "" if self.good_at(now) else f"{self.source} was not read for {self.old_s:.0f} s"

    def freezes(self, now: float) -> Freezing:
        """The code of `trouble`; NOT_KNOWN where there is none."""
        if not self.trouble(now):
            return Freezing.NOT_KNOWN
        return Freezing.SHORT if self.short else Freezing.SOURCE


def expected(vms: Iterable[Vm], last_seen: Mapping[str, float], now: float) -> frozenset[str]:
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
        return _bad(before, reading.at, why)
    missing = [vm_id for vm_id in wanted if vm_id not in matched.machines and vm_id not in matched.doubtful]
    return _judged(before, reading.at, len(missing), len(wanted), "startds")


def expected_instances(vms: Iterable[Vm], last_listed: Mapping[str, float], now: float) -> frozenset[str]:
    """Ids of the instances that a listing must show: of living VMs, and listed within the hour."""
    return frozenset(
        vm.instance_id
        for vm in vms
        if vm.state in _LISTED and now - last_listed.get(vm.instance_id, -EXPECTED_FOR_S) <= EXPECTED_FOR_S
    )


def judge_listing(before: Health, listed: Listed, wanted: frozenset[str]) -> Health:
    """The health after this listing. `wanted` are the instance ids that it should show, dead or alive."""
    missing = wanted - {one.id for one in listed.instances}
    return _judged(before, listed.at, len(missing), len(wanted), "instances")


def thawed(health: Health, at: float) -> Health:
    """After an operator's thaw at `at`: trouble that began before it is over, if the source was read since it began."""
    if health.good or not health.bad_since or health.bad_since > at or health.read_at < health.bad_since:
        return health
    return replace(health, since=health.read_at, why="", short=False, bad_since=0.0, good_row=0)


def _judged(before: Health, at: float, missing: int, wanted: int, what: str) -> Health:
    if missing > int(wanted * before.missing_share):
        short = f"shows {wanted - missing} of {wanted} {what} that were there before"
        return replace(_bad(before, at, short), short=True, read_at=at)
    good_row = before.good_row + 1
    if before.bad_since and good_row < before.thaw_after:
        why = f"is good again, {good_row} of {before.thaw_after} times in a row"
        return replace(before, read_at=at, why=why, short=False, good_row=good_row)
    since = before.since or at
    if before.good and at - before.read_at > before.old_s:
        since = at  # nobody looked in between: that is a gap too
    return replace(before, since=since, read_at=at, why="", short=False, bad_since=0.0, good_row=0)


def _bad(before: Health, at: float, why: str) -> Health:
    return replace(before, since=0.0, why=why, short=False, bad_since=before.bad_since or at, good_row=0)
