"""The figures of a run are what the records say."""

from __future__ import annotations

from deploy.lab.demo.summary import lines, summarise
from tests.deploy.lab.demo.test_promises import GOOD


def test_the_figures_come_from_the_records() -> None:
    summary = summarise(GOOD, visible_at=0.5, now=40.0, drained=["spot", "private"])
    assert (summary.submitted, summary.done, summary.evictions, summary.restarts, summary.left) == (3, 3, 0, 0, 0)
    assert [(cloud.name, cloud.started, cloud.ended) for cloud in summary.clouds] == [("private", 1, 1), ("spot", 1, 1)]
    assert summary.filled == ("private", "spot")
    assert summary.released == ("spot", "private")
    assert summary.first_launch_s == 0.5
    assert summary.to_first_job is not None
    assert abs(summary.to_first_job.worst_s - 3.9) < 1e-9
    assert summary.to_end["spot"] is not None
    assert summary.to_end["spot"].median_s == 5.0
    assert summary.took_s == 29.5


def test_every_figure_is_told() -> None:
    told = "\n".join(f"{title}: {text}" for title, text in lines(summarise(GOOD, 0.5, 40.0, ["spot", "private"])))
    for part in ("3 of 3 done", "Evictions: 0", "spot: 1 VMs started, 1 ended", "1 spot, then 1 private", "0.5 s", "$"):
        assert part in told


def test_a_run_in_which_nothing_happened_can_be_told_too() -> None:
    empty = GOOD.__class__(submitted=3, jobs=(), lives=(), places=GOOD.places)
    told = dict(lines(summarise(empty, 0.0, 10.0)))
    assert told["Jobs"].startswith("0 of 3 done")
    assert told["Reaction"].endswith("never")
