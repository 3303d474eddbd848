"""The list of metrics is what a host shows."""

from __future__ import annotations

from prometheus_client import generate_latest

from actors.console.metric_names import metrics
from actors.runtime.metrics import Gauges


def test_every_metric_is_listed_as_prometheus_shows_it() -> None:
    shown = generate_latest(Gauges().registry).decode()
    described = {line.split(" ")[2] for line in shown.splitlines() if line.startswith("# HELP ")}
    assert {metric.name for metric in metrics()} == {name for name in described if not name.endswith("_created")}
    assert all(metric.text and metric.name.startswith("apf_") for metric in metrics())
