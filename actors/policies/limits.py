"""Limits in VMs, cores and money, and what is spent of them. A cloud has one shape and one price, so its `max_vms` says
it all; a queue, a tier and the factory have VMs of several."""

from __future__ import annotations

import math
from dataclasses import dataclass

from actors.fleet.number_of import number_of

NO_LIMIT = 1 << 40
CENT = 1e-9  # sums of prices are not exact: so much more is not more


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most so much; None is no limit. `usd_per_hour` is the sum of the VMs' prices."""

    vms: int | None = None
    cores: int | None = None
    usd_per_hour: float | None = None

    def __bool__(self) -> bool:
        return self.vms is not None or self.cores is not None or self.usd_per_hour is not None

    def __str__(self) -> str:
        said = [
            number_of(float(amount), unit)
            for amount, unit in ((self.vms, "VM"), (self.cores, "core"), (self.usd_per_hour, "US$/h"))
            if amount is not None
        ]
        return "at most " + ", ".join(said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What some VMs use of a limit."""

    vms: int = 0
    cores: int = 0
    usd_per_hour: float = 0.0

    def plus(self, vms: int, cores: int, usd_per_hour: float) -> Usage:
        """With `vms` more, of `cores` and `usd_per_hour` each."""
        return Usage(
            vms=self.vms + vms,
            cores=self.cores + vms * cores,
            usd_per_hour=self.usd_per_hour + vms * usd_per_hour,
        )


NO_LIMITS = Limit()
NOTHING_SPENT = Usage()


def loosened(limit: Limit, cores: int, usd_per_hour: float) -> Limit:
    """With room for the last VM of `cores` and `usd_per_hour` over its edge, and for no more."""
    return Limit(
        vms=limit.vms,
        cores=None if limit.cores is None else limit.cores + max(1, cores) - 1,
        usd_per_hour=None if limit.usd_per_hour is None else limit.usd_per_hour + usd_per_hour * (1 - 1e-6),
    )


def room(limit: Limit, spent: Usage, cores: int, usd_per_hour: float) -> int:
    """How many VMs of `cores` and `usd_per_hour` each still fit."""
    rooms = [NO_LIMIT]
    if limit.vms is not None:
        rooms.append(limit.vms - spent.vms)
    if limit.cores is not None:
        rooms.append((limit.cores - spent.cores) // max(1, cores))
    if limit.usd_per_hour is not None and usd_per_hour > 0:
        rooms.append(math.floor((limit.usd_per_hour - spent.usd_per_hour) / usd_per_hour + CENT))
    return max(0, min(rooms))


def excess(limit: Limit, spent: Usage, cores: int, usd_per_hour: float) -> int:
    """How many VMs of `cores` and `usd_per_hour` each have to go until nothing is over."""
    over = [0]
    if limit.vms is not None:
        over.append(spent.vms - limit.vms)
    if limit.cores is not None:
        over.append(math.ceil((spent.cores - limit.cores) / max(1, cores)))
    if limit.usd_per_hour is not None and usd_per_hour > 0:
        over.append(math.ceil((spent.usd_per_hour - limit.usd_per_hour) / usd_per_hour - CENT))
    return max(over)
