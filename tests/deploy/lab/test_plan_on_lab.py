"""`apf plan` on a real pool and a cloud with EC2's API: it sees the jobs, says what would be done, and does nothing."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from actors.cli import app
from actors.console.plan_screen import PlanShown
from tests.factory_on_lab import MakeFactory, make_factory  # noqa: F401


def test_a_plan_sees_the_real_jobs_and_starts_nothing(
    make_factory: MakeFactory,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    factory = make_factory()
    for name, value in (("ACCESS_KEY_ID", "lab"), ("SECRET_ACCESS_KEY", "lab"), ("EC2_METADATA_DISABLED", "true")):
        monkeypatch.setenv(f"AWS_{name}", value)
    factory.submit(3, seconds=60)
    plans = []

    def all_is_read() -> bool:
        plans.append(result := CliRunner().invoke(app, ["plan", str(factory.config_file), "--json"]))
        return result.exit_code == 0

    factory.until(all_is_read, "a plan for which every source answered")
    (queue,) = PlanShown.model_validate_json(plans[-1].stdout).queues
    assert (queue.idle, queue.running) == (3, 0)
    assert [(cloud.cloud, cloud.have, cloud.start) for cloud in queue.clouds] == [("private", 0, 2), ("spot", 0, 1)]
    assert factory.started() == []
    assert factory.alive() == []
