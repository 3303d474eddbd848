"""One campaign from its settings to its verdict, with the transcript kept in a file."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.world_campaign import guards, report
from tests.world_campaign.faults import KINDS, Fault, Scene, plain, plan
from tests.world_campaign.judge import Verdict, judge
from tests.world_campaign.play import Campaign, Script
from tests.world_campaign.played import Played
from tests.world_campaign.stage import CLOUDS, SPOT, Pace, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`count` and `over_s` 0: by the number of VMs. `faults`: played instead of the seed's. `off`: see guards_off."""

    vms: int
    seed: int
    count: int = 0
    over_s: float = 0.0
    faults: Sequence[Fault] = ()
    kinds: Sequence[str] = tuple(KINDS)
    off: str = ""
    out: Path | None = None
    quiet: bool = False
    impatient: bool = False  # stop as soon as a promise is broken

    def lasting_s(self) -> float:
        return self.over_s or min(480.0, 40.0 + self.vms / 10)

    def list(self) -> Sequence[Fault]:
        if self.faults:
            return self.faults
        scene = Scene(clouds=[name for name, *_ in CLOUDS], spot=SPOT, ttl_s=Pace.of(self.vms).ttl_s)
        each = len(KINDS) * (2 if self.vms > 500 else 1)
        return plan(self.seed, scene, self.count or each, self.lasting_s(), self.kinds)


def run(settings: Settings) -> tuple[Played, Verdict, dict[str, int]]:
    """Play and judge; the transcript, the list of faults and the report are left in `out`."""
    transcript: list[str] = []

    def told(line: str) -> None:
        transcript.append(line)
        if not settings.quiet:
            print(line, flush=True)  # noqa: T201

    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="apf-campaign-", ignore_cleanup_errors=True) as folder:
        directory = Path(folder)
        with Stage(directory, settings.vms, settings.seed, settings.off) as stage:
            over_s = settings.lasting_s()
            script = Script(
                faults=settings.list(),
                seed=settings.seed,
                over_s=over_s,
                grow_s=0 if settings.impatient else 60 + settings.vms / 20,
                end_s=260 + settings.vms / 20,
                impatient=settings.impatient,
            )
            played = Campaign(stage, script, told).play()
            verdict = judge(stage, played)
            logs = stage.log_lines()
            fired = guards.fired(logs)
            if settings.out and not verdict.kept:
                _keep_logs(settings, directory)
    for line in report.lines(settings.seed, settings.vms, played, verdict, fired, time.monotonic() - began):
        told(line)
    if settings.out:
        settings.out.mkdir(parents=True, exist_ok=True)
        _file(settings, "transcript.txt").write_text("\n".join(transcript) + "\n")
        _file(settings, "faults.jsonl").write_text(plain(played.faults))
    return played, verdict, fired


def _file(settings: Settings, name: str) -> Path:
    assert settings.out is not None
    off = f"-{settings.off}" if settings.off else ""
    return settings.out / f"{settings.vms}-{settings.seed}{off}-{name}"


def _keep_logs(settings: Settings, directory: Path) -> None:
    assert settings.out is not None
    settings.out.mkdir(parents=True, exist_ok=True)
    for log in directory.glob("host-*/*.log"):
        _file(settings, log.name).write_bytes(log.read_bytes())
