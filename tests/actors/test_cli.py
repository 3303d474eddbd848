"""The `apf` command: what it prints, and its exit status. Hosts here are real ones, in a simulated world."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from actors.cli import app
from actors.config.load import load
from actors.config.posts import posts_of
from actors.console.status_model import Status, VmStatus
from broker.connection.embedded import EmbeddedServer
from deploy.lab import keeper, processes
from deploy.lab.demo.simulated import SimulatedStage
from tests.condor_pool import until

ROOT = Path(__file__).parents[2]
STOP_S = 20.0


def apf(*arguments: object, given: str = "") -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments], input=given)


def said(result: Result) -> str:
    """Everything on one line: a terminal's width must not matter."""
    return " ".join(result.output.split())


class RunningHost:
    """`apf run` as a child process."""

    def __init__(self, config: Path, log: Path, *options: str) -> None:
        self.log = log
        argv = [sys.executable, "-m", "actors.cli", "run", str(config), "--host", "here", *options]
        with log.open("wb") as out:
            self._keeper = subprocess.Popen(
                keeper.command(os.getpid(), -1, -1, argv), cwd=ROOT, stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )

    def said(self, event: str) -> bool:
        return any(json.loads(line)["event"] == event for line in self.log.read_text().splitlines() if line[:1] == "{")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit status."""
        for pid in processes.descendants(self._keeper.pid)[:1]:
            processes.send(pid, number)
        return self._keeper.wait(STOP_S)

    def close(self) -> None:
        if self._keeper.poll() is None:
            self._keeper.terminate()
            self._keeper.wait(STOP_S)


class Factory:
    """A simulated world, a configuration for it with an embedded Redis, and a host that holds every post."""

    def __init__(self, folder: Path, stage: SimulatedStage, steps: str = "[]") -> None:
        self.stage = stage
        self.config = folder / "apf.toml"
        self.config.write_text(stage.config(folder).replace("cascade =", f"steps = {steps}\ncascade ="))
        self.posts = len(posts_of(load(self.config)))
        self.host = RunningHost(self.config, folder / "host.log")
        until(lambda: self.host.log.read_text().count('"post taken"') == self.posts, "the host holds its posts")

    def status(self) -> Status:
        result = apf("status", self.config, "--json")
        assert result.exit_code == 0, result.output
        return Status.model_validate_json(result.stdout)

    def ready_vm(self) -> VmStatus:
        """A VM that has joined; waits for one."""
        until(lambda: any(vm.state == "ready" for vm in self.status().vms), "a VM is ready")
        return next(vm for vm in self.status().vms if vm.state == "ready")


@pytest.fixture
def stage() -> Iterator[SimulatedStage]:
    with SimulatedStage() as made:
        yield made


@pytest.fixture
def config(stage: SimulatedStage, tmp_path: Path) -> Path:
    """The configuration of a factory that does not run."""
    path = tmp_path / "apf.toml"
    path.write_text(stage.config(tmp_path))
    return path


@pytest.fixture
def fresh(stage: SimulatedStage, tmp_path: Path) -> Iterator[Factory]:
    """A factory of this test's own, to be ended by it."""
    factory = Factory(tmp_path, stage)
    yield factory
    factory.host.close()


@pytest.fixture(scope="module")
def factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Factory]:
    """One factory for all tests that leave it running."""
    with SimulatedStage() as stage:
        made = Factory(tmp_path_factory.mktemp("factory"), stage)
        yield made
        made.host.close()


# --- run


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_host_that_is_told_to_end_gives_up_its_posts_leaves_the_vms_and_exits_with_0(
    fresh: Factory, number: signal.Signals
) -> None:
    fresh.stage.submit([60.0])
    until(lambda: len(fresh.stage.lives()) == 1, "a VM is started")
    assert fresh.host.stop(number) == 0
    assert fresh.host.said("post given up")
    assert fresh.host.said("host down")
    assert [life.ended_at for life in fresh.stage.lives()] == [None]


