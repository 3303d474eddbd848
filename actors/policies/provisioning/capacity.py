"""What a queue has on each cloud of its cascade, as far as it is known, and how far that may be trusted.

Absence is never evidence, so without a view of its fleet, or of the cloud, a cloud's want stays as it was; and of a
frozen cloud nothing is given up: its want may rise, but not fall below what it has. A view that is older than the
want's last change knows nothing of what that change started: the difference counts as under way, for as long as a VM
may take to boot, so that nothing is bought twice. A VM that the newest reading does not show is not idle, whatever it
was: it is given up only when it is seen again.

Where the cloud's holder says what this queue's share of it is, nothing is added beyond that, and what is beyond it is
given up (see `fair_share`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actors.fleet.number_of import number_of
from actors.fleet.want import CloudView, FleetView, Want
from actors.policies.limits import NO_LIMIT
from actors.policies.prototype import Size
from actors.policies.rules import CloudRules, QueueRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """One cloud for one queue. Counts of VMs; `supply` = `flight` + `idle` + `busy` + `unseen`.

    `kept` says why the want stays as it was, `frozen` why it does not fall, `full` why nothing may be added; each is
    empty when not so.
    """

    rules: CloudRules
    tier: int
    before: int
    supply: int
    flight: int
    idle: int
    busy: int
    room: int
    held: int = 0
    claims: int = 0
    cancellable: int = 0
    seen_at: float = 0.0
    slots_of_idle: tuple[Size, ...] = ()
    slots_of_busy: tuple[Size, ...] = ()
    kept: str = ""
    frozen: str = ""
    full: str = ""
    closed: bool = False
    share: int = NO_LIMIT
    account_used: tuple[float, ...] = ()  # VMs, cores, US$/h of its account's clouds; empty: not limited or not known
    unclaimed_since: tuple[float, ...] = ()  # of VMs that joined, are well and take jobs: since when they have none
    left_at: float = 0.0  # when the last VM was taken out of service that this queue did not give up
    unseen: int = 0  # of `flight`: wanted since the views were made
    family_used: int = 0  # VMs of all queues on all shapes of its cloud
    family_share: int = NO_LIMIT  # this queue's part of them, where all queues want too much
    boot_s: float = 0.0  # 0: not known
    boot_spread: float = 0.0
    doubtful: bool = False  # its breaker is open, or tries

    @property
    def name(self) -> str:
        return self.rules.name

    @property
    def may_fall(self) -> bool:
        return not self.kept and not self.frozen

    @property
    def over(self) -> int:
        """VMs beyond its share that may be given up."""
        return max(0, min(self.supply - self.share, self.supply - self.held)) if self.may_fall else 0


def standings(
    queue: QueueRules,
    clouds: Mapping[str, CloudRules],
    fleet: Mapping[str, FleetView | None],
    views: Mapping[str, CloudView | None],
    before: Mapping[str, Want],
    now: float,
) -> tuple[Capacity, ...]:
    """The queue's clouds, tier by tier, cheapest first inside a tier."""
    found = []
    for tier, names in enumerate(queue.cascade):
        of_tier = [
            _standing(clouds[name], tier, fleet.get(name), views.get(name), before.get(name), now) for name in names
        ]
        found += sorted(of_tier, key=lambda standing: standing.rules.usd_per_hour)
    return tuple(found)


AS_SEEN = ("held", "claims", "cancellable", "unclaimed_since", "left_at")  # of a queue's view


def _standing(
    rules: CloudRules, tier: int, view: FleetView | None, cloud: CloudView | None, want: Want | None, now: float
) -> Capacity:
    wanted, recent = _wanted(want, view), want is not None and now - want.changed < rules.boot_deadline_s
    if view is None:
        return _not_known(rules, tier, wanted, wanted if recent else 0)
    seen_at = max(view.at, cloud.at if cloud else 0.0)
    unseen = max(0, wanted - view.supply) if want and recent and seen_at < want.changed else 0
    idle, busy = max(0, min(view.idle, view.ready) - view.suspect), min(view.busy, view.ready)
    of_idle, of_busy = _split(view.free, max(0, idle - view.old) * rules.slots)
    return Capacity(
        rules=rules,
        tier=tier,
        before=wanted,
        supply=view.supply + unseen,
        flight=view.launching + view.booting + unseen,
        idle=idle,
        busy=busy,
        room=_room(rules, view, cloud, unseen),
        seen_at=view.at,
        slots_of_idle=of_idle,
        slots_of_busy=of_busy,
        full=_full(rules, view, cloud),
        share=_part(view.share),
        unseen=unseen,
        family_share=_part(view.family_share),
        **{name: getattr(view, name) for name in AS_SEEN},
        **_of_cloud(cloud),
    )


def _wanted(want: Want | None, view: FleetView | None) -> int:
    """Where no want is known, what is there was wanted: its want was lost, with a lost Redis."""
    if want is not None:
        return want.n
    return view.supply if view else 0


def _part(share: int) -> int:
    return share if share >= 0 else NO_LIMIT


def _not_known(rules: CloudRules, tier: int, wanted: int, flight: int) -> Capacity:
    kept = "what it has is not known"
    return Capacity(
        rules=rules, tier=tier, before=wanted, supply=wanted, flight=flight, idle=0, busy=0, room=0, kept=kept
    )


def _of_cloud(cloud: CloudView | None) -> dict[str, Any]:
    """What holds for all queues of the cloud."""
    if cloud is None:
        return {"kept": "how the cloud stands is not known"}
    return {
        "frozen": cloud.frozen,
        "closed": bool(cloud.closed or cloud.full or cloud.unsaid),
        "account_used": cloud.account_used,
        "family_used": cloud.family_used,
        "boot_s": cloud.boot_s,
        "boot_spread": cloud.boot_spread,
        "doubtful": bool(cloud.breaker),
    }


def _split(free: tuple[Size, ...], of_idle: int) -> tuple[tuple[Size, ...], tuple[Size, ...]]:
    """The free slots do not say which VM they are of. Idle VMs have the largest ones."""
    slots = sorted(free, reverse=True)
    return tuple(slots[:of_idle]), tuple(slots[of_idle:])


def _room(rules: CloudRules, view: FleetView, cloud: CloudView | None, unseen: int) -> int:
    """VMs that the want may still rise by: new ones, and those to be taken back, which a full cloud has too."""
    if cloud is None:
        return 0
    new = 0 if cloud.closed else max(0, cloud.room - unseen)
    back = view.cancellable + (0 if cloud.closed else view.unwanted)
    most = min(rules.max_vms, view.share if view.share >= 0 else NO_LIMIT)
    return max(0, min(new + back, most - view.supply - unseen))


def _full(rules: CloudRules, view: FleetView, cloud: CloudView | None) -> str:
    if cloud is None:
        return "not known"
    if cloud.closed:
        return cloud.closed
    if view.supply >= rules.max_vms:
        return f"{view.supply} of at most {number_of(rules.max_vms, 'VM')}"
    if 0 <= view.share <= view.supply:
        return f"{number_of(view.supply, 'VM')}, its share of it is {view.share}"
    return cloud.full or cloud.unsaid or ("no room" if cloud.room <= 0 else "")
