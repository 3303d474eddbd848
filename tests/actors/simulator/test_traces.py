"""Traces: from files of three kinds, or made up from a seed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from actors.fleet.shape import Shape
from actors.simulator.generate import DAY_S, KINDS, generate
from actors.simulator.jobs import BadTrace
from actors.simulator.traces import read, trace


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
        ("a.csv", "at,runtime\n1,2\n", "line 1: seen the columns at, runtime; at_s and runtime_s must be there too"),
        ("a.csv", "", r"line 1: seen the columns \(none\)"),
        ("a.csv", "at_s,runtime_s\n", "has no job that ran"),
        ("a.csv", "at_s,runtime_s\n1,2\n2,x\n", "line 3: runtime_s: seen 'x'; allowed: a number"),
        ("a.csv", "at_s,runtime_s\n1,2\n2\n", "line 3: runtime_s: seen ''; allowed: a number"),
        ("a.csv", "at_s,runtime_s\n1,inf\n", "line 2: runtime_s: seen inf; allowed: seconds from 0"),
        ("a.csv", "at_s,runtime_s\nnan,1\n", "line 2: at_s: seen nan"),
        ("a.csv", "at_s,runtime_s,cpus\n1,1,-2\n", "line 2: cpus: seen -2"),
        ("a.csv", f"at_s,runtime_s\n1,{'9' * 5000}\n", "line 2: runtime_s: seen inf"),
        ("a.swf", "1 2 3\n", "line 1: seen 3 fields; needed: 10"),
        ("a.swf", "1 0 5 x 4 -1 -1 4 600 -1\n", "line 1: field 4: seen 'x'"),
        ("a.swf", "1 0 5 inf 4 -1 -1 4 600 -1\n", "line 1: field 4: seen inf"),
        ("a.json", "{", "line 1, column 2: no JSON"),
        ("a.json", "[" * 100_000, "is not a trace: the file: no ads"),
        ("a.json", "{}", "seen dict; allowed: a list of ads"),
        ("a.json", "[3]", "job 1: seen int; allowed: an ad"),
        ("a.json", '[{"QDate": 1, "RemoteWallClockTime": 1}, {"RemoteWallClockTime": 1}]', "job 2: no QDate"),
        ("a.json", '[{"QDate": 1, "RemoteWallClockTime": 1e999}]', "job 1: RemoteWallClockTime: seen inf"),
        ("a.json", '[{"QDate": 1, "RequestCpus": "/Expr(1 +)/"}]', "job 1: RequestCpus is no ClassAd expression"),
        ("a.jsonl", '{"QDate": 1, "RemoteWallClockTime": 1}\n{bad\n', "line 2, column 2: no JSON"),
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


REAL = {  # as condor_history -json prints a vanilla job: requests that submit made are expressions
    "QDate": 1000,
    "JobUniverse": 5,
    "RemoteWallClockTime": 60.0,
    "RequestCpus": 1,
    "RequestDisk": "/Expr(DiskUsage)/",
    "DiskUsage": 4096,
    "RequestMemory": "/Expr(ifthenelse(MemoryUsage =!= undefined,MemoryUsage,( ImageSize + 1023 ) / 1024))/",
    "MemoryUsage": "/Expr(( ( ResidentSetSize + 1023 ) / 1024 ))/",
    "ResidentSetSize": 204_800,
    "Rank": 0.0,
    "TransferInput": None,
    "Nested": {"a": [1]},
}


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_a_request_that_is_an_expression_is_evaluated_in_its_own_ad(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"history.{suffix}"
    ads = [REAL, REAL | {"QDate": 1010, "RequestCpus": "/Expr(2 * 4)/"}]
    file.write_text(json.dumps(ads) if suffix == "json" else "\n".join(map(json.dumps, ads)) + "\n")
    assert [(job.at_s, job.request) for job in read(str(file))] == [
        (0.0, Shape(cpus=1, memory_mib=200, disk_mib=4)),
        (10.0, Shape(cpus=8, memory_mib=200, disk_mib=4)),
    ]


def test_jobs_that_need_no_vm_or_ask_for_no_number_or_never_ran_are_left_out_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "history.json"
    ads = [REAL, *(REAL | {"JobUniverse": universe} for universe in (7, 7, 9, 12))]
    ads += [REAL | {"RequestCpus": "/Expr(TARGET.Cpus)/"}, REAL | {"RequestGPUs": "two"}]
    ads.append(REAL | {"RemoteWallClockTime": 0})
    file.write_text(json.dumps(ads))
    found = trace(str(file))
    assert len(found.jobs) == 1
    assert found.left_out == {
        "need no VM: universe 7, scheduler (DAGMan and the like)": 2,
        "need no VM: universe 9, grid": 1,
        "need no VM: universe 12, local": 1,
        "ask for what is no number": 2,
        "never ran": 1,
    }


def test_a_trace_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "jobs.csv").write_text("at_s,runtime_s\n1,2\n", encoding="utf-8-sig")
    assert len(read(str(tmp_path / "jobs.csv"))) == 1
