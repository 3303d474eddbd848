"""`python -m tests.benchmarks.wake [ROUNDS]`: a real pool at HTCondor's own pace, a negotiation each 60 s.

A job waits, a worker joins at some time between two negotiations; from its ad to the job's start, without and with a
wake of the pool. Workers are plain ones; nothing else runs there. Some minutes of wall time, little of the processor's.
"""

from __future__ import annotations

# ruff: noqa: T201
import random
import sys
import time
from pathlib import Path

from actors.config.schema import HtcondorPool
from actors.pools.htcondor.pool import Htcondor
from deploy.lab.pool.access_point import LabJob
from deploy.lab.pool.condor import condor_prefix
from deploy.lab.pool.daemon_config import Pace
from deploy.lab.pool.node import Hardware, Node
from deploy.lab.pool.pool import LabPool
from deploy.lab.pool.user import DOMAIN, lab_directory
from tests.condor_pool import PLAIN_WORKER, until

CYCLE_S = 60.0


def main(rounds: int) -> None:
    chance = random.Random(1)
    with lab_directory() as directory, LabPool(directory, Pace.STOCK, prefix=condor_prefix()) as lab:
        tokens = str(lab.tokens(directory / "factory"))
        pool = Htcondor("lab", HtcondorPool(collector=lab.collector, token_directory=tokens, trust_domain=DOMAIN), ())
        print("| | waits from the worker's ad to the job's start |")
        print("| --- | --- |")
        for wakes in (False, True):
            waits = [_round(lab, pool, f"i-{wakes:d}-{n}", chance.uniform(0, 30.0), wakes) for n in range(rounds)]
            said = ", ".join(f"{one:.0f}" for one in waits)
            print(f"| {'woken' if wakes else 'not woken'} | {sum(waits) / rounds:.1f} s ({said}) |", flush=True)
        pool.close()


def _round(lab: LabPool, pool: Htcondor, name: str, after_s: float, wakes: bool) -> float:
    """The job's submission asks for a negotiation; the worker comes some time after it."""
    lab.submit([LabJob(seconds=1.0)])
    time.sleep(after_s)
    node = _boot(lab, name)
    until(lambda: name in lab.tool("condor_status", "-af", "CloudInstanceID"), f"{name} joins")
    joined = time.monotonic()
    if wakes:
        pool.wake()
    until(lambda: not lab.queue() or _runs(lab), "its job runs", 2 * CYCLE_S)
    waited_s = time.monotonic() - joined
    until(lambda: not lab.queue(), "its job is done")
    node.kill()
    lab.tool("condor_advertise", "INVALIDATE_STARTD_ADS", str(_all_startds(lab)))
    return waited_s


def _runs(lab: LabPool) -> bool:
    point = lab.access_points[0].master
    return "2" in point.tool("condor_q", "-allusers", "-af", "JobStatus").split()


def _all_startds(lab: LabPool) -> Path:
    ad = 'MyType = "Query"\nTargetType = "Machine"\nRequirements = true\n'
    return lab.user.write(lab.directory / "invalidate", ad)


def _boot(lab: LabPool, name: str) -> Node:
    node = Node(prefix=lab.prefix, directory=lab.directory / name, user=lab.user, name=name)
    config = f'{PLAIN_WORKER}COLLECTOR_HOST = {lab.collector}\nCloudInstanceID = "{name}"\n'
    node.write("/etc/condor/config.d/50-apf.conf", config)
    node.write("/etc/condor/tokens.d/apf", lab.worker_token() + "\n", 0o600)
    node.start(hardware=Hardware(cpus=1), pace=lab.pace, settings={"MAXJOBRETIREMENTTIME": "315360000"})
    return node


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 5)
