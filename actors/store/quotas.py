"""What clouds of one account may have together: VMs, cores and money, over all hosts and queues.

The rule it keeps: max(rows, listing) + unknown <= limit. Launches without an answer have rows; what a cloud lists
with our tags and no row counts as ours; other people's VMs (`foreign`) count and are never touched. Before a launch is
written down, its cloud's holder raises what the cloud has in the account's pot (`broker.rows.allotments`), where two
clouds on two hosts that ask at the same moment are one after the other. The schedulers know the account's use too and
keep their wants inside it; but what they know is seconds old, and it is here that the limit is kept.

Cores and prices of our VMs are those of the cloud's shape and price now: what is ordered is what a cloud counts,
whatever workers that joined make of it. Of foreign VMs nobody knows the price, so they count as VMs and, where the
cloud tells it, as cores.

The shapes of one cloud share its limit in the same way (`shape_quotas`). A launch needs both: what the account does not
grant is given back to the other shapes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from actors.config.as_policy import limit_of
from actors.config.schema import Config, LimitOf
from actors.fleet.observations import Listed
from actors.fleet.vm import Vm
from actors.store import shape_quotas
from broker.posts.leases import Term
from broker.rows.allotments import MOST, Allotments, Granted, PotAsk, Share, total

MICRO = 1_000_000  # money is counted in whole millionths of a dollar an hour
KINDS = 3  # of amounts: VMs, cores, money
NOTHING = Share(own=(), outside=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What its account, and the limit of all its shapes, allow a cloud: `vms` granted now, `room` for more after that.

    `used`: VMs, cores and US$/h of all its clouds, with foreign ones; empty where nothing is limited or known.
    """

    vms: int = MOST
    room: int = MOST
    used: tuple[float, ...] = ()
    why: str = ""  # it has no room: which limit
    unsaid: str = ""  # whether it has room is not known yet: whose use nobody said
    account: str = ""  # its name; empty where nothing is limited
    limits: tuple[float | None, ...] = ()  # of it, in the same three; None: no limit
    family_used: int = 0  # VMs of all shapes of its cloud


UNLIMITED = Allowed()


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What all clouds of an account have, with foreign VMs, as far as they said it. `unknown`: clouds that did not."""

    vms: int
    cores: int
    usd_per_hour: float
    unknown: tuple[str, ...] = ()


class Accounts:
    """Thread-safe. `claim` may raise Unreachable and LeaseLost."""

    def __init__(self, config: Config, allotments: Allotments) -> None:
        self._config, self._allotments = config, allotments

    def claim(self, term: Term, cloud: str, vms: Iterable[Vm], lost: int, listed: Listed, more: int) -> Allowed:
        """Say what the cloud has (its rows, `lost` instances without one), and ask for `more` VMs."""
        alive = [vm for vm in vms if vm.alive]
        have = len(alive) + lost
        shapes = shape_quotas.claim(self._config, self._allotments, term, cloud, have, more)
        allowed = self._of_account(term, cloud, alive, lost, listed, min(more, shapes.vms))
        if allowed.vms < shapes.vms < MOST:
            back = shape_quotas.claim(self._config, self._allotments, term, cloud, have + allowed.vms, 0)
            shapes = replace(back, vms=allowed.vms)
        why = allowed.why or shapes.why
        return replace(
            allowed,
            vms=min(allowed.vms, shapes.vms),
            room=min(allowed.room, shapes.room),
            why=why,
            unsaid="" if why else allowed.unsaid or shapes.unsaid,  # a limit that is reached settles it
            family_used=shapes.used,
        )

    def _of_account(self, term: Term, cloud: str, alive: list[Vm], lost: int, listed: Listed, more: int) -> Allowed:
        settings = self._config.clouds[cloud]
        name = settings.account or ""
        account = self._config.accounts.get(name)
        if account is None or not limit_of(account):
            return UNLIMITED
        each = (1, settings.shape.cpus, micro(settings.usd_per_hour))
        have = len(alive) + lost
        money = sum(micro(vm.usd_per_hour) for vm in alive) + lost * each[2]
        ask = PotAsk(
            own=(have, have * each[1], money),
            each=each,
            limits=_limits(account),
            members=[f"cloud/{one}" for one in self._config.clouds_of(name)],
            more=more,
            outside=(listed.foreign, listed.foreign_cores, 0),
            place=settings.place or cloud,
        )
        got = self._allotments.claim(term, name, ask)
        return _allowed(name, account, got)


def use_of(config: Config, name: str, said: Mapping[str, Share], vms: Iterable[Vm]) -> Use:
    """`said`: by post, of the account's pot. Without a limit nobody says anything: then the rows of its `vms` count."""
    clouds = config.clouds_of(name)
    if not limit_of(config.accounts[name]):
        alive = [vm for vm in vms if vm.alive and vm.cloud in clouds]
        cores = sum(config.clouds[vm.cloud].shape.cpus for vm in alive)
        return Use(vms=len(alive), cores=cores, usd_per_hour=sum(vm.usd_per_hour for vm in alive))
    shares = {
        cloud: said[f"cloud/{cloud}"] for cloud in clouds if len(said.get(f"cloud/{cloud}", NOTHING).own) == KINDS
    }
    used, cores, money = total(shares.values(), KINDS)
    unknown = tuple(cloud for cloud in clouds if cloud not in shares)
    return Use(vms=used, cores=cores, usd_per_hour=money / MICRO, unknown=unknown)


def micro(usd: float) -> int:
    """Rounded up: many small prices must not pass the limit together."""
    return math.ceil(usd * MICRO - 1e-6)


def _limits(account: LimitOf) -> tuple[int | None, ...]:
    money = account.max_cost_usd_per_hour
    return account.max_vms, account.max_cores, None if money is None else math.floor(money * MICRO + 1e-6)


def _allowed(name: str, account: LimitOf, got: Granted) -> Allowed:
    vms, cores, money = got.totals
    left, used = got.room - got.n, () if got.unknown else (vms, cores, money / MICRO)
    unsaid = f"account {name} has a limit, and what {got.unknown} has of it is not known yet" if got.unknown else ""
    return Allowed(
        vms=got.n,
        room=left,
        used=used,
        why="" if left or unsaid else _why(name, account, used),
        unsaid=unsaid,
        account=name,
        limits=(account.max_vms, account.max_cores, account.max_cost_usd_per_hour),
    )


def _why(name: str, account: LimitOf, used: tuple[float, ...]) -> str:
    told = " and ".join(
        f"{amount:g} {unit}"
        for amount, unit, limit in zip(used, ("VMs", "cores", "US$/h"), _limits(account), strict=True)
        if limit is not None
    )
    return f"account {name} has {limit_of(account)}, in use: {told}"
