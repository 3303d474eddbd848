"""`apf simulate`: configurations over one trace of jobs, in virtual time, side by side.

simpy and matplotlib come with the extra "simulate": who only runs a factory does without them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from actors.config.mistakes import did_you_mean
from actors.config.schema import Config
from actors.fleet.number_of import number_of
from actors.policies.provisioning.matchmaking import Size
from actors.simulator.jobs import BadTrace, Job
from actors.simulator.machine import size_of
from actors.simulator.meter import RunOutcome

EXTRA = ("simpy", "matplotlib")
PICTURES = (".svg", ".png")

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """One outcome for each configuration; `notes`: what was left out, and which jobs nothing could run."""

    outcomes: Sequence[RunOutcome]
    notes: Sequence[str]

    @property
    def worked(self) -> bool:
        """Whether each configuration ran a job."""
        return all(outcome.jobs_done for outcome in self.outcomes)


class CannotSimulate(Exception):
    """What was asked for cannot be simulated: the message says what to change or to install."""


def run(
    configs: Sequence[tuple[Path, Config]],
    trace: str,
    plot: Path | None = None,
    *,
    queue: str = "",
    boot_s: float = 150.0,
    reclaims_per_hour: float = 0.0,
    seed: int = 1,
) -> Simulated:
    """`reclaims_per_hour`: of one spot VM. Raises CannotSimulate.

    `plot` is looked at before the long run: a picture that could not be drawn is no surprise after it.
    """
    try:
        from actors.simulator.scenario import Assumptions, outcomes, scenario
        from actors.simulator.traces import trace as read
    except ModuleNotFoundError as missing:
        raise _to_install(missing) from missing
    if plot:
        _check_picture(plot)
    assume = Assumptions(boot_s=boot_s, reclaims_per_hour=reclaims_per_hour, seed=seed)
    _check_queue(configs, queue)
    jobs = _read(read, trace)
    names = _names([path for path, _ in configs])
    scenarios = [
        scenario(config, name, queue or None, assume) for name, (_, config) in zip(names, configs, strict=True)
    ]
    notes = [f"{number_of(count, 'job', why)}: left out" for why, count in jobs.left_out.items()]
    notes += [note for one in scenarios if (note := _too_big(one.name, one.sizes, jobs.jobs))]
    return Simulated(outcomes=outcomes(scenarios, jobs.jobs, assume), notes=notes)


def _check_queue(configs: Sequence[tuple[Path, Config]], queue: str) -> None:
    for path, config in configs:
        if queue and queue not in config.queues:
            raise CannotSimulate(f"{path} has no queue {queue!r}; {did_you_mean(queue, list(config.queues))}")


def _read(read: Callable[[str], R], trace: str) -> R:
    try:
        return read(trace)
    except BadTrace as wrong:
        raise CannotSimulate(str(wrong)) from wrong


def _too_big(name: str, sizes: Sequence[Size], jobs: Sequence[Job]) -> str:
    """Empty: each job fits on a VM of some cloud."""
    asked = {size_of(job.request) for job in jobs}
    fits = {
        ask: any(all(has >= wants for has, wants in zip(size, ask, strict=True)) for size in sizes) for ask in asked
    }
    count = sum(not fits[size_of(job.request)] for job in jobs)
    if not count:
        return ""
    least = min(ask for ask in asked if not fits[ask])
    said = "no job fits on a VM" if count == len(jobs) else f"{count} of {number_of(len(jobs), 'job')} fit on no VM"
    has = "; ".join(map(_words, dict.fromkeys(sizes)))
    return f"{name}: {said} of its clouds: one asks for {_words(least)}; the VMs have {has}"


def _words(size: Size) -> str:
    cpus, memory_mib, disk_mib, gpus = size
    return f"{number_of(cpus, 'cpu')}, {memory_mib:,} MiB, {disk_mib:,} MiB of disk" + (
        f", {number_of(gpus, 'gpu')}" if gpus else ""
    )


def draw(outcomes: Sequence[RunOutcome], file: Path) -> tuple[Path, Path]:
    """Writes an SVG and a PNG beside it; returns both paths. Raises CannotSimulate."""
    try:
        from actors.simulator.plot import plot
    except ModuleNotFoundError as missing:
        raise _to_install(missing) from missing
    try:
        return plot(outcomes, file)
    except OSError as wrong:
        raise CannotSimulate(f"--plot {file}: {wrong}") from wrong


def _check_picture(file: Path) -> None:
    if file.suffix.lower() not in PICTURES:
        raise CannotSimulate(f"--plot {file}: a name that ends in .svg or .png; both are written")
    if not file.parent.is_dir():
        raise CannotSimulate(f"--plot {file}: there is no folder {file.parent}")


def _names(paths: Sequence[Path]) -> list[str]:
    """The files' names, or their whole paths where names would be the same."""
    stems = [path.stem for path in paths]
    return [stem if stems.count(stem) == 1 else str(path) for stem, path in zip(stems, paths, strict=True)]


def _to_install(missing: ModuleNotFoundError) -> Exception:
    package = (missing.name or "").partition(".")[0]
    if package not in EXTRA:
        return missing
    return CannotSimulate(
        f"{package} is not installed: `pip install 'autopyfactory-cloud[simulate]'` brings what a simulation needs"
    )
