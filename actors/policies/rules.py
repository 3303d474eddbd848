"""What a decision is told about a queue and about its clouds: the configuration's facts, without the configuration.

Policies stand below the configuration, so that a plan, a simulation and a running factory decide by the same code.
"""

from __future__ import annotations

from dataclasses import dataclass

from actors.fleet.shape import Shape
from actors.policies.limits import NO_LIMIT, NO_LIMITS, Limit
from actors.policies.prototype import prototype
from actors.policies.steps import Step

RETIREMENT_S = 315_360_000  # ten years: it counts from a job's start. Workers refuse jobs that ask for less


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudRules:
    """One cloud as one queue sees it. `slot` is the ClassAd text of an unclaimed slot of its workers (see `prototype`).

    A partitionable worker is one slot of the VM's whole shape; a static one has `slots` slots, each for one job.
    """

    name: str
    size: tuple[int, int, int, int]  # cpus, memory MiB, disk MiB, gpus of one slot
    slot: str
    max_vms: int
    cores: int  # of one VM as it is ordered: limits and quotas count these, whatever those that joined have
    slots: int = 1
    static: bool = False
    usd_per_hour: float = 0.0
    weight: float = 1.0
    boot_deadline_s: float = 900.0
    shared: bool = False  # other queues may want it too
    family: str = ""  # the cloud that it is a shape of
    family_max_vms: int = NO_LIMIT  # of all its shapes together
    made_as: str = ""  # what its workers are made from, and their START: another text is another worker
    short: str = ""  # what its workers that joined have less of than was promised; `size` is what they have
    learned: frozenset[str] = frozenset()  # attributes of `slot` that workers which joined said, in lower case
    said: frozenset[str] = frozenset()  # those that the configuration says
    joins: bool = True  # its VMs are workers of a pool; else pilots, of which nobody sees what they do
    billed_s: float = 0.0  # the period that the cloud bills; 0: by the second


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRules:
    """A limit that clouds share, whatever queue they serve. `clouds`: those of it that are in the queue's cascade."""

    name: str
    limit: Limit
    clouds: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AheadRules:
    """What may be bought before jobs wait for it (see `ahead`). `worth`: VM-seconds for a second of a job's waiting."""

    worth: float
    tiers: frozenset[int] = frozenset({0})  # their numbers, from 0
    limit: Limit = NO_LIMITS


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRules:
    """One queue. `cascade`: tiers of cloud names, the cheapest first. `cycle_s`: what steps call a cycle."""

    name: str
    cascade: tuple[tuple[str, ...], ...]
    max_vms: int | None = None
    release_after_s: float = 60.0
    vain_after_s: float = 0.0  # see `vain`
    count_held: bool = False
    steps: tuple[Step, ...] = ()
    cycle_s: float = 60.0
    limit: Limit = NO_LIMITS  # beside max_vms
    tier_limits: tuple[Limit, ...] = ()
    factory_limit: Limit = NO_LIMITS
    factory_shared: bool = False  # there are other queues
    accounts: tuple[AccountRules, ...] = ()
    ahead: AheadRules | None = None

    def tier(self, cloud: str) -> int:
        """The number of its tier, from 0."""
        return next((number for number, names in enumerate(self.cascade) if cloud in names), len(self.cascade))

    @property
    def clouds(self) -> tuple[str, ...]:
        return tuple(cloud for tier in self.cascade for cloud in tier)


def cloud_rules(
    *,
    name: str,
    shape: Shape,
    ordered: Shape | None = None,
    max_vms: int,
    slots: str = "partitionable",
    start: str = "true",
    attributes: tuple[tuple[str, str], ...] = (),
    usd_per_hour: float = 0.0,
    weight: float = 1.0,
    boot_deadline_s: float = 900.0,
    shared: bool = False,
    family: str = "",
    family_max_vms: int = NO_LIMIT,
    made_as: str = "",
    short: str = "",
    learned: frozenset[str] = frozenset(),
    said: frozenset[str] = frozenset(),
    joins: bool = True,
    billed_s: float = 0.0,
) -> CloudRules:
    """The rules of a cloud of VMs of `shape`, whose workers have `slots` ("partitionable" or "static") and `start`.

    `ordered`: what its VMs should be, where that is something else.
    """
    count = max(1, shape.cpus) if slots == "static" else 1
    size = (shape.cpus // count, shape.memory_mib // count, shape.disk_mib // count, shape.gpus // count)
    partitionable = slots != "static"
    return CloudRules(
        name=name,
        size=size,
        slot=prototype(size, slots=count, partitionable=partitionable, start=_peaceful(start), attributes=attributes),
        cores=(ordered or shape).cpus,
        max_vms=max_vms,
        slots=count,
        static=slots == "static",
        usd_per_hour=usd_per_hour,
        weight=weight,
        boot_deadline_s=boot_deadline_s,
        shared=shared,
        family=family,
        family_max_vms=family_max_vms,
        made_as=made_as,
        short=short,
        learned=learned,
        said=said,
        joins=joins,
        billed_s=billed_s,
    )


def _peaceful(start: str) -> str:
    """START as workers have it, without the queue's own expression: of its jobs that is true."""
    retirement = "TARGET.MaxJobRetirementTime"
    return f"({start}) && ({retirement} is undefined || {retirement} >= {RETIREMENT_S})"
