"""`apf simulate`: configurations over one trace of jobs, in virtual time, side by side.

simpy and matplotlib come with the extra "simulate": who only runs a factory does without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from actors.config import Config
from actors.config_mistakes import did_you_mean
from actors.simulator.meter import Outcome

EXTRA = ("simpy", "matplotlib")
PICTURES = (".svg", ".png")


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
) -> list[Outcome]:
    """One outcome for each configuration. `reclaims_per_hour`: of one spot VM. Raises CannotSimulate.

    `plot` is looked at before the long run: a picture that could not be drawn is no surprise after it.
    """
    try:
        from actors.simulator.scenario import Assumptions, outcomes, scenario
        from actors.simulator.traces import BadTrace, read
    except ModuleNotFoundError as missing:
        raise _to_install(missing) from missing
    if plot:
        _check_picture(plot)
    assume = Assumptions(boot_s=boot_s, reclaims_per_hour=reclaims_per_hour, seed=seed)
    for path, config in configs:
        if queue and queue not in config.queues:
            raise CannotSimulate(f"{path} has no queue {queue!r}; {did_you_mean(queue, list(config.queues))}")
    try:
        jobs = read(trace)
    except BadTrace as wrong:
        raise CannotSimulate(str(wrong)) from wrong
    names = _names([path for path, _ in configs])
    scenarios = [
        scenario(config, name, queue or None, assume) for name, (_, config) in zip(names, configs, strict=True)
    ]
    return outcomes(scenarios, jobs, assume)


def draw(outcomes: Sequence[Outcome], file: Path) -> tuple[Path, Path]:
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
