"""A breaker stands between a cloud and an image that does not work there, and our money. Pure: time and chance come in.

What counts against an image on a cloud: launches that the cloud refused for sure (no capacity, quota, credentials,
image), and VMs that never joined. Every exit from booting is a sample: joined is good; over its boot deadline under a
healthy pool, or dead by the cloud, is bad; killed by an operator says nothing. One refusal opens the breaker; of boots
it takes `failures` bad ones among the last, and the share that `BreakerRules` says.

While it is open nothing is started, and the schedulers spill over at once. After its pause it is half-open: one VM may
try, and only its *joining* closes the breaker. An accepted call proves nothing: clouds accept what they cannot start,
and an image that hangs is accepted every time. If the try fails, the next pause is twice as long, up to a limit, less
a little chance, so that clouds which failed together do not try together.

The rule it keeps: what was launched before the breaker opened neither opens it again nor closes it. Each sample is
counted once, since the row is written in one with the row of the VM that it is about. A new image begins closed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from actors.fleet.number_of import number_of
from actors.fleet.reasons import Opening
from actors.fleet.vm import State, Vm

CHANCE = 0.1  # of a pause: so much shorter it may be
MOST_DOUBLINGS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """When a breaker opens, and for how long. `failures` 0: boots never open it."""

    failures: int = 3
    share: float = 0.5  # of the last boots, more than 0, at most 1
    pause_s: float = 120.0  # the first pause
    most_s: float = 900.0  # the longest

    @property
    def window(self) -> int:
        """So many of the last boots are looked at: in as many as fit, `failures` are the share."""
        return max(self.failures, math.floor(self.failures / self.share + 1e-9))


class Position(StrEnum):
    CLOSED = "closed"
    HALF_OPEN = "half-open"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """A row. Times are Redis seconds. `why` is empty while it is closed."""

    image: str = ""  # the image, or the launch template, that it is about
    boots: tuple[bool, ...] = ()  # whether each of the last VMs joined, the newest last
    why: str = ""
    opened: float = 0.0
    until: float = 0.0  # from then on one VM may try
    times: int = 0  # it opened so many times without a VM that joined in between
    cause: Opening = Opening.NOT_KNOWN


def sample(before: Vm | None, after: Vm) -> bool | None:
    """What a change of a VM's row says about its image: True it joined, False it never did, None nothing.

    A pilot that ended at once found no work: it is as bad as one that never ran.
    """
    if before is None:
        return None
    if after.short and not before.short:
        return False
    if before.joined:
        return None
    if after.joined:
        return True
    left = before.state is State.BOOTING and after.state in (State.ENDING, State.ENDED)
    return False if left and not after.killed else None


def booted(breaker: Breaker, good: bool, born: float, now: float, rules: BreakerRules, roll: float) -> Breaker:
    """After the sample of a VM that was launched at `born`. `roll`: chance, from 0 to 1."""
    noted = replace(breaker, boots=(*breaker.boots, good)[-max(1, rules.window) :])
    if breaker.why:
        tried = born >= breaker.until
        return noted if not tried else _closed(noted) if good else _never_joined(noted, now, rules, roll)
    bad = noted.boots.count(False)
    if good or not rules.failures or bad < rules.failures or bad < rules.share * len(noted.boots):
        return noted
    return _never_joined(noted, now, rules, roll)


def refused(
    breaker: Breaker,
    why: str,
    born: float,
    now: float,
    rules: BreakerRules,
    roll: float,
    cause: Opening = Opening.NOT_KNOWN,
) -> Breaker:
    """After the cloud refused a launch that was written down at `born`."""
    if breaker.why and born < breaker.until:
        return breaker
    return replace(_open(breaker, why, now, rules, roll), cause=cause)


def reset(breaker: Breaker) -> Breaker:
    """Closed by hand: what was counted says nothing any more."""
    return Breaker(image=breaker.image)


def position(breaker: Breaker, now: float) -> Position:
    if not breaker.why:
        return Position.CLOSED
    return Position.OPEN if now < breaker.until else Position.HALF_OPEN


def trial(breaker: Breaker, vms: Iterable[Vm]) -> Vm | None:
    """The VM that tries, while the breaker is half-open: the one that was launched since and has not joined yet."""
    tries = (vm for vm in vms if vm.image == breaker.image and vm.born >= breaker.until)
    return next((vm for vm in tries if vm.state in (State.LAUNCHING, State.BOOTING)), None)


def admits(breaker: Breaker, vms: Iterable[Vm], now: float) -> int | None:
    """How many VMs may be started now; None: no limit."""
    where = position(breaker, now)
    if where is Position.CLOSED:
        return None
    return int(where is Position.HALF_OPEN and trial(breaker, vms) is None)


def sentence(breaker: Breaker, vms: Iterable[Vm], now: float) -> str:
    """How it stands, as a sentence; empty while it is closed."""
    match position(breaker, now):
        case Position.CLOSED:
            return ""
        case Position.OPEN:
            until = datetime.fromtimestamp(breaker.until, UTC).strftime("%H:%M:%S UTC")
            return f"breaker open until {until}: {breaker.why}"
    tries = trial(breaker, vms)
    said = f"VM {tries.id} tries, and has to join first" if tries else "one VM may try, and has to join first"
    return f"breaker half-open: {said}; it opened because {breaker.why}"


def _open(breaker: Breaker, why: str, now: float, rules: BreakerRules, roll: float) -> Breaker:
    times = breaker.times + 1
    pause_s = min(rules.most_s, rules.pause_s * 2 ** min(times - 1, MOST_DOUBLINGS))
    return replace(breaker, why=why, opened=now, until=now + pause_s * (1 - CHANCE * roll), times=times)


def _closed(breaker: Breaker) -> Breaker:
    """The boots before this one are of the trouble that is over."""
    return Breaker(image=breaker.image, boots=breaker.boots[-1:])


def _never_joined(breaker: Breaker, now: float, rules: BreakerRules, roll: float) -> Breaker:
    return replace(_open(breaker, _never(breaker), now, rules, roll), cause=Opening.NEVER_JOINED)


def _never(breaker: Breaker) -> str:
    which = f"with image {breaker.image} " if breaker.image else ""
    return f"{breaker.boots.count(False)} of {number_of(len(breaker.boots), 'VM')} {which}never joined"
