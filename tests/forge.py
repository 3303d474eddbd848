"""Processes that start in no time: forked from one that has the slow imports behind it.

Why: a factory host needs over a second of CPU to import its libraries, moto's EC2 three, and the fault tests start
hundreds of them. A process from the forge is as real as any: it has its own pid, is killed and frozen, and shares
nothing with its brothers.

    process = forge().run("tests.factory_host", ["a.toml", "host-1"], log=Path("host-1.log"))
    process.ended(), process.wait(5), os.kill(process.pid, ...)

The rule it keeps: the forge itself has one thread, so that a fork is safe; and it runs under a keeper, so that nothing
of it outlives the tests. An ended process is reaped only when its owner has let go of it: a pid is never somebody else.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO

from deploy.lab import keeper, processes
from deploy.lab.cloud.api import READY, CloudApi
from tests.condor_pool import until

ROOT = Path(__file__).parents[1]
PRELOADED = ("actors.host.host", "actors.config.load", "deploy.lab.cloud.moto_ec2", "deploy.lab.cloud.shim")


class Forged:
    """One process. Its owner calls `wait` once it has ended, or is to end soon."""

    def __init__(self, forge: Forge, pid: int) -> None:
        self.pid = pid
        self._forge = forge
        self._watch = os.pidfd_open(pid)
        self._ended = False

    def ended(self) -> bool:
        return self._ended or bool(select.select([self._watch], [], [], 0)[0])

    def wait(self, limit_s: float) -> None:
        """Until it has ended. TimeoutExpired after `limit_s` seconds."""
        if self._ended:
            return
        if not select.select([self._watch], [], [], limit_s)[0]:
            raise subprocess.TimeoutExpired(f"process {self.pid}", limit_s)
        self._ended = True
        os.close(self._watch)
        self._forge.reap(self.pid)


class Forge:
    """The process that forks, seen from the tests."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            keeper.command(os.getpid(), -1, -1, [sys.executable, "-m", "tests.forge"]),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        module: str,
        argv: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
    ) -> Forged:
        """Run `module`'s main(*argv) with stdout and stderr added to `log`; `environment` is added to this one's."""
        wish = {"module": module, "argv": list(argv), "log": str(log), "cwd": str(cwd)}
        return Forged(self, self._ask({**wish, "environment": {**os.environ, **(environment or {})}}))

    def reap(self, pid: int) -> None:
        self._ask({"reap": pid})

    def _ask(self, wish: Mapping[str, object]) -> int:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(wish) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


class ForgedCloudApi(CloudApi):
    """The lab's EC2 API from the forge."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self._log = log
        self._forged: Forged | None = None

    @property
    def pid(self) -> int:
        return self._forged.pid if self._forged else 0

    def __enter__(self) -> ForgedCloudApi:
        self._log.touch()
        forged = self._forged = forge().run("deploy.lab.cloud.api", [], log=self._log)
        until(lambda: "\n" in self._log.read_text() or forged.ended(), "the EC2 API answers")
        self.endpoint = self._log.read_text().partition("\n")[0].removeprefix(READY)
        assert self.endpoint.startswith("http://"), self._log.read_text()
        return self

    def stop(self) -> None:
        if self._forged is not None:
            processes.send(self._forged.pid, signal.SIGKILL)
            self._forged.wait(10)
            self._forged = None


@cache
def forge() -> Forge:
    """The one of this test process; made when it is needed first."""
    return Forge()


# --- in the forge itself


def _serve(wishes: IO[str], answers: IO[str]) -> None:
    for line in wishes:
        wish = json.loads(line)
        pid = os.waitpid(wish["reap"], 0)[0] if "reap" in wish else os.fork()
        if pid == 0:
            _become(wish)
        answers.write(f"{pid}\n")
        answers.flush()


def _become(wish: Mapping[str, object]) -> None:
    """In the child: never returns."""
    status = 1
    try:
        ctypes.CDLL(None).prctl(keeper.PR_SET_PDEATHSIG, signal.SIGKILL)
        log = os.open(str(wish["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for fd, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(fd, target)
        os.environ.clear()
        os.environ.update(wish["environment"])  # type: ignore[call-overload]
        os.chdir(str(wish["cwd"]))
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w", 1), open(2, "w", 1)  # noqa: SIM115
        importlib.import_module(str(wish["module"])).main(*wish["argv"])  # type: ignore[misc]
        status = 0
    except SystemExit as told:
        status = told.code if isinstance(told.code, int) else 1
    except BaseException:  # noqa: BLE001 - whatever it is belongs into the log
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    os.environ["MOTO_ENABLE_AMI_VALIDATION"] = "true"
    for module in PRELOADED:
        importlib.import_module(module)
    gc.freeze()
    _serve(sys.stdin, sys.stdout)


if __name__ == "__main__":
    main()
