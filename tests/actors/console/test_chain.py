"""A queue whose pilots are another queue's jobs says the whole chain."""

from __future__ import annotations

from pathlib import Path

from actors.config.load import load
from actors.console.chain import chains, feeding
from actors.fleet.vm import State, Vm

CONFIG = load(Path(__file__).parents[3] / "configs/two-queues.toml")


def vm(number: int, queue: str, cloud: str, state: State) -> Vm:
    return Vm(id=f"x-{number}", queue=queue, cloud=cloud, state=state, since=1.0, born=1.0, reason="r")


def test_the_chain_counts_pilots_of_the_one_queue_and_vms_of_the_other() -> None:
    vms = [vm(n, "panda-cern", "pilots", State.BOOTING) for n in range(12)]
    vms += [vm(20, "panda-cern", "pilots", State.READY), vm(21, "panda-cern", "pilots", State.ENDED)]
    vms += [vm(n, "vms", "spot", State.BOOTING) for n in range(30, 33)]
    vms += [vm(40, "vms", "private", State.READY), vm(41, "vms", "private", State.DRAINING)]
    said = "12 idle jobs -> 12 pilots wait, 1 run -> 3 VMs boot, 1 joined, 1 leave (queue vms)"
    assert chains(CONFIG, "panda-cern", 12, vms) == (said,)


def test_a_queue_that_feeds_none_says_nothing() -> None:
    assert chains(CONFIG, "vms", 1, []) == ()
    assert feeding(CONFIG, "vms") == ()


def test_a_plan_says_whose_jobs_the_pilots_are() -> None:
    assert feeding(CONFIG, "panda-cern") == ("its VMs on pilots are pilots, the jobs of queue vms",)
