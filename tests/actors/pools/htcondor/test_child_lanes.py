"""Children are killed when they hang, replaced when they die, and never outlive their host."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.pools.htcondor.child_lanes import ChildDied, ChildHung, Lane, NoTurn, TaskFailed
from tests.condor_pool import until
from tests.late import in_time

TASKS = "tests.actors.pools.htcondor.child_tasks"
ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def lane() -> Iterator[Lane]:
    made = Lane(TASKS, ("hello",), most=2, limit_s=20)
    yield made
    made.close()


def is_gone(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return text.rpartition(")")[2].split()[0] in "ZX"


def in_thread(lane: Lane, task: str, key: str, limit_s: float, results: list[object]) -> threading.Thread:
    def run() -> None:
        try:
            results.append(lane.call(task, key=key, limit_s=limit_s))
        except (ChildHung, NoTurn, ChildDied) as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_task_gets_its_arguments_and_its_settings(lane: Lane) -> None:
    assert list(lane.stream("echo", 1, "two", (3.5, None, b"x"))) == [1, "two", (3.5, None, b"x")]
    assert lane.call("settings") == "hello"


def test_a_child_serves_many_tasks(lane: Lane) -> None:
    assert len({lane.call("pid") for _ in range(20)}) == 1


def test_an_answer_larger_than_any_pipe_arrives_whole(lane: Lane) -> None:
    big = [("x" * 1000, n) for n in range(5000)]
    assert lane.call("echo", big) == big


def test_a_hung_task_is_killed_at_its_limit_and_the_next_one_is_served(lane: Lane) -> None:
    lane.call("pid")
    (pid,) = lane.pids()
    start = time.monotonic()
    with pytest.raises(ChildHung):
        lane.call("hang", limit_s=0.5)
    in_time(2, start, "it is over")
    assert is_gone(pid)
    assert lane.call("echo", "again") == "again"


def test_a_task_that_hangs_after_its_first_answer_is_killed_too(lane: Lane) -> None:
    with pytest.raises(ChildHung):
        list(lane.stream("answer_then_hang", limit_s=0.5))
    assert lane.pids() == []


def test_an_answer_that_nobody_reads_to_its_end_costs_the_child(lane: Lane) -> None:
    answers = lane.stream("echo", 1, 2, 3)
    assert next(answers) == 1
    answers.close()  # type: ignore[attr-defined]
    assert lane.pids() == []
    assert lane.call("echo", 4) == 4


def test_a_child_that_dies_is_named_and_replaced(lane: Lane) -> None:
    with pytest.raises(ChildDied):
        lane.call("end")
    assert lane.call("echo", 1) == 1


def test_a_task_that_fails_says_its_remedy_and_keeps_its_child(lane: Lane) -> None:
    pid = lane.call("pid")
    with pytest.raises(TaskFailed, match="not today") as failed:
        lane.call("refuse")
    assert failed.value.kind == "refused"
    assert lane.call("pid") == pid


def test_calls_from_many_threads_share_the_children(lane: Lane) -> None:
    results: list[object] = []
    threads = [in_thread(lane, "pid", "", 20, results) for _ in range(12)]
    for thread in threads:
        thread.join()
    assert len(results) == 12
    assert len(set(results)) <= 2
    assert all(isinstance(pid, int) for pid in results)


def test_who_gets_no_child_in_time_is_told_so(lane: Lane) -> None:
    results: list[object] = []
    threads = [in_thread(lane, "hang", "", 2, results) for _ in range(2)]
    until(lambda: len(lane.pids()) == 2, "both children at work")
    with pytest.raises(NoTurn):
        lane.call("echo", 1, limit_s=0.3)
    for thread in threads:
        thread.join()


def test_daemons_that_hung_before_never_take_the_last_child(lane: Lane) -> None:
    for key in ("dead-1", "dead-2"):
        with pytest.raises(ChildHung):
            lane.call("hang", key=key, limit_s=0.3)
    results: list[object] = []
    waiting = in_thread(lane, "hang", "dead-1", 3, results)
    until(lambda: len(lane.pids()) == 1, "the slow one is being waited for")
    start = time.monotonic()
    with pytest.raises(NoTurn, match="hung before"):
        lane.call("hang", key="dead-2")
    assert lane.call("echo", "alive", key="healthy") == "alive"
    in_time(2, start, "it is over")
    waiting.join()


def test_a_daemon_that_answers_again_is_slow_no_more(lane: Lane) -> None:
    with pytest.raises(ChildHung):
        lane.call("hang", key="one", limit_s=0.3)
    assert lane.is_slow("one")
    lane.call("echo", 1, key="one")
    assert not lane.is_slow("one")


def test_close_ends_all_children_also_those_at_work(lane: Lane) -> None:
    results: list[object] = []
    thread = in_thread(lane, "hang", "", 20, results)
    until(lambda: len(lane.pids()) == 1, "a child at work")
    (pid,) = lane.pids()
    lane.close()
    lane.close()
    thread.join(5)
    assert is_gone(pid)
    assert isinstance(results[0], ChildDied)
    with pytest.raises(NoTurn):
        lane.call("echo", 1)


HOST = f"""
import sys, threading
sys.path.insert(0, {str(ROOT)!r})
from actors.pools.htcondor.child_lanes import Lane
lane = Lane({TASKS!r}, ("hello",), most=2, limit_s=600)
lane.call("pid")
for path in sys.argv[1:]:
    threading.Thread(target=lane.call, args=("mark_and_hang", path)).start()
"""


def test_kill_9_of_the_host_leaves_no_child_even_one_that_hangs_with_the_lock_held(tmp_path: Path) -> None:
    marks = [tmp_path / "first", tmp_path / "second"]
    with subprocess.Popen([sys.executable, "-c", HOST, *map(str, marks)]) as host:
        until(lambda: all(mark.exists() and mark.read_text() for mark in marks), "both children hang")
        pids = [int(mark.read_text()) for mark in marks]
        assert not any(is_gone(pid) for pid in pids)
        os.kill(host.pid, signal.SIGKILL)
    until(lambda: all(is_gone(pid) for pid in pids), "no child is left", 5)


def test_a_child_that_cannot_be_started_leaves_no_descriptor_behind(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    before = set(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(subprocess, "Popen", refused)
    for _ in range(20):
        with pytest.raises(OSError, match="temporarily"):
            lane.call("echo", 1)
    assert len(set(os.listdir("/proc/self/fd")) - before) <= 1  # the listing's own
    monkeypatch.undo()
