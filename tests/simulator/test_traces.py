"""Traces: from files of three kinds, or made up from a seed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from actors.fleet.shape import Shape
from actors.simulator.generate import DAY_S, KINDS, generate
from actors.simulator.traces import BadTrace, read


def test_csv_needs_times_and_takes_requests(tmp_path: Path) -> None:
    file = tmp_path / "jobs.csv"
    file.write_text("at_s,runtime_s,cpus,memory_mib\n110,60,8,2000\n100,30,,\n")
    first, second = read(str(file))
    assert (first.at_s, first.runtime_s, first.request) == (0.0, 30.0, Shape())
    assert (second.at_s, second.request) == (10.0, Shape(cpus=8, memory_mib=2000))


def test_the_standard_workload_format(tmp_path: Path) -> None:
    file = tmp_path / "jobs.swf"
    file.write_text(
        "; Version: 2.2\n"
        "1 50 5 300 4 -1 1048576 4 600 -1 1 1 1 1 1 -1 -1 -1\n"
        "2 60 5 -1 4 -1 -1 4 600 -1 0 1 1 1 1 -1 -1 -1\n"
        "3 70 5 100 -1 -1 -1 2 600 524288 1 1 1 1 1 -1 -1 -1\n"
    )
    assert [(job.at_s, job.runtime_s, job.request) for job in read(str(file))] == [
        (0.0, 300.0, Shape(cpus=4, memory_mib=4096)),
        (20.0, 100.0, Shape(cpus=2, memory_mib=1024)),
    ]


def test_htcondors_history(tmp_path: Path) -> None:
    ads = [
        {"QDate": 1000, "RemoteWallClockTime": 60.0, "RequestCpus": 2, "RequestMemory": 100, "RequestDisk": 2048},
        {"QDate": 1005, "JobCurrentStartDate": 1010, "CompletionDate": 1040},
        {"QDate": 1006},
    ]
    file = tmp_path / "history.json"
    file.write_text(json.dumps(ads))
    assert [(job.at_s, job.runtime_s, job.request) for job in read(str(file))] == [
        (0.0, 60.0, Shape(cpus=2, memory_mib=100, disk_mib=2)),
        (5.0, 30.0, Shape()),
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "at,runtime\n1,2\n", "is not a trace: KeyError"),
        ("a.csv", "at_s,runtime_s\n", "has no job that ran"),
        ("a.swf", "1 2 3\n", "is not a trace: IndexError"),
        ("a.json", "{", "is not a trace"),
        ("a.json", "[3]", "is not a trace"),
    ],
)
def test_what_is_no_trace_is_told(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadTrace, match=said):
        read(str(tmp_path / name))


@pytest.mark.parametrize("source", ["nowhere.csv", "sunny", "steady:x", "steady:1:0", "steady:1:2:3", "jobs.txt"])
def test_what_is_not_there_is_told(source: str) -> None:
    with pytest.raises(BadTrace, match=r"cannot be read|is no \.csv"):
        read(source)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_made_up_day_is_the_same_for_the_same_seed_only(kind: str) -> None:
    assert read(f"{kind}:4") == generate(kind, 4) != generate(kind, 5)
    assert all(0 <= job.at_s <= DAY_S and job.runtime_s > 0 for job in generate(kind, 4))
    assert 1_500 <= len(generate(kind, 4, jobs=2_000)) <= 2_700
    assert read(f"{kind}:4:2000") == generate(kind, 4, jobs=2_000)
