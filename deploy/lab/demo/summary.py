"""What a run of the lab came to, in figures: from the pool's history and the cloud's ledger alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from deploy.lab.demo.promises import Evidence, most_at_once
from deploy.lab.demo.record import Life
from deploy.lab.pool.access_point import JobRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudFigures:
    name: str
    started: int
    ended: int
    at_once: int
    cost_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Times in seconds; a history's dates are whole seconds, so figures that rest on them are good to one second."""

    median_s: float
    worst_s: float

    def __str__(self) -> str:
        return f"{self.median_s:.1f} s (worst {self.worst_s:.1f} s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A time that never happened is None.

    `filled`: the clouds of VMs in the order in which they were started. `drained` and `released`: in the order in which
    they were told to drain (by the factory's log: no record outside has it), and in which the cloud was told to end
    them. A busy VM ends its jobs in between.
    """

    submitted: int
    done: int
    evictions: int
    claims_lost: int  # to drains, before their jobs began: time, and nothing else
    restarts: int
    clouds: tuple[CloudFigures, ...]
    left: int
    filled: tuple[str, ...]
    drained: tuple[str, ...]
    released: tuple[str, ...]
    first_launch_s: float | None  # jobs visible in the queue -> the first RunInstances call
    to_first_job: Spread | None  # RunInstances -> the VM's first job runs
    to_end: dict[str, Spread | None]  # by cloud: a VM's last job done -> the call that ends it
    took_s: float


def summarise(evidence: Evidence, visible_at: float, now: float, drained: Sequence[str] = ()) -> Summary:
    """`visible_at`: Unix seconds when the jobs were in the queue; `now`: the end of the run."""
    jobs, lives = evidence.jobs, evidence.lives
    by_vm = {life.id: [job for job in jobs if job.instance_id == life.id] for life in lives}
    return Summary(
        submitted=evidence.submitted,
        done=sum(job.completed for job in jobs),
        evictions=sum(job.vacates - job.claims_lost for job in jobs),
        claims_lost=sum(job.claims_lost for job in jobs),
        restarts=sum(max(0, job.starts - 1) for job in jobs),
        clouds=tuple(_cloud(place.name, lives, now) for place in evidence.places),
        left=sum(life.ended_at is None for life in lives),
        filled=tuple(life.cloud for life in sorted(lives, key=lambda life: life.started_at)),
        drained=tuple(drained),
        released=tuple(life.cloud for life in sorted(lives, key=_end) if life.ended_at),
        first_launch_s=min(life.started_at for life in lives) - visible_at if lives else None,
        to_first_job=_spread(_firsts(lives, by_vm)),
        to_end={
            place.name: _spread(_lasts([life for life in lives if life.cloud == place.name], by_vm))
            for place in evidence.places
        },
        took_s=max((life.ended_at or now for life in lives), default=now) - visible_at,
    )


def lines(summary: Summary) -> list[tuple[str, str]]:
    """The summary as (title, text) lines."""
    spent = sum(cloud.cost_usd for cloud in summary.clouds)
    first = f"{summary.first_launch_s:.1f} s" if summary.first_launch_s is not None else "never"
    ends = ", ".join(f"{cloud} {spread or 'never'}" for cloud, spread in summary.to_end.items())
    return [
        ("Jobs", f"{summary.done} of {summary.submitted} done, {summary.restarts} started twice"),
        ("Evictions", f"{summary.evictions}{_lost(summary.claims_lost)}"),
        *((c.name, f"{c.started} VMs started, {c.ended} ended, {c.at_once} at once at most") for c in summary.clouds),
        ("Left", f"{summary.left} VMs still run"),
        ("Filled", _runs(summary.filled)),
        ("Told to drain", f"{_runs(summary.drained)}"),
        ("Ended", f"{_runs(summary.released)} (a busy VM ends its last job first)"),
        ("Cost", f"${spent:.4f} by the cloud's ledger, paid by the second"),
        ("Reaction", f"jobs visible in the queue -> first VM asked for: {first}"),
        ("", f"VM asked for -> its first job runs: {summary.to_first_job or 'never'}"),
        ("", f"last job of a VM done -> VM ended: {ends}"),
        ("Took", f"{summary.took_s:.0f} s from the jobs' arrival to the last VM's end"),
    ]


def _lost(claims: int) -> str:
    return f"; {claims} claims lost to a drain before their jobs began" if claims else ""


def _runs(clouds: Sequence[str]) -> str:
    return ", then ".join(f"{len(list(run))} {name}" for name, run in groupby(clouds)) or "none"


def _cloud(name: str, lives: Sequence[Life], now: float) -> CloudFigures:
    own = [life for life in lives if life.cloud == name]
    return CloudFigures(
        name=name,
        started=len(own),
        ended=sum(life.ended_at is not None for life in own),
        at_once=most_at_once(lives, name),
        cost_usd=sum(life.cost_usd(now) for life in own),
    )


def _end(life: Life) -> float:
    return life.ended_at or float("inf")


def _firsts(lives: Sequence[Life], by_vm: dict[str, list[JobRecord]]) -> Iterator[float]:
    for life in lives:
        if starts := [job.started_at for job in by_vm[life.id] if job.started_at]:
            yield max(0.0, min(starts) - life.started_at)


def _lasts(lives: Sequence[Life], by_vm: dict[str, list[JobRecord]]) -> Iterator[float]:
    for life in lives:
        ends = [job.completed_at for job in by_vm[life.id] if job.completed_at]
        if ends and life.ended_at:
            yield max(0.0, life.ended_at - max(ends))


def _spread(times: Iterator[float]) -> Spread | None:
    found = list(times)
    return Spread(median_s=median(found), worst_s=max(found)) if found else None
