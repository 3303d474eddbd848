"""What an operator installs beside Redis: the systemd unit, the alerts, and the README that names them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from actors.console.metric_names import metrics
from actors.runtime.metrics import Gauges
from tests.readme import known_commands

DEPLOY = Path(__file__).parents[2] / "deploy"
UNIT = (DEPLOY / "systemd/apf.service").read_text()
ALERTS = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
GUIDE = (DEPLOY / "README.md").read_text()


def settings(section: str) -> dict[str, str]:
    (text,) = re.findall(rf"\[{section}\]\n(.*?)(?=\n\[|\Z)", UNIT, re.DOTALL)
    return dict(line.split("=", 1) for line in text.splitlines() if re.match(r"\w+=", line))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_metrics_that_exist(rule: dict[str, str]) -> None:
    known = {metric.name for metric in metrics()}
    named = set(re.findall(r"apf_[a-z_]+", rule["expr"]))
    assert named
    assert named <= known


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_groups_by_labels_that_its_metric_has(rule: dict[str, str]) -> None:
    known = [one for one in vars(Gauges()).values() if hasattr(one, "_labelnames")]
    labels = {one._name: set(one._labelnames) for one in known}
    for name in re.findall(r"(apf_[a-z_]+?)(?:_total)?\b", rule["expr"]):
        asked = {word for group in re.findall(r"by \(([^)]*)\)", rule["expr"]) for word in group.split(", ")}
        shown = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
        assert asked <= labels[name]
        assert shown <= asked


def test_nothing_is_wrong_with_the_unit(tmp_path: Path) -> None:
    """In systemd's eyes where there is one; else in ours: sections, settings and comments only."""
    assert all(re.fullmatch(r"|#.*|\[\w+\]|\w+=.*", line) for line in UNIT.splitlines())
    if shutil.which("systemd-analyze"):
        verify(tmp_path)


def verify(tmp_path: Path) -> None:
    (tmp_path / "apf.service").write_text(UNIT.replace("/opt/apf/bin/apf", "/bin/true"))
    argv = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "apf.service")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    ours = [line for line in done.stderr.splitlines() if "apf.service" in line]
    assert (done.returncode, ours) == (0, [])


def test_the_unit_stops_the_host_alone_and_does_not_repeat_a_wrong_configuration() -> None:
    service = settings("Service")
    assert (service["KillSignal"], service["KillMode"]) == ("SIGTERM", "mixed")
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("always", "2")
    assert service["ExecStart"].split()[1] in known_commands()


def test_the_guide_names_only_commands_and_files_that_exist() -> None:
    assert set(re.findall(r"apf ([a-z]+) ", GUIDE)) <= set(known_commands())
    for place in re.findall(r"\]\((?!http|#)([^)#]+)", GUIDE):
        assert (DEPLOY / place).exists(), place
