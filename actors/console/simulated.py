"""`apf simulate`: configurations over one trace of jobs, in virtual time, side by side.

simpy and matplotlib come with the extra "simulate": who only runs a factory does without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from actors.config import Config
from actors.config_mistakes import did_you_mean

if TYPE_CHECKING:  # only to name them: the module that has them needs simpy
    from actors.simulator.meter import Outcome

EXTRA = ("simpy", "matplotlib")
PICTURES = (".svg", ".png")


class CannotSimulate(Exception):
    """What was asked for cannot be simulated: the message says what to change or to install."""


def run(
    configs: Sequence[tuple[Path, Config]],
    trace: str,
    *,
    queue: str = "",
    boot_s: float = 150.0,
    reclaims_per_hour: float = 0.0,
    seed: int = 1,
) -> list[Outcome]:
    """One outcome for each configuration. `reclaims_per_hour`: of one spot VM. Raises CannotSimulate."""
    try:
        from actors.simulator.scenario import Assumptions, outcomes, scenario
        from actors.simulator.traces import BadTrace, read
    except ModuleNotFoundError as missing:
        raise _to_install(missing) from missing
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
    if file.suffix.lower() not in PICTURES:
        raise CannotSimulate(f"--plot {file}: a name that ends in .svg or .png; both are written")
    try:
        from actors.simulator.plot import plot
    except ModuleNotFoundError as missing:
        raise _to_install(missing) from missing
    try:
        return plot(outcomes, file)
    except OSError as wrong:
        raise CannotSimulate(f"--plot {file}: {wrong}") from wrong


def compared(outcomes: Sequence[Outcome]) -> Table:
    """What each comes to, as a multiple of the first."""
    first = outcomes[0]
    table = Table(title=f"Beside {first.name}", title_justify="left")
    table.add_column("configuration")
    for column in ("mean wait", "p95", "VM-hours", "US$"):
        table.add_column(column, justify="right")
    for one in outcomes:
        table.add_row(
            one.name,
            _times(one.mean_wait_s, first.mean_wait_s),
            _times(one.p95_wait_s, first.p95_wait_s),
            _times(one.all_vm_hours, first.all_vm_hours),
            _times(one.usd, first.usd),
        )
    return table


def _times(mine: float, first: float) -> str:
    return f"{mine / first:.2f}" if first else "-"


def _names(paths: Sequence[Path]) -> list[str]:
    """The files' names, or their whole paths where names would be the same."""
    stems = [path.stem for path in paths]
    return [stem if stems.count(stem) == 1 else str(path) for stem, path in zip(stems, paths, strict=True)]


def _to_install(missing: ModuleNotFoundError) -> Exception:
    if missing.name not in EXTRA:
        return missing
    return CannotSimulate(
        f"{missing.name} is not installed: `pip install 'autopyfactory-cloud[simulate]'` brings what a simulation needs"
    )
