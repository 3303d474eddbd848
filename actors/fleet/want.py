"""A want: how many VMs of a cloud a queue wants. An absolute number: late, lost or repeated mail cannot buy twice."""

from __future__ import annotations

from dataclasses import dataclass

from actors.fleet.breaker import Position
from actors.fleet.reasons import Closing, Freezing


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """`n` VMs of `cloud` for `queue`, with the sentences that led there, in order."""

    queue: str
    cloud: str
    n: int
    reasons: tuple[str, ...] = ()
    decision: str = ""  # one id from the plan to the API call, the VM's tag and the log line
    at: float = 0.0  # Redis time of the decision
    changed: float = 0.0  # when n last changed
    surplus: tuple[tuple[float, int], ...] = ()  # (since, VMs): at least so many were not needed ever since
    cycle_since: float = 0.0  # when the cycle began in which n last changed
    cycle_from: int = 0  # what n was before it
    asked: int = -1  # what it would be, were the queue alone on this cloud; -1: the same as n
    heard: float = 0.0  # it knows of VMs that were taken out of service until then (`FleetView.left_at`)
    asked_of_factory: int = -1  # what it would be, were the queue alone in the factory; -1: the same as n

    @property
    def asks(self) -> int:
        return self.n if self.asked < 0 else self.asked

    @property
    def asks_of_factory(self) -> int:
        return self.n if self.asked_of_factory < 0 else self.asked_of_factory


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetView:
    """What one cloud has for one queue, published by the cloud's holder for the queue's scheduler. Counts of VMs.

    `launching` + `booting` + `ready` are supply (unwanted ones are in `unwanted` only). `idle`: ready, seen, no claim.
    `at`: when it changed last; it is as of its cloud's view where that is younger (actors/store/views.py).
    `leaving`: not draining yet, and their cloud will take them, or may. `cancellable`: draining for policy, still busy:
    taken back before anything is bought.
    """

    cloud: str
    queue: str
    at: float
    launching: int = 0
    booting: int = 0
    ready: int = 0
    idle: int = 0
    busy: int = 0
    old: int = 0  # of `idle`: they live too short for new jobs, and their slots are not among `free`
    suspect: int = 0  # ready, and the reading does not show it
    unwanted: int = 0
    leaving: int = 0
    silent: int = 0  # their launches get no answer: no supply, and they may come yet
    astray: int = 0  # they should be seen, and the pool that they were told to join cannot be asked: no supply
    draining: int = 0
    cancellable: int = 0
    drained: int = 0
    ending: int = 0
    held: int = 0
    free: tuple[tuple[int, int, int, int], ...] = ()  # free (cpus, memory, disk, gpus) of ready VMs, one a slot
    claims: int = 0  # claims on ready VMs: dynamic slots, and static slots that are busy
    unclaimed_since: tuple[float, ...] = ()  # of those that are well and take jobs, but have none: since when
    left_at: float = 0.0  # when the last VM was taken out of service that its queue did not give up
    share: int = -1  # VMs of this cloud that are its queue's part, where all its queues want too much; -1: what it asks
    family_share: int = -1  # the same of all shapes of the cloud that this is a shape of

    @property
    def supply(self) -> int:
        return self.launching + self.booting + self.ready


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudView:
    """How one cloud stands for all queues, published by its holder."""

    cloud: str
    at: float
    room: int  # VMs that may still be started: limit - max(rows, listing) - unknown
    closed: str = ""  # why nothing may be started now: no capacity until ..., drained by ..., frozen
    closed_until: float = 0.0
    frozen: str = ""  # why nothing is released now
    listing_short: str = ""  # why its listing proves no end now
    breaker: str = ""  # the breaker's sentence, open or half-open
    full: str = ""  # why there is no more room than this
    unsaid: str = ""  # there may be room: who shares its limit and has not said yet what it has
    unmarked: str = ""  # why its VMs' holds do not stand on their instances too
    suspects: tuple[str, ...] = ()  # what answers or advertises in the place of its VMs, some of it
    strangers: tuple[str, ...] = ()  # instances with our tags that another factory launched, some of them
    orphaned: tuple[str, ...] = ()  # its VMs with claims for which no schedd has a job, some of them
    account_used: tuple[float, ...] = ()  # VMs, cores, US$/h of all clouds of its account, where that has a limit
    family_used: int = 0  # VMs of all shapes of the cloud that this is a shape of, as far as it is known
    closed_by: Closing = Closing.NOT_KNOWN  # the code of `closed`
    frozen_by: Freezing = Freezing.NOT_KNOWN  # the code of `frozen`
    breaker_at: Position | None = None  # the code of `breaker`; None: not known
    boot_s: float = 0.0  # how long the last VMs took from launch to their first ad, the median; 0: not known
    boot_spread: float = 0.0  # of its logarithm