def test_a_second_host_of_an_embedded_factory_is_told_why_not(factory: Factory) -> None:
    argv = [sys.executable, "-m", "actors.cli", "run", str(factory.config)]
    second = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 1
    assert "another `apf run`" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_shadow_wants_and_starts_nothing_and_sees_what_the_factory_beside_it_does(
    stage: SimulatedStage, config: Path, tmp_path: Path
) -> None:
    def shadows() -> Status:
        return Status.model_validate_json(apf("status", config, "--json", "--shadow").stdout)

    shadow = RunningHost(config, tmp_path / "shadow.log", "--shadow")
    try:
        until(
            lambda: shadow.log.read_text().count('"post taken"') == len(posts_of(load(config))),
            "the shadow holds its posts",
        )
        stage.submit([60.0])
        until(lambda: [want.vms for want in shadows().queues[0].wants][:1] == [1], "it wants a VM")
        assert "wants 1 of private" in said(apf("why", config, "atlas", "--shadow"))
        assert stage.lives() == ()
        assert apf("status", config).exit_code == 1
        factory = Factory(tmp_path, stage)
        try:
            vm = factory.ready_vm()
            until(lambda: [(one.id, one.state) for one in shadows().vms] == [(vm.id, "ready")], "the shadow sees it")
        finally:
            factory.host.close()
        assert len(stage.lives()) == 1
        assert not shadow.said("launch")
        assert "this is a shadow" in said(apf("status", config, "--shadow"))
        assert shadow.stop() == 0
    finally:
        shadow.close()


