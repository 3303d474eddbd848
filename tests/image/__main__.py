"""Does the user-data make a stock image a worker?  sudo python -m tests.image [--keep FOLDER]

A real Debian with real cloud-init and systemd, booted by qemu without HTCondor in it; the pool is the lab's. Pool and
VM are in a network of their own, which leads nowhere; nothing is left on this machine. Each line that is printed is
something that the user-data promises, and whether it is so. Exit status 1: something is not.

Not part of `make test`: it needs root, qemu-system-x86, debootstrap and about nine minutes, since the VM is emulated.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from actors.clouds.worker.start_expression import start
from actors.clouds.worker.user_data import Worker, render, template
from actors.config.schema import HtcondorPool
from actors.fleet.observations import Machine
from actors.policies.rules import RETIREMENT_S
from actors.pools.htcondor.pool import Htcondor
from actors.pools.port import Drain
from deploy.lab.pool.access_point import JobRecord, LabJob
from deploy.lab.pool.condor import condor_prefix
from deploy.lab.pool.pool import LabPool
from deploy.lab.pool.user import DOMAIN, lab_directory
from tests.image.disk import stock_debian
from tests.image.machine import CPUS, INSTANCE, running

ADDRESS = "10.99.0.1"  # of the pool, in a network of its own
QUEUE, JOBS = "atlas", 'MATCH_APF_QUEUE == "atlas"'
BOOT_S, JOB_S, DRAIN_S, OFF_S = 600.0, 120.0, 60.0, 300.0
UNCLAIMED_S = 60
# HTCondor looks whether a startd was unclaimed for too long only when it sends its ad
SOONER = "UPDATE_INTERVAL = 20"
PROBE = r"""#!/bin/sh
echo "user $(id -u)"
[ -w "$HOME" ] && echo "home"
curl -sS -m 5 http://169.254.169.254/latest/meta-data/ >/dev/null 2>&1; echo "metadata $?"
cat /etc/condor/tokens.d/apf >/dev/null 2>&1; echo "token $?"
"""
REFUSED = 7  # curl: could not connect

T = TypeVar("T")


class Check:
    """What was looked at so far; `failed` counts what was not so."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.failed = 0

    def that(self, what: str, holds: object, seen: object = "") -> None:
        self.failed += not holds
        told = "" if holds else f": {seen!r}"
        sys.stdout.write(f"{time.monotonic() - self._began:5.0f} s  {'yes' if holds else 'NO '}  {what}{told}\n")
        sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.image", description=__doc__)
    parser.add_argument("--keep", type=Path, help="make the disk here, and leave it for the next time")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if os.geteuid():
        parser.error("it needs root: for debootstrap, and for a network of its own")
    if given.inside:
        return play(given.keep)
    with lab_directory() as scratch:
        folder = given.keep or scratch
        stock_debian(folder)
        condor_prefix()
        again = [sys.executable, "-m", "tests.image", "--inside", "--keep", str(folder)]
        return subprocess.run(["unshare", "--net", *again], check=False).returncode


def play(folder: Path) -> int:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "address", "add", f"{ADDRESS}/32", "dev", "lo"], check=True)
    check = Check()
    with lab_directory() as scratch, LabPool(scratch / "pool", address=ADDRESS) as lab:
        tokens = str(lab.tokens(scratch / "factory"))
        config = HtcondorPool(collector=lab.collector, token_directory=tokens, trust_domain=DOMAIN)
        pool = Htcondor("local", config, ((QUEUE, JOBS, "true", 0.0),))
        try:
            with running(stock_debian(folder), _user_data(lab), folder) as machine:
                _story(check, lab, pool, lambda: machine.poll() is not None)
        finally:
            pool.close()
    return 1 if check.failed else 0


def _user_data(lab: LabPool) -> str:
    facts = Worker(
        factory="image",
        cloud="private",
        queue=QUEUE,
        collector=lab.collector,
        token=lab.worker_token(),
        start=start(JOBS),
        trust_domain=DOMAIN,
        unclaimed_poweroff_s=UNCLAIMED_S,
        worker_config=SOONER,
    )
    return render(template(), facts)


def _story(check: Check, lab: LabPool, pool: Htcondor, is_off: Callable[[], bool]) -> None:
    found = _until(lambda: pool.joined((INSTANCE,)), BOOT_S)
    check.that("an image without HTCondor installed it and joined, by the id that the metadata service told", found)
    if not found:
        return
    (worker,) = found
    _look_at(check, worker)
    _run_jobs(check, lab)
    order = Drain(
        machine=worker.name, address=worker.address, instance_id=INSTANCE, nonce="try.1", min_retirement_s=RETIREMENT_S
    )
    pool.drain(order)
    drained = _until(lambda: pool.look(worker.name, worker.address).drained_for("try.1"), DRAIN_S)
    check.that("a drain is taken through CCB, with its nonce", drained)
    check.that("left alone it powers itself off", _until(is_off, OFF_S))


def _look_at(check: Check, worker: Machine) -> None:
    check.that("it says whose it is", (worker.queue, worker.cloud) == (QUEUE, "private"), worker)
    check.that("it grants years of retirement", worker.max_retirement_s == RETIREMENT_S, worker.max_retirement_s)
    (slot,) = worker.slots
    check.that("it has one partitionable slot with all cores", slot.partitionable and slot.free.cpus == CPUS, slot)
    check.that("its ad came with a token that may advertise", worker.identity.startswith("worker@"), worker.identity)
    check.that("it is reached through the collector only", "CCBID=" in worker.address, worker.address)


def _run_jobs(check: Check, lab: LabPool) -> None:
    lab.submit([LabJob(queue=QUEUE, submit={"nice_user": "true"}), LabJob(queue="cms")])
    probe, said = lab.user.write(lab.directory / "probe", PROBE, 0o755), lab.directory / "said"
    transfer = {"transfer_executable": "true", "should_transfer_files": "YES", "when_to_transfer_output": "ON_EXIT"}
    lab.user.folder(lab.directory)
    lab.submit([LabJob(queue=QUEUE, submit={"executable": str(probe), "output": str(said), **transfer})])
    done: list[JobRecord] = _until(lab.history, JOB_S) or []
    check.that(
        "a job of its queue runs there, once", [job.undisturbed and job.instance_id for job in done] == [INSTANCE]
    )
    told = dict(line.partition(" ")[::2] for line in said.read_text().splitlines()) if said.exists() else {}
    check.that("the job is not root", told.get("user", "0") != "0", told)
    check.that("its HOME is writable", "home" in told, told)
    check.that("the metadata service is closed to it", told.get("metadata") == str(REFUSED), told)
    check.that("it cannot read the worker's token", told.get("token", "0") != "0", told)
    check.that(
        "a nice_user job and one of another queue wait", [job.starts for job in lab.queue()] == [0, 0], lab.queue()
    )


def _until(look: Callable[[], T], limit_s: float) -> T:
    deadline = time.monotonic() + limit_s
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(1.0)
    return found


if __name__ == "__main__":
    sys.exit(main())
