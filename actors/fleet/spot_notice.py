"""What a cloud says beforehand: that it will take an instance away, or that it may.

An *interruption* is certain and near (EC2 gives two minutes): the VM is drained at once, so that no other job begins
there, and nothing takes that drain back. A *rebalance* recommendation is a risk without a date: the VM is drained too,
but without hurry, as the disruption budget allows. Either way it is no supply any more from the moment that the notice
is known, so another is bought in the same round; that it still runs a job changes nothing.

A notice is about an instance, whoever reads it: any host may write it down, once, and the holder of the VM's cloud
heeds it. It may come before the VM's row is known, twice, or after the end; each does no harm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from actors.fleet.vm import Vm

KEPT_S = 3_600.0


class Kind(StrEnum):
    INTERRUPTION = "interruption"
    REBALANCE = "rebalance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """`at`: Redis seconds when it was read; `told`: what the cloud said, for people."""

    instance_id: str
    kind: Kind
    at: float
    told: str = ""

    @property
    def key(self) -> str:
        """The same words twice are one notice."""
        return f"{self.instance_id}/{self.kind}"


def noticed(vm: Vm, notice: Notice | None) -> Vm:
    """The VM that knows of the notice. An interruption outweighs a rebalance recommendation, never the reverse."""
    if notice is None or not vm.alive or vm.notice in (notice.kind, Kind.INTERRUPTION):
        return vm
    return replace(vm, notice=notice.kind.value, noticed=notice.at)


def urgent(vm: Vm) -> bool:
    """Its calls go before all others."""
    return vm.notice == Kind.INTERRUPTION


def weightier(one: Notice | None, other: Notice) -> Notice:
    """Of two notices about one instance."""
    return one if one and one.kind is Kind.INTERRUPTION else other