@pytest.mark.parametrize("command", ["run", "check", "status"])
def test_a_wrong_configuration_shows_all_its_mistakes_and_exits_with_2(command: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[factory]\nname = "x"\nredsi = "embedded"\n[clouds.a]\nmax_vms = "two"\n')
    result = apf(command, wrong)
    assert result.exit_code == 2
    assert "did you mean 'redis'" in said(result)
    assert "max_vms" in said(result)


def test_a_configuration_that_is_not_there_is_a_mistake_too(tmp_path: Path) -> None:
    result = apf("check", tmp_path / "none.toml")
    assert result.exit_code == 2
    assert "cannot be read" in said(result)


@pytest.mark.parametrize("command", ["run", "status"])
def test_a_directory_that_cannot_be_used_is_told_in_one_line(tmp_path: Path, command: str) -> None:
    (tmp_path / "file").write_text("")
    text = (ROOT / "configs" / "minimal.toml").read_text()
    path = tmp_path / "apf.toml"
    path.write_text(text.replace("[pools.local]", f'directory = "{tmp_path}/file/state"\n[pools.local]', 1))
    result = apf(command, path)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "Not a directory. It has to be this user's, to be written and read" in said(result)


# --- check


def test_a_right_configuration_is_said_to_be_so(config: Path) -> None:
    result = apf("check", config)
    assert result.exit_code == 0
    assert "no mistakes; 1 pool, 4 clouds, 1 queue" in said(result)


def test_a_live_check_asks_every_place(config: Path) -> None:
    result = apf("check", config, "--live")
    assert result.exit_code == 0, result.output
    for place in ("redis", "pool local", "cloud private", "cloud spot"):
        assert place in said(result)
    assert "`apf run` starts" in said(result)


def test_a_live_check_of_a_world_that_is_away_exits_with_1(tmp_path: Path) -> None:
    with SimulatedStage() as gone:
        text = gone.config(tmp_path)
    path = tmp_path / "apf.toml"
    path.write_text(text)
    result = apf("check", path, "--live")
    assert result.exit_code == 1
    assert said(result).count("WRONG") >= 3


def test_a_secret_that_is_not_there_is_found_live(config: Path) -> None:
    config.write_text(config.read_text() + '\n[accounts.x]\naccess_key_id = "env:NOT_SET_ANYWHERE"\n')
    result = apf("check", config, "--live")
    assert result.exit_code == 1
    assert "NOT_SET_ANYWHERE" in said(result)


# --- status


def test_the_status_of_a_factory_that_is_not_up_says_what_to_do(config: Path) -> None:
    result = apf("status", config)
    assert result.exit_code == 1
    assert "is `apf run` running there?" in said(result)


def test_the_status_of_a_running_factory_is_whole(factory: Factory) -> None:
    factory.stage.submit([5.0])
    vm = factory.ready_vm()
    status = factory.status()
    assert [post.holder[:5] for post in status.posts] == ["here#"] * factory.posts
    assert [want.cloud for want in status.queues[0].wants][:1] == ["private"]
    assert all(source.read_age_s is not None for source in status.sources)
    text = said(apf("status", factory.config, "--vms"))
    assert vm.instance_id in text
    assert "1 host" in text


def test_a_step_that_counts_over_the_queues_life_is_told_what_was_started(
    stage: SimulatedStage, tmp_path: Path
) -> None:
    factory = Factory(tmp_path, stage, steps='[{ step = "keep-n-queue-life", njobs = 1 }]')
    try:
        stage.submit([0.5] * 3)
        until(lambda: all(job.completed_at for job in stage.jobs()), "the jobs are done, one after the other")
        until(lambda: all(life.ended_at for life in stage.lives()), "its VM has ended")
        assert len(stage.lives()) == 1
        stage.submit([0.5])
        until(lambda: factory.status().queues[0].idle == 1, "a further job is seen")
        assert "1 in the queue's life, 1 were started" in said(apf("why", factory.config, "atlas"))
        assert len(stage.lives()) == 1
    finally:
        factory.host.close()


# --- the operator's wishes


def test_a_drain_is_accepted_and_its_vm_is_ended(factory: Factory) -> None:
    factory.stage.submit([1.0] * 40)
    vm = factory.ready_vm()
    result = apf("drain", factory.config, "--vm", vm.id, "--reason", "a new kernel", "--no-replace")
    assert result.exit_code == 0, result.output
    assert "accepted" in said(result)
    assert "a new kernel" in said(apf("status", factory.config))
    until(lambda: {one.id: one.state for one in factory.status().vms}[vm.id] == "ended", "it is ended")
    assert all(job.undisturbed for job in factory.stage.jobs())


def test_a_drain_of_what_is_not_there_is_refused_with_a_hint(factory: Factory) -> None:
    result = apf("drain", factory.config, "--cloud", "privat", "--reason", "x")
    assert result.exit_code == 1
    assert "did you mean private?" in said(result)


def test_a_drain_that_nobody_hears_exits_with_3(config: Path, tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / "redis"):
        result = apf("drain", config, "--cloud", "private", "--reason", "x", "--wait", "1")
        status = apf("status", config)
    assert result.exit_code == 3
    assert "no host answered in 1 s" in said(result)
    assert "no host is alive" in said(status)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--reason", "x"), "say which"),
        (("--reason", "x", "--cloud", "a", "--queue", "b"), "say which"),
        (("--reason", "x", "--cloud", "private", "--life", "soon"), "30m, 24h, 7d"),
        (("--reason", "", "--cloud", "private"), "reason"),
        (("--cloud", "private"), "reason"),
    ],
)
def test_a_drain_that_is_not_said_well_exits_with_2(config: Path, arguments: tuple[str, ...], told: str) -> None:
    result = apf("drain", config, *arguments)
    assert result.exit_code == 2
    assert told in said(result)


def test_a_kill_asks_back(config: Path) -> None:
    result = apf("kill", config, "--cloud", "private", "--reason", "x", given="n\n")
    assert result.exit_code == 1
    assert "are lost" in said(result)


def test_a_command_that_sends_no_mail_does_not_load_what_mail_and_clouds_need() -> None:
    heavy = ("kombu", "boto3", "botocore", "matplotlib", "pykka")
    script = (
        "import sys; import actors.cli, actors.console.status, actors.console.status_watch;"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
