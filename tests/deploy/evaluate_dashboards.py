"""Every expression of the dashboards and the alerts, evaluated by a real Prometheus that scraped a host's /metrics.

Not part of `make test`: it needs Debian's prometheus. `make test-dashboards`. The metrics are those of a host's own
registry with a value for each, since no single run has all of them (a spot notice, an eviction, a damaged row).
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml
from prometheus_client import start_http_server

from actors.runtime.metrics import Gauges
from deploy.grafana.dashboards import DASHBOARDS, HERE
from tests.late import within

ALERTS = yaml.safe_load((HERE.parent / "prometheus/alerts.yml").read_text())
EXPRESSIONS = [
    *(expr for dashboard in DASHBOARDS for panel in dashboard.panels for expr, _ in panel.queries),
    *(rule["expr"] for group in ALERTS["groups"] for rule in group["rules"]),
]


def filled() -> Gauges:
    gauges = Gauges()
    for one in vars(gauges).values():
        if not hasattr(one, "_labelnames"):
            continue
        mine = one.labels(*(f"a-{label}" for label in one._labelnames)) if one._labelnames else one
        if one._type == "histogram":
            mine.observe(0.1)
        else:
            mine.inc()
    for state in ("idle", "running"):
        gauges.jobs.labels("a-queue", state).set(3)
    gauges.vms.labels("a-cloud", "a-queue", "ending").set(1)
    gauges.notices.labels("a-cloud", "unknown").inc()
    return gauges


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one that has scraped for some seconds."""
    server, thread = start_http_server(0, "127.0.0.1", filled().registry)
    folder = tmp_path_factory.mktemp("prometheus")
    scraped = {"targets": [f"127.0.0.1:{server.server_port}"]}
    config = {"scrape_configs": [{"job_name": "apf", "scrape_interval": "1s", "static_configs": [scraped]}]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    argv = ["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
    port = server.server_port + 1
    ours = subprocess.Popen([*argv, f"--web.listen-address=127.0.0.1:{port}"], stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        within(30, "it has scraped twice", lambda: asked(url, "count_over_time(apf_jobs[1m]) > 2"))
        yield url
    finally:
        ours.terminate()
        ours.wait(20)
        server.shutdown()
        thread.join(10)


def asked(url: str, expr: str) -> list[object]:
    try:
        with urlopen(f"{url}/api/v1/query?{urlencode({'query': expr, 'time': time.time()})}", timeout=10) as answer:
            told = json.load(answer)
    except OSError:
        return []
    assert told["status"] == "success", told
    result: list[object] = told["data"]["result"]
    return result


@pytest.mark.parametrize("expr", EXPRESSIONS)
def test_a_real_prometheus_understands_it_and_finds_something(prometheus: str, expr: str) -> None:
    for label in ("cloud", "queue"):
        expr = expr.replace(f"${label}", f"a-{label}")
    found = asked(prometheus, re.sub(r"\s(>|<|==|!=)=?\s+[\d.]+$", "", expr))
    assert found or "absent(" in expr or "<" in expr


def test_the_alerts_are_a_file_that_prometheus_takes() -> None:
    file = HERE.parent / "prometheus/alerts.yml"
    checked = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
