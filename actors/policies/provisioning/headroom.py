"""How many VMs the limits of a queue leave room for: its own, its tiers', and the factory's.

An account's use is what its clouds' holders last said, of which what this queue has there is taken out; so is that of a
cloud of several shapes. This queue's own VMs of all shapes never pass that cloud's limit. The factory's limit, an
account's, and a cloud's over all queues and shapes stop growth only. Two queues that decide at the same moment may pass
it together by what they add in that moment; none of them gives anything up for it, since both would, and both would
take it back. Where several queues want more than the factory, or a cloud of several shapes, allows, each has a share of
it (see `fair_share`), and what is beyond that is given back. A share in cores or money seldom is a whole number of VMs,
so a queue may pass its own by less than one VM: else room for one would stay empty. The limit is not passed by this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from actors.policies.limits import NO_LIMIT, NO_LIMITS, NOTHING_SPENT, Limit, Usage, excess, loosened, room
from actors.policies.provisioning.capacity import Capacity
from actors.policies.rules import AccountRules, CloudRules, QueueRules

SHARE = "this queue's share of the factory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What one limit is about: the clouds of the queue that it counts, and what is spent elsewhere."""

    name: str
    limit: Limit
    clouds: frozenset[str]
    elsewhere: Usage = NOTHING_SPENT
    binding: bool = True  # what is over it is lowered
    rounded_up: bool = False  # the last VM may stand over the edge
    of_others: bool = False  # it is there only because other queues have, or want, VMs of the same cloud


def scopes(
    queue: QueueRules, elsewhere: Usage, factory_share: Limit = NO_LIMITS, standings: Sequence[Capacity] = ()
) -> tuple[Scope, ...]:
    """The limits that there are. `elsewhere`: what the factory's other queues have."""
    clouds = frozenset(queue.clouds)
    own = Limit(vms=queue.max_vms, cores=queue.limit.cores, usd_per_hour=queue.limit.usd_per_hour)
    tiers = [
        Scope(name=f"tier {number}", limit=limit, clouds=frozenset(names))
        for number, (names, limit) in enumerate(zip(queue.cascade, queue.tier_limits, strict=False), 1)
    ]
    factory = Scope(name="the factory", limit=queue.factory_limit, clouds=clouds, elsewhere=elsewhere, binding=False)
    share = Scope(name=SHARE, limit=factory_share, clouds=clouds, binding=False, rounded_up=True)
    accounts = [_account(account, standings) for account in queue.accounts]
    of_queue = Scope(name="this queue", limit=own, clouds=clouds)
    of_shapes = list(_families(standings))
    return tuple(scope for scope in (*tiers, of_queue, *of_shapes, *accounts, factory, share) if scope.limit)


def _families(standings: Sequence[Capacity]) -> Iterator[Scope]:
    """The limits of clouds of several shapes: over this queue's VMs, and over those of all queues."""
    for name in dict.fromkeys(one.rules.family for one in standings if one.rules.family):
        inside = [one for one in standings if one.rules.family == name]
        shapes, limit = frozenset(one.name for one in inside), Limit(vms=inside[0].rules.family_max_vms)
        others = max(one.family_used for one in inside) - sum(one.supply - one.unseen for one in inside)
        yield Scope(name=f"cloud {name}", limit=limit, clouds=shapes)
        if others > 0:
            elsewhere = Usage(vms=others)
            yield Scope(
                name=f"cloud {name}", limit=limit, clouds=shapes, elsewhere=elsewhere, binding=False, of_others=True
            )
        share = min(one.family_share for one in inside)
        if share < NO_LIMIT:
            yield Scope(
                name=f"this queue's share of cloud {name}",
                limit=Limit(vms=share),
                clouds=shapes,
                binding=False,
                rounded_up=True,
                of_others=True,
            )


