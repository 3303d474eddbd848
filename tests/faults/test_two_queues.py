"""Two queues: activated jobs become pilots that wait, these become VMs, and all of it goes again by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.fleet.vm import State
from deploy.lab.wms.panda import PandaStandIn, complaints
from tests.factory_configuration import QUEUE
from tests.factory_judge import Fences
from tests.factory_on_lab import Factory, MakeFactory
from tests.factory_two_queues import PILOTS, SITE, changes
from tests.late import NotWithin

PAYLOAD_S = 16.0


@pytest.fixture
def panda() -> Iterator[PandaStandIn]:
    with PandaStandIn([SITE]) as panda:
        yield panda


@pytest.fixture
def factory(make_factory: MakeFactory, panda: PandaStandIn, tmp_path: Path) -> Factory:
    factory = make_factory()
    factory.configure(**changes(factory.site, panda, tmp_path))
    factory.fences = Fences(factory.table, factory.config.clouds)
    return factory


def pilots(factory: Factory, *states: State) -> int:
    return len(factory.vms(PILOTS, *states))


def test_activated_jobs_become_pilots_and_pilots_vms_and_all_ends_by_itself(
    factory: Factory, panda: PandaStandIn
) -> None:
    factory.host().start()
    panda.activate(SITE, [4.0] * 5)
    factory.until(lambda: pilots(factory, State.BOOTING) == 5, "5 pilots wait", 20)
    factory.until(lambda: pilots(factory, State.READY) >= 2, "pilots run on VMs", 40)
    factory.until(lambda: panda.counts(SITE)["finished"] == 5, "all payloads are done", 60)
    factory.until_done()
    assert complaints(panda.ledger()) == []
    factory.judge()


def test_pilots_that_run_when_demand_vanishes_end_by_themselves_and_those_that_wait_are_taken_back(
    factory: Factory, panda: PandaStandIn, tmp_path: Path
) -> None:
    """And the host is killed in the middle: nothing is submitted or bought twice."""
    less = {"clouds": {"private": {"max_vms": 2}}, "queues": {QUEUE: {"cascade": [["private"]]}}}
    factory.configure(**changes(factory.site, panda, tmp_path, **less))
    host = factory.host()
    host.start()
    panda.activate(SITE, [PAYLOAD_S] * 6)
    factory.until(lambda: panda.counts(SITE)["running"] == 2, "two payloads run", 40)
    host.kill()
    assert panda.cancel(SITE) == 4
    host.start()
    factory.until(lambda: pilots(factory, State.BOOTING) == 0, "those that wait are taken back", 20)
    if panda.counts(SITE)["finished"]:
        raise NotWithin(PAYLOAD_S, "those that wait are taken back, while the payloads run", factory.story())
    assert panda.counts(SITE) == {"running": 2}
    assert pilots(factory, State.READY) == 2
    factory.until(lambda: panda.counts(SITE) == {"finished": 2}, "their payloads end in peace", 30)
    factory.until(lambda: not factory.site.pool.queue(), "pilots have left the queue", 30)
    factory.until_no_vm()
    assert complaints(panda.ledger()) == []
    assert len({vm.id for vm in factory.vms(PILOTS)}) == 6
    ran = [job for job in factory.site.pool.history() if job.starts]
    assert len(ran) == 2
    assert all(job.completed and job.undisturbed for job in ran)
