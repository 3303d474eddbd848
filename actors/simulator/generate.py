"""Made-up traces of a day, each from a seed: the same seed gives the same jobs.

bursty  users submit 50 to 600 short jobs at once, some twenty times a day
steady  one stream of jobs with equal chances at any time, half an hour each on average
mixed   single-core and 8-core jobs, some with much memory, in small batches and a stream
daily   more by day than by night, jobs from minutes to hours
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

from actors.fleet.shape import Shape
from actors.simulator.jobs import Job

DAY_S = 86_400.0
CORE = Shape(cpus=1, memory_mib=1_800, disk_mib=4_000)
SHAPES: tuple[tuple[Shape, float], ...] = (
    (CORE, 0.7),
    (Shape(cpus=8, memory_mib=15_000, disk_mib=30_000), 0.1),
    (Shape(cpus=1, memory_mib=6_000, disk_mib=4_000), 0.1),
    (Shape(cpus=4, memory_mib=4_000, disk_mib=10_000), 0.1),
)


def generate(kind: str, seed: int = 1, jobs: int | None = None) -> tuple[Job, ...]:
    """A day of `kind`; with `jobs`, about so many. Raises KeyError for a kind that is not known."""
    chance = random.Random(f"{kind}:{seed}")
    scale = 1.0
    if jobs:
        usual = sum(1 for _ in KINDS[kind](random.Random(f"{kind}:{seed}"), 1.0))
        scale = jobs / usual
    return tuple(sorted(KINDS[kind](chance, scale), key=lambda job: job.at_s))


def _lognormal(chance: random.Random, median_s: float, spread: float) -> float:
    return max(5.0, median_s * math.exp(chance.gauss(0.0, spread)))


def _bursty(chance: random.Random, scale: float) -> Iterator[Job]:
    for _ in range(20):
        at_s = chance.uniform(0, DAY_S * 0.9)
        median_s = chance.choice([120.0, 300.0, 900.0])
        for _ in range(int(chance.randint(50, 600) * scale)):
            yield Job(at_s=at_s + chance.uniform(0, 20), runtime_s=_lognormal(chance, median_s, 0.4), request=CORE)


def _steady(chance: random.Random, scale: float) -> Iterator[Job]:
    at_s = 0.0
    while (at_s := at_s + chance.expovariate(scale / 20.0)) < DAY_S:
        yield Job(at_s=at_s, runtime_s=_lognormal(chance, 1_500.0, 0.6), request=CORE)


def _mixed(chance: random.Random, scale: float) -> Iterator[Job]:
    at_s = 0.0
    shapes, weights = [shape for shape, _ in SHAPES], [weight for _, weight in SHAPES]
    while (at_s := at_s + chance.expovariate(scale / 300.0)) < DAY_S:
        request = chance.choices(shapes, weights)[0]
        median_s = chance.choice([200.0, 1_200.0, 5_000.0])
        for _ in range(chance.choice([1, 1, 5, 40])):
            yield Job(at_s=at_s, runtime_s=_lognormal(chance, median_s, 0.5), request=request)


def _daily(chance: random.Random, scale: float) -> Iterator[Job]:
    at_s = 0.0
    while (at_s := at_s + chance.expovariate(scale / 8.0)) < DAY_S:
        by_day = 0.5 - 0.5 * math.cos(2 * math.pi * at_s / DAY_S)
        if chance.random() < 0.1 + 0.9 * by_day:
            yield Job(at_s=at_s, runtime_s=_lognormal(chance, 900.0, 1.0), request=CORE)


KINDS: dict[str, Callable[[random.Random, float], Iterator[Job]]] = {
    "bursty": _bursty,
    "steady": _steady,
    "mixed": _mixed,
    "daily": _daily,
}