def _account(account: AccountRules, standings: Sequence[Capacity]) -> Scope:
    """Its clouds say what all of them use; the largest is taken, as they say it at different times."""
    inside = [standing for standing in standings if standing.name in account.clouds]
    vms, cores, usd_per_hour = (
        max((one.account_used[kind] for one in inside if one.account_used), default=0.0) for kind in range(3)
    )
    for one in inside:
        seen = one.supply - one.unseen
        vms -= seen
        cores -= seen * one.rules.cores
        usd_per_hour -= seen * one.rules.usd_per_hour
    others = Usage(vms=max(0, int(vms)), cores=max(0, int(cores)), usd_per_hour=max(0.0, usd_per_hour))
    return Scope(
        name=f"account {account.name}", limit=account.limit, clouds=account.clouds, elsewhere=others, binding=False
    )


class Headroom:
    """Room for new VMs, counted down as they are added."""

    def __init__(self, scopes: Sequence[Scope], have: Mapping[str, int], clouds: Mapping[str, CloudRules]) -> None:
        self._scopes = scopes
        self._spent = [spent(scope, have, clouds) for scope in scopes]
        self._left = NO_LIMIT

    def at_most(self, vms: int = NO_LIMIT) -> Headroom:
        """The same room once more, for no more than `vms`."""
        other = Headroom((), {}, {})
        other._scopes, other._spent, other._left = self._scopes, list(self._spent), min(self._left, vms)
        return other

    def alone(self) -> Headroom:
        """The same room, were no other queue on the clouds of several shapes."""
        other = Headroom((), {}, {})
        kept = [(scope, used) for scope, used in zip(self._scopes, self._spent, strict=True) if not scope.of_others]
        other._scopes, other._spent, other._left = [one for one, _ in kept], [used for _, used in kept], self._left
        return other

    def vms_left(self, clouds: Iterable[str]) -> int:
        """How many VMs the limits in VMs that hold for all of `clouds` leave to them together."""
        left, names = self._left, frozenset(clouds)
        for scope, used in zip(self._scopes, self._spent, strict=True):
            if scope.limit.vms is not None and names <= scope.clouds:
                left = min(left, scope.limit.vms - used.vms)
        return left

    def room(self, cloud: CloudRules) -> int:
        left = self._left
        for scope, used in zip(self._scopes, self._spent, strict=True):
            if cloud.name in scope.clouds:
                left = min(left, room(_limit(scope, cloud), used, cloud.cores, cloud.usd_per_hour))
        return left

    def full(self, cloud: CloudRules) -> str:
        """The limit that leaves no room for one more VM of this cloud; empty when there is room."""
        for scope, used in zip(self._scopes, self._spent, strict=True):
            if cloud.name in scope.clouds and not room(_limit(scope, cloud), used, cloud.cores, cloud.usd_per_hour):
                return f"{scope.name} has {scope.limit}"
        return ""

    def take(self, cloud: CloudRules, vms: int) -> None:
        self._left -= vms
        for at, scope in enumerate(self._scopes):
            if cloud.name in scope.clouds:
                self._spent[at] = self._spent[at].plus(vms, cloud.cores, cloud.usd_per_hour)


def _limit(scope: Scope, cloud: CloudRules) -> Limit:
    return loosened(scope.limit, cloud.cores, cloud.usd_per_hour) if scope.rounded_up else scope.limit


def spent(scope: Scope, have: Mapping[str, int], clouds: Mapping[str, CloudRules]) -> Usage:
    """What `have` VMs by cloud use of a scope's limit, with what is used elsewhere."""
    used = scope.elsewhere
    for name in scope.clouds & have.keys():
        used = used.plus(have[name], clouds[name].cores, clouds[name].usd_per_hour)
    return used


def over(
    scope: Scope, standings: Sequence[Capacity], wants: Mapping[str, int], floor: Mapping[str, int]
) -> dict[str, int]:
    """The wants by cloud that are too high for a scope's limit, lowered: the dearest first, never below `floor`."""
    lowered: dict[str, int] = {}
    clouds = {standing.name: standing.rules for standing in standings}
    for standing in reversed(standings):
        name = standing.name
        if name in scope.clouds:
            used = spent(scope, {**wants, **lowered}, clouds)
            gone = excess(_limit(scope, standing.rules), used, standing.rules.cores, standing.rules.usd_per_hour)
            n = max(floor.get(name, 0), wants[name] - gone)
            if n < wants[name]:
                lowered[name] = n
    return lowered
