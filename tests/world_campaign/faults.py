"""The faults of a campaign as data: a seed gives a list, and any part of that list can be played again.

Each kind comes as often as any other, in an order of its own each round, so that a campaign of as many faults as there
are kinds has each once. `world` faults are spells of the world's weather; the others are done to hosts, Redis and mail,
or are what an operator does.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

HOSTS = ("host-1", "host-2", "host-3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`at_s` after the fleet has grown; it lasts `for_s`. `what`: world, host, redis, mail, operator, startds, spot."""

    at_s: float
    kind: str
    for_s: float
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        told = ", ".join(f"{key} {value}" for key, value in self.settings.items())
        return f"{self.kind} for {self.for_s:.1f} s" + (f": {told}" if told else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What faults may happen to. `pace`: how long a fault lasts, in units of the factory's TTL."""

    clouds: Sequence[str]
    spot: Sequence[str]
    ttl_s: float


Draw = Callable[[random.Random, Scene], Mapping[str, Any]]


def _share(low: float, high: float) -> Draw:
    return lambda chance, _: {"share": round(chance.uniform(low, high), 2)}


def _cloud(**more: tuple[float, float]) -> Draw:
    def draw(chance: random.Random, scene: Scene) -> Mapping[str, Any]:
        drawn = {name: round(chance.uniform(*between), 2) for name, between in more.items()}
        return {"cloud": chance.choice(scene.clouds), **drawn}

    return draw


def _nothing(*_: object) -> Mapping[str, Any]:
    return {}


def _host(chance: random.Random, _: Scene) -> Mapping[str, Any]:
    return {"host": chance.choice(HOSTS)}


def _link(chance: random.Random, _: Scene) -> Mapping[str, Any]:
    return {"link": f"{chance.choice((*HOSTS, ''))}/{chance.choice(('pool', 'cloud'))}"}


def _seeded(**more: tuple[float, float]) -> Draw:
    def draw(chance: random.Random, _: Scene) -> Mapping[str, Any]:
        drawn = {name: round(chance.uniform(*between), 3) for name, between in more.items()}
        return {"seed": chance.randrange(10_000), **drawn}

    return draw


def _reclaim(chance: random.Random, scene: Scene) -> Mapping[str, Any]:
    return {**_seeded(share=(0.05, 0.3))(chance, scene), "cloud": chance.choice(scene.spot)}


def _notices(chance: random.Random, scene: Scene) -> Mapping[str, Any]:
    return {**_reclaim(chance, scene), "grace_s": round(chance.uniform(12, 16) * scene.ttl_s, 1)}


def _late(chance: random.Random, scene: Scene) -> Mapping[str, Any]:
    return {"share": round(chance.uniform(0.1, 0.4), 2), "delay_s": round(chance.uniform(1.1, 2.0) * scene.ttl_s, 1)}


def _flapping(chance: random.Random, _: Scene) -> Mapping[str, Any]:
    return {"link": "", "share": round(chance.uniform(0.3, 0.7), 2)}


def _boots(chance: random.Random, _: Scene) -> Mapping[str, Any]:
    return {"share": round(chance.uniform(0.2, 0.6), 2), "factor": round(chance.uniform(3, 14), 1)}


WORLD: dict[str, Draw] = {
    "slow-boots": _boots,
    "dead-boots": _share(0.05, 0.3),
    "capacity": _cloud(share=(0.0, 0.7)),
    "prices": _cloud(times=(0.5, 4.0)),
    "stale-listings": _cloud(),
    "partial-listings": _cloud(share=(0.05, 0.6)),
    "late-calls": _late,
    "lost-answers": _share(0.1, 0.4),
    "throttling": _cloud(share=(0.3, 1.0)),
    "stuck-deletes": _cloud(share=(0.2, 1.0)),
    "vanished-ads": _share(0.02, 0.6),
    "late-ads": _share(0.2, 1.0),
    "lying-ads": _share(0.02, 0.2),
    "boasting-ads": _share(0.02, 0.3),
    "collector-restart": _nothing,
    "silent-startds": _share(0.05, 0.5),
    "black-holes": _share(0.02, 0.08),
    "flapping": _flapping,
    "cut": _link,
}
AT_ONCE: dict[str, Draw] = {  # they last no time: what they did stays
    "startd-restarts": _seeded(share=(0.02, 0.5)),
    "spot-reclaims": _reclaim,
    "spot-notices": _notices,
    "mail-loss": _nothing,
    "mail-garbage": _seeded(),
    "redis-restart": _nothing,
    "redis-kill": _nothing,
    "redis-emptied": _nothing,
    "operator-hold": _seeded(),
    "operator-drain": _seeded(),
    "operator-kill": _seeded(),
}
HOST: dict[str, Draw] = {
    "host-kill": _host,
    "host-stop": _host,
    "host-freeze": _host,
    "host-cut-off-redis": _host,
    "redis-freeze": _nothing,
}
KINDS: dict[str, Draw] = {**WORLD, **AT_ONCE, **HOST}


def plan(seed: int, scene: Scene, count: int, over_s: float, kinds: Iterable[str] = tuple(KINDS)) -> tuple[Fault, ...]:
    """`count` faults within `over_s` seconds, in the order of their times. The same seed gives the same list.

    Redis is left alone in the first half: after each of its faults all hosts start over, and nothing else is seen.
    """
    chance = random.Random(seed)
    left: list[str] = []
    chosen: list[Fault] = []
    known = sorted(kinds)
    for _ in range(count):
        left = left or chance.sample(known, len(known))
        kind = left.pop()
        settings = KINDS[kind](chance, scene)
        for_s = 0.0 if kind in AT_ONCE else scene.ttl_s * chance.uniform(0.7, 3.5)
        at_s = over_s * chance.uniform(0.5 if kind.startswith("redis-") else 0, 1)
        chosen.append(Fault(at_s=round(at_s, 1), kind=kind, for_s=round(for_s, 1), settings=settings))
    return tuple(sorted(chosen, key=lambda fault: fault.at_s))


def plain(faults: Iterable[Fault]) -> str:
    """One JSON object a line: what `--faults FILE` plays."""
    rows = ({"at_s": f.at_s, "kind": f.kind, "for_s": f.for_s, "settings": dict(f.settings)} for f in faults)
    return "".join(json.dumps(row) + "\n" for row in rows)


def read(text: str) -> tuple[Fault, ...]:
    return tuple(Fault(**json.loads(line)) for line in text.splitlines() if line.strip())
