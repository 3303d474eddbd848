"""Single settings as the policies have them. What asks for these alone need not load what decides."""

from __future__ import annotations

from actors.config.schema import AnyCloud, Config, LimitOf
from actors.fleet.shape import Shape
from actors.policies.disruption.drain_deadlines import Deadline, Then
from actors.policies.limits import Limit


def deadlines_of(config: Config) -> dict[tuple[str, str], Deadline]:
    """By queue and cloud; where none is said, drains take the time that they take."""
    return {
        (name, cloud): Deadline(after_s=said.after_s, then=Then(said.then))
        for name, queue in config.queues.items()
        for tier, said in zip(queue.cascade, queue.drain_deadlines, strict=False)
        for cloud in tier
    }


def limit_of(limit: LimitOf) -> Limit:
    return Limit(vms=limit.max_vms, cores=limit.max_cores, usd_per_hour=limit.max_cost_usd_per_hour)


def shape_of(cloud: AnyCloud) -> Shape:
    """What is promised of one VM."""
    shape = cloud.shape
    return Shape(cpus=shape.cpus, memory_mib=shape.memory_mib, disk_mib=shape.disk_mib, gpus=shape.gpus)
