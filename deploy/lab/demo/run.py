"""`apf demo`: the main job, on this machine, in about a minute.

24 jobs come to a pool that has no workers, a few at first, so that the tiers are seen to fill one after the other. One
factory host (a real `apf run`, a process of its own) starts VMs on a cascade of four clouds, the jobs run, the VMs
drain and end. What is shown while it runs is the factory's rows and its log; what it is judged by is the pool's history
and the clouds' ledger. The exit status is 1 if a promise was broken.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from actors.config.load import load
from actors.console.status import Reader
from actors.console.status_model import Status
from actors.store.site import NotRunning
from broker.errors import BrokerError
from deploy.lab.demo.host import DemoHost, Heard
from deploy.lab.demo.promises import Broken, Evidence, judge
from deploy.lab.demo.screen import Scene, draw, short, verdict
from deploy.lab.demo.simulated import SimulatedStage
from deploy.lab.demo.stage import PLACES, RealStage, Stage
from deploy.lab.demo.summary import summarise
from deploy.lab.demo.words import Said, said
from deploy.lab.pool.access_point import JobRecord
from deploy.lab.pool.condor import CannotHave

# Long ones late: so some VM still runs a job when the others are given back.
SECONDS = (9, 8, 9, 10, 8, 9, 5, 6, 8, 5, 12, 7, 6, 9, 5, 10, 6, 8, 7, 5, 14, 6, 20, 7)
WAVES, WAVE, WAVE_S = 3, 2, 2.0  # so many jobs come first, again and again; then the rest
LOOK_S = 0.5
JOBS_S = 1.0  # the pool's tools are asked no more often than that
RUNNING = 2
UP_S = 60.0
ALL_S = 240.0


class NotUp(Exception):
    """The factory host did not come up, or went away. Its log says why."""


def run(console: Console, simulated: bool = False) -> int:
    """Show it on `console`; 0 if every promise was kept, else 1."""
    folder = Path(tempfile.mkdtemp(prefix="apf-demo-"))
    try:
        broken = _on_a_stage(console, folder, simulated)
    except NotUp as reason:
        console.print(Text(f"{reason}; the end of its log:", style="red"))
        console.print(Text((folder / "host.log").read_text()[-2000:]))
        return 1
    except KeyboardInterrupt:
        console.print("stopped; nothing is left running")
        return 130
    if broken:
        console.print(f"The host's log and its configuration are kept in {folder}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _on_a_stage(console: Console, folder: Path, simulated: bool) -> tuple[Broken, ...]:
    """On the real one, or on the simulated one if that is asked for or HTCondor cannot be had here."""
    with ExitStack() as exits:
        return Demo(console, folder, stage(console, exits, simulated)).play()


def stage(console: Console, exits: ExitStack, simulated: bool) -> Stage:
    """A stage that is set up, and taken down with `exits`."""
    if not simulated:
        console.print("setting up a real HTCondor pool and four clouds on this machine ...")
        try:
            return exits.enter_context(RealStage())
        except CannotHave as reason:
            console.print(
                Text(f"Real HTCondor cannot be had here: {reason}\nSo the pool and the clouds are simulated.")
            )
    return exits.enter_context(SimulatedStage())


class Demo:
    """One play on one stage, which is set up already."""

    def __init__(
        self,
        console: Console,
        folder: Path,
        stage: Stage,
        *,
        seconds: Sequence[float] = (),
        seen: Callable[[Scene], None] = lambda _: None,
    ) -> None:
        """`seconds`: how long each job takes, else SECONDS. `seen` is told every scene."""
        self._console, self._folder, self._stage, self._seconds, self._seen = (
            console,
            folder,
            stage,
            seconds or SECONDS,
            seen,
        )
        self._waits = list(self._seconds)  # of the jobs that have not come yet
        self._said: list[Said] = []
        self._explained: set[str] = set()
        self._drained: list[str] = []
        self._names: dict[str, str] = {}
        self._jobs: list[JobRecord] = []
        self._jobs_at = 0.0
        self._told = ""

    def play(self) -> tuple[Broken, ...]:
        """To the last VM's end, or to the time limit; prints the figures and returns the broken promises."""
        config = self._folder / "apf.toml"
        config.write_text(self._stage.config(self._folder))
        with self._host(config) as host:
            reader = _up(host, config)
            self._arrive(0)
            visible_at = time.time()
            self._watch(host, reader, visible_at)
            reader.close()
            if host_status := host.stop():
                raise NotUp(f"the factory host ended with exit status {host_status}")
            self._hear(host)
        evidence = self._evidence()
        broken = judge(evidence)
        self._console.print(verdict(summarise(evidence, visible_at, time.time(), self._drained), broken))
        return broken

    def _evidence(self) -> Evidence:
        return Evidence(
            submitted=len(self._seconds),
            jobs=self._stage.jobs(),
            lives=self._stage.lives(),
            places=PLACES,
            explained=frozenset(self._explained),
        )

    def _host(self, config: Path) -> AbstractContextManager[Heard]:
        return DemoHost(config, self._folder / "host.log", self._stage.environment())

    def _meanwhile(self, status: Status) -> None:
        """What else happens, once a look."""

    def _picture(self, scene: Scene) -> RenderableType:
        return draw(scene, self._console.width, self._console.height)

    def _watch(self, host: Heard, reader: Reader, began: float) -> None:
        """Show it until all is over, or for ALL_S: what is not over then is a broken promise."""
        with Live(console=self._console, auto_refresh=False) as live:
            while time.time() - began < ALL_S:
                self._arrive(time.time() - began)
                status = reader.read()
                self._look_at_jobs()
                self._names = {vm.id: short(vm.instance_id) or vm.id for vm in status.vms}
                self._hear(host)
                self._meanwhile(status)
                scene = self._scene(status, began)
                self._seen(scene)
                if self._console.is_terminal:
                    live.update(self._picture(scene), refresh=True)
                else:
                    self._tell(scene)
                if self._over(status):
                    return
                if host.ended:
                    raise NotUp("the factory host went away")
                time.sleep(LOOK_S)

    def _arrive(self, after_s: float) -> None:
        """The next jobs come when it is their time."""
        come = len(self._seconds) - len(self._waits)
        wave = come // WAVE
        if self._waits and after_s >= wave * WAVE_S:
            count = WAVE if wave < WAVES else len(self._waits)
            self._stage.submit(self._waits[:count])
            del self._waits[:count]

    def _look_at_jobs(self) -> None:
        if time.monotonic() - self._jobs_at >= JOBS_S:
            self._jobs, self._jobs_at = self._stage.jobs(), time.monotonic()

    def _hear(self, host: Heard) -> None:
        """The host's log: what it decided, and for which decisions it gave a reason."""
        for line in host.news():
            if line.what == "want" and line.fields.get("why"):
                self._explained.add(line.fields["decision"])
            if line.what == "vm" and line.fields["now"] == "draining":
                self._drained.append(line.fields["cloud"])
            if sentence := said(line, self._names):
                self._say(sentence)

    def _say(self, sentence: Said) -> None:
        self._said.append(sentence)
        if not self._console.is_terminal:
            self._console.print(Text(f"{sentence.at}  {sentence.what}: {sentence.why}"), soft_wrap=True)

    def _over(self, status: Status) -> bool:
        """By the pool's and the cloud's record, and by the rows too: the last end is seen on the screen."""
        if sum(job.completed for job in self._jobs) < len(self._seconds) or any(_alive(status)):
            return False
        return all(life.ended_at for life in self._stage.lives())

    def _scene(self, status: Status, began: float) -> Scene:
        running = {job.host.rpartition("@")[2] for job in self._jobs if job.status == RUNNING}
        return Scene(
            title=self._stage.title,
            after_s=time.time() - began,
            jobs=_counts(self._jobs),
            vms=status.vms,
            busy=frozenset(vm.id for vm in status.vms if vm.machine and vm.machine in running),
            places=PLACES,
            said=tuple(self._said),
        )

    def _tell(self, scene: Scene) -> None:
        """A line for a log file or a pipe, when something has changed."""
        vms = Counter(f"{vm.cloud} {vm.state}" for vm in scene.vms)
        jobs = ", ".join(f"{scene.jobs[state]} {state}" for state in ("waiting", "running", "done"))
        told = f"jobs: {jobs}; VMs: {', '.join(f'{count} {what}' for what, count in sorted(vms.items())) or 'none'}"
        if told != self._told:
            self._console.print(Text(f"{scene.after_s:5.1f} s  {told}"), soft_wrap=True)
            self._told = told


def _up(host: Heard, path: Path) -> Reader:
    """Wait until the host has read all its sources: the jobs come to a factory that is up."""
    config, deadline = load(path), time.monotonic() + UP_S
    while time.monotonic() < deadline and not host.ended:
        try:
            reader = Reader(config)
            if all(source.read_age_s is not None for source in reader.read().sources):
                return reader
            reader.close()
        except (NotRunning, BrokerError):
            pass  # it is on its way
        time.sleep(0.2)
    raise NotUp("the factory host did not come up")


def _alive(status: Status) -> list[str]:
    return [vm.id for vm in status.vms if vm.state not in ("ended", "failed")]


def _counts(jobs: list[JobRecord]) -> Counter[str]:
    return Counter("done" if job.completed else "running" if job.status == RUNNING else "waiting" for job in jobs)
