"""The metrics that /metrics shows, by name: for the manual, whose list a test holds against this one."""

from __future__ import annotations

from dataclasses import dataclass

from actors.runtime.metrics import Gauges


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """`name` as Prometheus shows it: a counter's ends in `_total`. `kind`: gauge, counter or histogram."""

    name: str
    kind: str
    text: str


def metrics() -> tuple[Metric, ...]:
    """All of them, by name."""
    families = Gauges().registry.collect()
    found = [Metric(name=_shown(one.name, one.type), kind=one.type, text=one.documentation) for one in families]
    return tuple(sorted(found, key=lambda metric: metric.name))


def _shown(name: str, kind: str) -> str:
    return f"{name}_total" if kind == "counter" else name
