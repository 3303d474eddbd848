"""The dashboards ask for what exists, by labels that it has; the files are those of the table."""

import json
import re

import pytest

from actors.console.metric_names import metrics
from actors.runtime.metrics import Gauges
from deploy.grafana.dashboards import DASHBOARDS, HERE, Dashboard, as_json

QUERIES = [
    pytest.param(expr, legend, id=f"{dashboard.name}: {panel.title} {legend}")
    for dashboard in DASHBOARDS
    for panel in dashboard.panels
    for expr, legend in panel.queries
]
LABELS = {
    one._name: {*one._labelnames, "instance", "le"} for one in vars(Gauges()).values() if hasattr(one, "_labelnames")
}
ENDINGS = r"(?:_total|_bucket)?"


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one.name)
def test_its_file_is_what_the_table_says(dashboard: Dashboard) -> None:
    file = (HERE / f"{dashboard.name}.json").read_text()
    assert file == as_json(dashboard), "run `python -m deploy.grafana.dashboards`"
    assert json.loads(file)["uid"] == f"apf-{dashboard.name}"


@pytest.mark.parametrize(("expr", "legend"), QUERIES)
def test_it_asks_for_metrics_that_exist_by_labels_that_they_have(expr: str, legend: str) -> None:
    named = re.findall(rf"apf_[a-z_]+?{ENDINGS}\b", expr)
    assert named
    assert {re.sub(r"_bucket$", "", one) for one in named} <= {metric.name for metric in metrics()}
    (metric,) = {re.sub(r"(_total|_bucket)$", "", one) for one in named}
    asked = {word for group in re.findall(r"by \(([^)]*)\)", expr) for word in group.split(", ")}
    asked |= set(re.findall(r"(\w+)=\"", expr))
    assert asked <= LABELS[metric]
    assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= asked


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one.name)
def test_no_panel_lies_on_another(dashboard: Dashboard) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(as_json(dashboard))["panels"]:
        grid = panel["gridPos"]
        cells = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_every_metric_that_operators_are_told_of_is_on_a_dashboard_or_an_alert() -> None:
    shown = "".join(as_json(one) for one in DASHBOARDS) + (HERE.parent / "prometheus/alerts.yml").read_text()
    left = {metric.name for metric in metrics() if metric.name not in shown}
    todo = "give each a panel in deploy/grafana/dashboards.py, then python -m deploy.grafana.dashboards"
    assert left <= {"apf_build_info", "apf_refusals_total"}, todo
