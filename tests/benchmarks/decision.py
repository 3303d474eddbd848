"""How long a round of decisions takes: `python -m tests.benchmarks.decision`.

1,000 queues with 100 job classes each, ten clouds each, and 10,000 or 100,000 VMs in all. Half of the classes have
waiting jobs. The time is that of the calls of `decide` alone, with answers of earlier rounds remembered, as in a
running factory; the first decision, which asks classad2 about every class and slot, is shown beside it.
"""

from __future__ import annotations

# ruff: noqa: T201
import time

from actors.fleet.observations import JobClass, JobsSeen, ScheddSeen
from actors.fleet.shape import Shape
from actors.fleet.want import CloudView, FleetView
from actors.policies.provisioning.decide import decide
from actors.policies.rules import CloudRules, QueueRules, cloud_rules

CLOUDS = 10
SHAPE = Shape(cpus=8, memory_mib=16_000, disk_mib=100_000)


def cloud_set() -> dict[str, CloudRules]:
    names = [f"c{number}" for number in range(CLOUDS)]
    return {
        name: cloud_rules(name=name, shape=SHAPE, max_vms=1_000, usd_per_hour=at / 10) for at, name in enumerate(names)
    }


def demand(classes: int, idle: int) -> JobsSeen:
    """New objects each time, as a reading gives them."""
    jobs = tuple(
        JobClass(
            queue="q",
            request=Shape(cpus=1 + number % 4, memory_mib=500 + 20 * number, disk_mib=1_000),
            requirements="TARGET.Memory >= RequestMemory",
            idle=idle * (number % 2),
            running=3,
        )
        for number in range(classes)
    )
    return JobsSeen(source="p", at=100.0, classes=jobs, schedds=(ScheddSeen(name="a"),))


def fleet(clouds: dict[str, CloudRules], vms: int) -> dict[str, FleetView | None]:
    """`vms` over all clouds: of each cloud's one is idle, the others are full but for a core."""
    share = max(1, vms // CLOUDS)
    free = ((8, 16_000, 100_000, 0), *((1, 2_000, 10_000, 0),) * (share - 1))
    return {
        cloud: FleetView(cloud=cloud, queue="q", at=99.0, ready=share, idle=1, busy=share - 1, free=free)
        for cloud in clouds
    }


def round_s(queues: int, classes: int, vms: int, idle: int) -> float:
    """Seconds for one decision of each queue."""
    clouds = cloud_set()
    rules = QueueRules(name="q", cascade=tuple((cloud,) for cloud in clouds))
    seen = [demand(classes, idle) for _ in range(queues)]
    have = fleet(clouds, vms // queues)
    views: dict[str, CloudView | None] = {cloud: CloudView(cloud=cloud, at=99.0, room=900) for cloud in clouds}
    began = time.perf_counter()
    for one in seen:
        decide(rules, one, have, clouds, views, {}, 100.0, "d")
    return time.perf_counter() - began


def main() -> None:
    print(f"first decision of all: {1e3 * round_s(1, 100, 10, 1):.1f} ms")
    print("| queues | classes | VMs | waiting jobs a class | seconds a round |")
    print("| --- | --- | --- | --- | --- |")
    for vms, idle in ((10_000, 0), (10_000, 1), (10_000, 20), (100_000, 0), (100_000, 1), (100_000, 20)):
        print(f"| 1,000 | 100 | {vms:,} | {idle} | {round_s(1_000, 100, vms, idle):.2f} |")


if __name__ == "__main__":
    main()
