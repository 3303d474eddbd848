"""Runs ads through the adapter's code where htcondor2 belongs: in a child."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from classad2 import ClassAd, ExprTree

from actors.pools.htcondor import census, startds
from actors.pools.htcondor import changes as condor_reading
from actors.pools.htcondor import jobs as condor_jobs


def begin() -> None:
    pass


def rest() -> None:
    pass


def row(ad: str) -> Iterator[Any]:
    yield startds.row_of(ClassAd(ad))


def at(*ads: str) -> Iterator[Any]:
    """What is made of a startd's answer that heeds no constraint."""
    startds.htcondor2.Collector = lambda _: Heedless(ads)
    yield startds.at("<1.2.3.4:9618>")


def asked_for(*ads: str) -> Iterator[Any]:
    """Which of these ads the collector is asked for when some instances' startds are looked at."""
    yield [name for ad in map(ClassAd, ads) for name in [ad["Name"]] if ExprTree(startds.CONSTRAINT).eval(ad)]


class Heedless:
    def __init__(self, ads: tuple[str, ...]) -> None:
        self._ads = ads

    def query(self, ad_type: object, constraint: str, projection: list[str]) -> list[ClassAd]:
        return list(map(ClassAd, self._ads))


def job_class(ad: str, jobs: str, start: str) -> Iterator[Any]:
    yield "atlas", *census.flat(census.sample_of(ClassAd(ad), census.relevant(jobs, start)))


def changes(*readings: tuple[tuple[str, ...], ...]) -> Iterator[Any]:
    """Of each reading: the rows and places that it tells, and of how many ads each query brought stamps, or all.

    A reading is what the collector has at each query, the last from then on.
    """
    before = condor_reading.Told()
    for moments in readings:
        now, collector = condor_reading.Told(), Collector(moments)
        parts = list(condor_reading.changes(collector.ask, before, now))
        yield (
            [row for rows, _ in parts for row in rows],
            [place for _, gone in parts for place in gone],
            collector.asked,
        )
        before = now


class Collector:
    """Answers as one does, from ads in memory."""

    def __init__(self, moments: tuple[tuple[str, ...], ...]) -> None:
        self._moments = list(moments)
        self.asked: list[tuple[str, int]] = []

    def ask(self, constraint: str, projection: list[str]) -> list[ClassAd]:
        ads = map(ClassAd, self._moments.pop(0) if len(self._moments) > 1 else self._moments[0])
        found = [_projected(ad, projection) for ad in ads if ExprTree(constraint).eval(ad) is True]
        self.asked.append(("stamps" if projection == condor_reading.STAMP else "all", len(found)))
        return found


def _projected(ad: ClassAd, names: list[str]) -> ClassAd:
    return ClassAd({name: ad.lookup(name) for name in names if name in ad})


def constraint(jobs: tuple[str, ...]) -> Iterator[Any]:
    yield condor_jobs.concerns([(one, one, "true", 0.0) for one in jobs])


def concerned(ad: str, jobs: tuple[str, ...]) -> Iterator[Any]:
    """Whether a job is asked for, and which of these queues' expressions are true for it."""
    asked = ExprTree(condor_jobs.concerns([(one, one, "true", 0.0) for one in jobs])).eval(ClassAd(ad))
    yield asked is True, tuple(one for one in jobs if ExprTree(one).eval(ClassAd(ad)) is True)


TASKS: dict[str, Callable[..., Iterator[Any]]] = {
    "row": row,
    "at": at,
    "asked_for": asked_for,
    "job_class": job_class,
    "changes": changes,
    "concerned": concerned,
    "constraint": constraint,
}
