"""`apf simulate`: configurations side by side, a picture, and what is said when it cannot be done."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from actors.cli import app
from tests.actors.console.factory_file import said

ROOT = Path(__file__).parents[3]
CASCADE, MINIMAL = ROOT / "configs" / "cascade.toml", ROOT / "configs" / "minimal.toml"


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    file = tmp_path / "jobs.csv"
    file.write_text("at_s,runtime_s,cpus\n" + "".join(f"{10 * n},600,1\n" for n in range(100)))
    return file


def simulated(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "120"}).invoke(app, ["simulate", *(str(one) for one in arguments)])


def test_configurations_stand_side_by_side_over_the_same_jobs(trace: Path) -> None:
    result = simulated(CASCADE, MINIMAL, "--jobs", trace)
    assert result.exit_code == 0, result.output
    head, done, *_ = (line.split() for line in result.stdout.splitlines())
    assert head == ["cascade", "minimal"]
    assert done == ["jobs", "done", "100", "100"]
    assert " x " not in result.stdout
    assert "x 1.00" in simulated(CASCADE, MINIMAL, "--jobs", trace, "--compare").stdout


def test_a_picture_is_written_as_svg_and_png(trace: Path, tmp_path: Path) -> None:
    result = simulated(MINIMAL, "--jobs", trace, "--plot", tmp_path / "run.png")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "run.svg").read_text().startswith("<?xml")
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
    assert "drawn:" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--jobs", "sunny"), "is no .csv, .swf, .json or .jsonl file"),
        (("--jobs", "steady", "--queue", "atlsa"), "did you mean 'atlas'?"),
        (("--jobs", "steady", "--plot", "run.pdf"), ".svg or .png"),
        (("--jobs", "steady", "--plot", "nowhere/run.svg"), "there is no folder nowhere"),
        ((), "--jobs"),
    ],
)
def test_what_cannot_be_simulated_is_told_at_once_and_exits_with_2(arguments: tuple[str, ...], told: str) -> None:
    result = simulated(MINIMAL, *arguments)
    assert result.exit_code == 2
    assert told in said(result)


@pytest.mark.parametrize("missing", ["simpy", "matplotlib"])
def test_without_the_extra_it_says_how_to_install_it(missing: str, trace: Path, tmp_path: Path) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from actors.cli import main; main()"
    argv = [sys.executable, "-c", code, "simulate", MINIMAL, "--jobs", trace, "--plot", tmp_path / "run.svg"]
    result = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert "autopyfactory-cloud[simulate]" in result.stderr
    assert "Traceback" not in result.stderr


def test_where_no_job_fits_it_says_so_and_exits_with_1(tmp_path: Path) -> None:
    (tmp_path / "jobs.csv").write_text("at_s,runtime_s,cpus\n0,600,64\n")
    result = simulated(MINIMAL, "--jobs", tmp_path / "jobs.csv")
    assert result.exit_code == 1
    assert "no job fits on a VM of its clouds: one asks for 64 cpus" in said(result)
    assert "mean wait -" in said(result)


def test_how_many_jobs_fit_nowhere_and_were_left_out_is_said(tmp_path: Path) -> None:
    ad = {"QDate": 1, "RemoteWallClockTime": 60}
    ads = [ad, ad | {"RequestCpus": 64}, ad | {"JobUniverse": 7}]
    (tmp_path / "history.json").write_text(json.dumps(ads))
    result = simulated(MINIMAL, "--jobs", tmp_path / "history.json")
    assert result.exit_code == 0
    assert "1 job needs no VM: universe 7, scheduler (DAGMan and the like): left out" in said(result)
    assert "1 of 2 jobs fit on no VM of its clouds" in said(result)
