"""A figure over its goal is not told without the raw call of the same run, and all that is compared with is there."""

from tests.benchmarks.figures import Figure, markdown
from tests.factory_process import ROOT


def launch(ours: float, raw: float | None = 19.0) -> Figure:
    return Figure(what="a launch, p95", raw=raw, ours=ours, unit="ms", limit=100.0)


def test_a_figure_over_its_goal_names_the_raw_figure_of_the_same_run() -> None:
    assert launch(114.0).cells()[-1] == "NO; raw took 19 ms in this run"
    assert launch(99.0).cells()[-1] == "yes"
    assert launch(114.0, raw=None).cells()[-1] == "NO"
    assert "NO; raw took 19 ms in this run" in markdown([launch(114.0)])


def test_make_bench_installs_what_it_compares_with() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\nbench:")[2].partition("\n\n")[0]
    assert "'.[bench]'" in recipe
