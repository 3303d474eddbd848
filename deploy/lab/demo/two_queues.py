"""`make demo-two-queues`: from jobs that PanDA calls activated to VMs, and back.

A stand-in of PanDA has jobs. The first queue keeps pilots waiting for them in a real schedd, whose pool has no workers;
the second starts VMs for the pilots that wait, on a cascade of four clouds. The pilots run on the VMs' real startds,
take the jobs and end by themselves; then the VMs are drained and ended. Judged by three ledgers: PanDA's, the pool's
history, and the clouds'. The VMs are EC2 instances started by the factory itself, not Condor-G jobs.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.text import Text

from actors.console.status_model import Status
from deploy.lab.demo.promises import Evidence
from deploy.lab.demo.record import Life
from deploy.lab.demo.run import Demo, NotUp
from deploy.lab.demo.screen import Scene, draw
from deploy.lab.demo.stage import QUEUE, RealStage, toml
from deploy.lab.pool.access_point import JobRecord
from deploy.lab.wms import pilot
from deploy.lab.wms.panda import PandaStandIn, complaints

SITE, PATIENCE_S = "LAB", 2.0
SECONDS = (8, 9, 7, 10, 8, 9, 12, 6, 9, 8, 14, 7)
_PILOTS = """
[pools.panda]
kind = "panda"
url = {url}
interval_s = 1

[clouds.pilots]
kind = "condor-jobs"
pool = "local"
token_directory = {tokens}
feeds = "{queue}"
match_apf_queue = "{queue}"
executable = "/usr/bin/python3"
arguments = {arguments}
submit = {{ transfer_executable = "false", should_transfer_files = "YES", request_memory = "16M", request_disk = "1M" }}
shape = {{ cpus = 1, memory_mib = 512 }}
max_vms = 50
interval_s = 1
kept_s = 2
short_s = 0

[queues.panda]
pool = "panda"
jobs = 'ComputingSite == "{site}"'
cascade = [["pilots"]]
release_after_s = 3
"""


class TwoQueuesStage:
    """A real stage, with PanDA before it: what is submitted goes there, and the pool's jobs are pilots."""

    title = "PanDA's stand-in, pilots in a real HTCondor pool, and four EC2 clouds"

    def __init__(self, stage: RealStage, panda: PandaStandIn, folder: Path) -> None:
        self.panda, self._stage, self._folder = panda, stage, folder

    def config(self, directory: Path) -> str:
        pool = self._stage.site.pool
        program = pool.user.write(pool.directory / "pilot.py", Path(pilot.__file__).read_text())
        return self._stage.config(directory) + _PILOTS.format(
            url=toml(self.panda.url),
            tokens=toml(str(pool.submitter_tokens(self._folder / "submitter"))),
            queue=QUEUE,
            site=SITE,
            arguments=toml(f"{program} {self.panda.url} {SITE} {PATIENCE_S:g}"),
        )

    def environment(self) -> Mapping[str, str]:
        return self._stage.environment()

    def submit(self, seconds: Sequence[float]) -> None:
        self.panda.activate(SITE, seconds)

    def jobs(self) -> list[JobRecord]:
        return self._stage.jobs()

    def lives(self) -> tuple[Life, ...]:
        return self._stage.lives()


class TwoQueuesDemo(Demo):
    """See `Demo`."""

    def __init__(self, console: Console, folder: Path, stage: TwoQueuesStage) -> None:
        super().__init__(console, folder, stage, seconds=SECONDS)
        self._two = stage

    def chain(self, scene: Scene) -> str:
        """ "12 activated, 0 running, 0 done -> 12 pilots wait, 0 run -> 3 VMs boot, 0 joined, 0 leave"."""
        jobs = self._two.panda.counts(SITE)
        pilots = Counter(vm.state for vm in scene.vms if vm.cloud == "pilots")
        vms = Counter(vm.state for vm in scene.vms if vm.cloud != "pilots")
        boots, leaves = vms["launching"] + vms["booting"], vms["draining"] + vms["drained"] + vms["ending"]
        return (
            f"{jobs['activated']} activated, {jobs['running']} running, {jobs['finished']} done"
            f" -> {pilots['launching'] + pilots['booting']} pilots wait, {pilots['ready']} run"
            f" -> {boots} VMs boot, {vms['ready']} joined, {leaves} leave"
        )

    def _picture(self, scene: Scene) -> RenderableType:
        return Group(Text(self.chain(scene), style="bold"), draw(scene, self._console.width, self._console.height - 2))

    def _tell(self, scene: Scene) -> None:
        if (told := self.chain(scene)) != self._told:
            self._console.print(Text(f"{scene.after_s:5.1f} s  {told}"), soft_wrap=True)
            self._told = told

    def _over(self, status: Status) -> bool:
        if self._waits or any(job.state != "finished" for job in self._two.panda.ledger()):
            return False
        alive = [vm for vm in status.vms if vm.state not in ("ended", "failed")]
        return not alive and all(life.ended_at for life in self._two.lives())

    def _evidence(self) -> Evidence:
        """Pilots that never ran were taken back while they waited: they are nobody's job."""
        evidence = super()._evidence()
        ran = [job for job in evidence.jobs if job.starts]
        return replace(evidence, jobs=ran, submitted=len(ran))


def main() -> int:
    console, folder = Console(), Path(tempfile.mkdtemp(prefix="apf-demo-"))
    console.print("setting up PanDA's stand-in, a real HTCondor pool and four clouds on this machine ...")
    try:
        with RealStage() as real, PandaStandIn([SITE]) as panda:
            broken: list[object] = [*TwoQueuesDemo(console, folder, TwoQueuesStage(real, panda, folder)).play()]
            wrong = complaints(panda.ledger())
            done = panda.counts(SITE)["finished"]
    except NotUp as reason:
        console.print(Text(f"{reason}; the host's log is {folder / 'host.log'}", style="red"))
        return 1
    for line in wrong:
        console.print(Text(line, style="red"))
    if broken or wrong:
        console.print(f"The host's log and its configuration are kept in {folder}")
        return 1
    console.print(f"PanDA's ledger: {done} of {len(SECONDS)} jobs done, each handed to one pilot, once")
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
