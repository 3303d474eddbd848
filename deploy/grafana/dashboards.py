"""The dashboards as a table, and the files that Grafana loads: `python -m deploy.grafana.dashboards` writes them anew.

Several hosts are scraped, and what is told of a queue or a cloud its holder tells; after a handover the host before may
still show its last number until it forgets it, so numbers are `max by` and never summed over hosts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
WIDTH, HEIGHT = 24, 8  # of Grafana's grid, and of a panel
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """`queries`: expression and legend of each line. `unit`: one of Grafana's. `width`: of 24."""

    title: str
    text: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    width: int = 12
    kind: str = "timeseries"
    stacked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """`variables`: label -> the metric whose values it takes."""

    name: str
    title: str
    panels: tuple[Panel, ...]
    variables: tuple[tuple[str, str], ...] = ()


def _figure(title: str, text: str, expr: str, unit: str = "short") -> Panel:
    return Panel(title=title, text=text, queries=((expr, ""),), unit=unit, width=4, kind="stat")


OVERVIEW = Dashboard(
    name="overview",
    title="apf: overview",
    panels=(
        _figure("Jobs wait", "Idle jobs of all queues.", 'sum(max by (queue) (apf_jobs{state="idle"}))'),
        _figure("Jobs run", "Running jobs of all queues.", 'sum(max by (queue) (apf_jobs{state="running"}))'),
        _figure("VMs", "All that are not ended.", "sum(max by (cloud, queue, state) (apf_vms))"),
        _figure("An hour", "What all VMs cost now.", "sum(max by (cloud, queue) (apf_usd_per_hour))", "currencyUSD"),
        _figure("Hosts", "That hold a post.", "count(sum by (instance) (apf_terms_held) > 0)"),
        _figure("Jobs that none can run", "No cloud fits them.", "sum(max by (queue) (apf_jobs_unrunnable))"),
        Panel(
            title="Jobs",
            text="What waits, and what runs.",
            queries=(("sum by (state) (max by (queue, state) (apf_jobs))", "{{state}}"),),
        ),
        Panel(
            title="VMs by cloud",
            text="The cascade as it fills and empties.",
            queries=(("sum by (cloud) (max by (cloud, queue, state) (apf_vms))", "{{cloud}}"),),
            stacked=True,
        ),
        Panel(
            title="US$ an hour",
            text="At the prices at which they were started.",
            queries=(("sum by (cloud) (max by (cloud, queue) (apf_usd_per_hour))", "{{cloud}}"),),
            unit="currencyUSD",
            stacked=True,
        ),
        Panel(
            title="Jobs without room",
            text="A cloud could run them, had it room.",
            queries=(("max by (queue) (apf_jobs_without_room)", "{{queue}}"),),
        ),
        Panel(
            title="Closed and frozen clouds",
            text="1: nothing is started (closed), nothing is released (frozen).",
            queries=(
                ("max by (cloud) (apf_cloud_closed)", "{{cloud}} closed"),
                ("max by (cloud) (apf_cloud_frozen)", "{{cloud}} frozen"),
            ),
        ),
        Panel(
            title="Age of readings",
            text="Since a pool or a cloud was read well.",
            queries=(("time() - max by (source) (apf_reading_timestamp_seconds)", "{{source}}"),),
            unit="s",
        ),
        Panel(
            title="Readings that failed",
            text="1 while the last look at a pool or a cloud failed.",
            queries=(("max by (source) (apf_reading_failed)", "{{source}}"),),
        ),
    ),
)
CLOUD = Dashboard(
    name="cloud",
    title="apf: a cloud",
    variables=(("cloud", "apf_cloud_room_vms"),),
    panels=(
        Panel(
            title="VMs by state",
            text="Each counted once.",
            queries=(('sum by (state) (max by (queue, state) (apf_vms{cloud="$cloud"}))', "{{state}}"),),
            stacked=True,
        ),
        Panel(
            title="Wanted, and there is room for",
            text="What the queues want here, and what may still be started.",
            queries=(
                ('sum(max by (queue) (apf_want_vms{cloud="$cloud"}))', "wanted"),
                ('max(apf_cloud_room_vms{cloud="$cloud"})', "room"),
            ),
        ),
        Panel(
            title="Idle, busy, suspect, held",
            text="Of those that are ready.",
            queries=(('sum by (mark) (max by (queue, mark) (apf_vms_marked{cloud="$cloud"}))', "{{mark}}"),),
        ),
        Panel(
            title="Failed calls",
            text="By what helps against them.",
            queries=(('sum by (remedy) (rate(apf_cloud_errors_total{cloud="$cloud"}[5m]))', "{{remedy}}"),),
            unit="reqps",
        ),
        Panel(
            title="Breaker",
            text="0 closed, 1 half-open, 2 open.",
            queries=(('max(apf_cloud_breaker{cloud="$cloud"})', "breaker"),),
        ),
        Panel(
            title="Drains",
            text="Held back by the budget, overdue, and refused by startds.",
            queries=(
                ('max(apf_drains_waiting{cloud="$cloud"})', "waiting"),
                ('max(apf_drains_overdue{cloud="$cloud"})', "overdue"),
                ('sum(increase(apf_drains_refused_total{cloud="$cloud"}[1h]))', "refused in an hour"),
                ('sum(increase(apf_policy_evictions_total{cloud="$cloud"}[1h]))', "evicted in an hour"),
            ),
        ),
        Panel(
            title="Spot notices",
            text="What the cloud said it will take away.",
            queries=(('sum by (kind) (increase(apf_spot_notices_total{cloud="$cloud"}[1h]))', "{{kind}}"),),
        ),
        Panel(
            title="Its account",
            text="What all its clouds have together, beside the limit.",
            queries=(
                ('max by (account, kind) (apf_account_used{cloud="$cloud"})', "{{account}} {{kind}}"),
                ('max by (account, kind) (apf_account_limit{cloud="$cloud"})', "{{account}} {{kind}} at most"),
                ('max by (account) (apf_account_unknown{cloud="$cloud"})', "{{account}} not known"),
            ),
        ),
    ),
)
QUEUE = Dashboard(
    name="queue",
    title="apf: a queue",
    variables=(("queue", "apf_jobs"),),
    panels=(
        Panel(
            title="Jobs",
            text="By state, as last read.",
            queries=(('max by (state) (apf_jobs{queue="$queue"})', "{{state}}"),),
        ),
        Panel(
            title="Wants",
            text="VMs of each cloud.",
            queries=(('max by (cloud) (apf_want_vms{queue="$queue"})', "{{cloud}}"),),
            stacked=True,
        ),
        Panel(
            title="VMs",
            text="That it has of each cloud.",
            queries=(('sum by (cloud) (max by (cloud, state) (apf_vms{queue="$queue"}))', "{{cloud}}"),),
            stacked=True,
        ),
        Panel(
            title="US$ an hour",
            text="What its VMs cost now.",
            queries=(('max by (cloud) (apf_usd_per_hour{queue="$queue"})', "{{cloud}}"),),
            unit="currencyUSD",
            stacked=True,
        ),
        Panel(
            title="Jobs that get nothing",
            text="No room, no cloud that fits, bought for in vain.",
            queries=(
                ('max(apf_jobs_without_room{queue="$queue"})', "without room"),
                ('max(apf_jobs_unrunnable{queue="$queue"})', "no cloud fits"),
                ('max(apf_jobs_bought_in_vain{queue="$queue"})', "bought for in vain"),
            ),
        ),
        Panel(
            title="Decisions that limits cut",
            text="In an hour.",
            queries=(('sum(increase(apf_clamps_total{queue="$queue"}[1h]))', "cut"),),
        ),
    ),
)
HOST = Dashboard(
    name="host",
    title="apf: hosts",
    panels=(
        Panel(
            title="Posts held",
            text="By host and kind.",
            queries=(("sum by (instance, kind) (apf_terms_held)", "{{instance}} {{kind}}"),),
            stacked=True,
        ),
        Panel(
            title="How long a look takes",
            text="The 95th percentile, by actor.",
            queries=(
                ("histogram_quantile(0.95, sum by (actor, le) (rate(apf_look_seconds_bucket[5m])))", "{{actor}}"),
            ),
            unit="s",
        ),
        Panel(
            title="Posts set aside",
            text="Looking at them fails.",
            queries=(("sum by (instance, actor, post) (apf_post_failing)", "{{instance}} {{actor}} {{post}}"),),
        ),
        Panel(
            title="Started anew",
            text="Actors and threads that failed, in an hour.",
            queries=(
                ("sum by (instance, actor) (increase(apf_actor_restarts_total[1h]))", "{{instance}} {{actor}}"),
                ("sum by (instance, thread) (increase(apf_thread_failures_total[1h]))", "{{instance}} {{thread}}"),
            ),
        ),
        Panel(
            title="What cannot be read",
            text="Values in Redis that a host came across.",
            queries=(("max by (instance) (apf_damaged_rows)", "{{instance}}"),),
        ),
        Panel(
            title="Mail that could not be sent",
            text="In an hour; nothing is lost by it but time.",
            queries=(("sum by (instance) (increase(apf_mail_dropped_total[1h]))", "{{instance}}"),),
        ),
        Panel(
            title="Negotiations asked for",
            text="In an hour, as a VM joined while its jobs waited.",
            queries=(("sum by (pool) (increase(apf_negotiations_asked_total[1h]))", "{{pool}}"),),
        ),
    ),
)
DASHBOARDS = (OVERVIEW, CLOUD, QUEUE, HOST)


