"""A shape that says more than the real workers have: what joined counts, and nothing is bought in vain after that."""

import pytest

from actors.console.status import Reader
from tests.factory_on_lab import QUEUE, Factory, MakeFactory

pytestmark = pytest.mark.lab

SHAPE = {"cpus": 4, "memory_mib": 512}


def told(factory: Factory) -> list[str]:
    reader = Reader(factory.config)
    try:
        return [trouble.what for trouble in reader.read().troubles if trouble.weight == "bad"]
    finally:
        reader.close()


def test_jobs_that_fit_only_the_promised_shape_buy_until_the_first_worker_joins_and_never_again(
    make_factory: MakeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory = make_factory(
        clouds={"private": {"shape": SHAPE}, "spot": None}, queues={QUEUE: {"cascade": [["private"]]}}
    )
    monkeypatch.setenv("APF_TEST_REDIS", factory.redis.address.password or "")
    factory.submit(3, cpus=2)
    factory.submit(1, seconds=1)
    factory.host().start()
    factory.until(lambda: any(vm.joined for vm in factory.vms()), "a worker joins", 60)
    bought = len(factory.started())
    factory.until(lambda: (standing := factory.standing()) and standing.unmet, "the jobs are seen as not to be met", 20)
    factory.until_no_vm()
    factory.holds(lambda: len(factory.started()) == bought, "nothing is bought any more", 15)
    assert any("3 jobs wait for 2 cpus" in line for line in factory.standing().unmet)  # type: ignore[union-attr]
    assert any("private" in line and "1 cpu where its shape says 4" in line for line in told(factory))
    factory.judge(waiting=3)


def test_small_jobs_get_as_many_vms_as_the_real_workers_need(make_factory: MakeFactory) -> None:
    factory = make_factory(
        clouds={"private": {"shape": SHAPE, "max_vms": 4}, "spot": None}, queues={QUEUE: {"cascade": [["private"]]}}
    )
    factory.host().start()
    factory.submit(1, seconds=2)
    factory.until(lambda: any(vm.joined for vm in factory.vms()), "a worker joins", 60)
    gate = factory.gate()
    factory.submit(4, gate=gate)
    factory.until(lambda: factory.wants()["private"] == 4, "a VM for each of four jobs is wanted, at once", 20)
    factory.until_done()
    factory.judge()
