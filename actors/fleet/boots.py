"""How long the VMs of a cloud take to boot, from the last ones: from launch to the first ad of their startd."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from statistics import median, quantiles

from actors.fleet.vm import Vm

LAST = 50  # boots that are looked at
LEAST = 4  # of fewer nothing is said
IQR = 1.349  # quartiles of a normal distribution are so many of its deviations apart
STEP_S, STEP = 5.0, 0.05  # finer is not told: a cloud's view is written anew where it says something else


def boots(last_s: Iterable[float]) -> tuple[float, float]:
    """(seconds, the median; deviation of their logarithm). (0, 0): too few are known."""
    known = sorted(one for one in last_s if one > 0)
    if len(known) < LEAST:
        return 0.0, 0.0
    low, _, high = quantiles(map(math.log, known), n=4)
    return max(STEP_S, _near(median(known), STEP_S)), _near((high - low) / IQR, STEP)


def boots_of(vms: Iterable[Vm]) -> tuple[float, float]:
    """The same of the VMs that joined last."""
    joined = heapq.nlargest(LAST, ((vm.joined, vm.joined - vm.born) for vm in vms if vm.joined))
    return boots(boot_s for _, boot_s in joined)


def _near(value: float, step: float) -> float:
    return round(round(value / step) * step, 6)