def as_json(dashboard: Dashboard) -> str:
    """What Grafana imports, or is provisioned with."""
    told = {
        "uid": f"apf-{dashboard.name}",
        "title": dashboard.title,
        "tags": ["apf"],
        "timezone": "utc",
        "editable": True,
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": list(_variables(dashboard))},
        "panels": list(_panels(dashboard)),
    }
    return json.dumps(told, indent=1) + "\n"


def _variables(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    yield {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    for label, metric in dashboard.variables:
        query = f"label_values({metric}, {label})"
        yield {"name": label, "type": "query", "datasource": SOURCE, "query": query, "refresh": 2, "sort": 1}


def _panels(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    x = y = tallest = 0
    for number, panel in enumerate(dashboard.panels, 1):
        height = HEIGHT // 2 if panel.kind == "stat" else HEIGHT
        if x + panel.width > WIDTH:
            x, y, tallest = 0, y + tallest, 0
        yield {
            "id": number,
            "type": panel.kind,
            "title": panel.title,
            "description": panel.text,
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": panel.width, "h": height},
            "targets": [
                {"refId": chr(65 + n), "expr": expr, "legendFormat": legend or "__auto", "datasource": SOURCE}
                for n, (expr, legend) in enumerate(panel.queries)
            ],
            "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": _drawn(panel)}, "overrides": []},
        }
        x, tallest = x + panel.width, max(tallest, height)


def _drawn(panel: Panel) -> dict[str, Any]:
    if panel.kind == "stat":
        return {}
    stacked = {"stacking": {"mode": "normal"}, "fillOpacity": 30} if panel.stacked else {"fillOpacity": 5}
    return {"drawStyle": "line", "lineInterpolation": "stepAfter", "showPoints": "never", **stacked}


def main() -> None:
    for dashboard in DASHBOARDS:
        (HERE / f"{dashboard.name}.json").write_text(as_json(dashboard))


if __name__ == "__main__":
    main()
