"""When a pool is asked to match its waiting jobs."""

from __future__ import annotations

from actors.fleet.observations import JobClass, JobsSeen, Machine, StartdsSeen
from actors.fleet.shape import Shape
from actors.monitor.wakes import LEAST_S, Wakes
from tests.actors.fleet import made


def startds(*names: str) -> StartdsSeen:
    machines: tuple[Machine, ...] = tuple(made.machine(name=name) for name in names)
    return StartdsSeen(source="pool", at=0.0, machines=machines)


def waits(*classes: JobClass) -> JobsSeen:
    return JobsSeen(source="pool", at=0.0, classes=classes, schedds=())


def wakes(idle: int = 1, *there: str) -> Wakes:
    found = Wakes()
    found.jobs(waits(JobClass(queue="q", request=Shape(cpus=1), idle=idle)))
    assert not found.joined(startds(*there), 0.0)
    return found


def test_a_worker_that_joins_while_jobs_wait_wakes_the_pool() -> None:
    assert wakes(1, "a").joined(startds("a", "b"), 100.0)


def test_nothing_wakes_it_without_waiting_jobs_or_without_a_new_worker() -> None:
    assert not wakes(0, "a").joined(startds("a", "b"), 100.0)
    assert not wakes(1, "a", "b").joined(startds("a", "b"), 100.0)
    assert not wakes(1, "a", "b").joined(startds("b"), 100.0)


def test_what_a_new_holder_finds_there_has_not_just_joined() -> None:
    assert not wakes(1, "a", "b").joined(startds("a", "b"), 1.0)


def test_it_is_woken_once_in_the_least_time_and_then_for_what_came_meanwhile() -> None:
    found = wakes()
    assert found.joined(startds("a"), 100.0)
    assert not found.joined(startds("a", "b"), 100.0 + LEAST_S / 2)
    assert found.joined(startds("a", "b"), 100.0 + LEAST_S)
    assert not found.joined(startds("a", "b"), 100.0 + 2 * LEAST_S)


def test_a_wake_that_was_put_off_is_forgotten_when_no_job_waits_any_more() -> None:
    found = wakes()
    assert found.joined(startds("a"), 100.0)
    assert not found.joined(startds("a", "b"), 101.0)
    found.jobs(waits())
    assert not found.joined(startds("a", "b"), 200.0)


def test_a_pool_that_denies_it_is_not_asked_again() -> None:
    found = wakes()
    found.denied = True
    assert not found.joined(startds("a"), 100.0)
