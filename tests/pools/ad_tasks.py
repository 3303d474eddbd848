"""Runs ads through the adapter's code where htcondor2 belongs: in a child."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from classad2 import ClassAd, ExprTree

from actors.pools import condor_jobs, condor_startds


def begin() -> None:
    pass


def rest() -> None:
    pass


def row(ad: str) -> Iterator[Any]:
    yield condor_startds.row_of(ClassAd(ad))


def job_class(ad: str, jobs: str, start: str) -> Iterator[Any]:
    yield condor_jobs.class_of(ClassAd(ad), "atlas", condor_jobs.relevant(jobs, start))


def entries(before: tuple[str, ...], now: tuple[str, ...]) -> Iterator[Any]:
    """Of the ads of a reading, after one with those `before`."""
    first = condor_startds.Reading()
    first.entries(map(ClassAd, before), condor_startds.Reading())
    yield condor_startds.Reading().entries(map(ClassAd, now), first)


def constraint(jobs: tuple[str, ...]) -> Iterator[Any]:
    yield condor_jobs.concerns([(one, one, "true", 0.0) for one in jobs])


def concerned(ad: str, jobs: tuple[str, ...]) -> Iterator[Any]:
    """Whether a job is asked for, and which of these queues' expressions are true for it."""
    asked = ExprTree(condor_jobs.concerns([(one, one, "true", 0.0) for one in jobs])).eval(ClassAd(ad))
    yield asked is True, tuple(one for one in jobs if ExprTree(one).eval(ClassAd(ad)) is True)


TASKS: dict[str, Callable[..., Iterator[Any]]] = {
    "row": row,
    "job_class": job_class,
    "entries": entries,
    "concerned": concerned,
    "constraint": constraint,
}
