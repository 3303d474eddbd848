"""The simulated pool keeps what every pool promises, in its own time: waiting steps the world's clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest

from actors.config.schema import SimulatedPool
from actors.pools.port import PoolAway
from actors.pools.simulated import WorldPool
from deploy.lab.world.model import World
from deploy.lab.world.server import WorldServer
from tests.actors.pools.conformance import *  # noqa: F403
from tests.actors.pools.conformance import YEARS_S, End, busy_until, joined, looked, order

QUEUES = (("atlas", 'MATCH_APF_QUEUE == "atlas"', 0.0), ("cms", 'MATCH_APF_QUEUE == "cms"', 0.0))


class SimulatedSite:
    def __init__(self) -> None:
        self.now = 1000.0
        self.server = WorldServer(World(boot_s=2), clock=lambda: self.now)
        self.pool = WorldPool("sim", SimulatedPool(kind="simulated", world=self.server.place), QUEUES)

    def boot(self, *, cpus: int = 1, retirement_s: int = 315_360_000) -> str:
        return str(self.server.operations.do("boot", {"queue": "atlas", "cpus": cpus, "retirement_s": retirement_s}))

    def submit(self, queue: str, jobs: int, cpus: int = 1) -> End:
        do = self.server.operations.do
        ids = do("submit", {"queue": queue, "jobs": jobs, "seconds": math.inf, "cpus": cpus})
        return lambda: do("finish", {"ids": ids})

    def executing(self) -> int:
        return sum(job.running for job in self.pool.jobs(self.now).classes)

    def until(self, condition: Callable[[], object], what: str) -> None:
        for _ in range(200):
            if condition():
                return
            self.now += 0.5
        pytest.fail(f"not in 100 s of the world's time: {what}")

    def ledger(self, name: str) -> object:
        return self.server.operations.do("ledger", {})[name]


@pytest.fixture
def site() -> Iterator[SimulatedSite]:
    made = SimulatedSite()
    with made.server:
        yield made


def test_a_world_that_is_not_there_is_away() -> None:
    pool = WorldPool("sim", SimulatedPool(kind="simulated", world="127.0.0.1:1"), QUEUES)
    with pytest.raises(PoolAway):
        pool.startds(1.0)
    assert [finding.ok for finding in pool.check()] == [False]


def test_a_drained_machine_that_was_busy_grants_nothing_after_it_was_taken_back(site: SimulatedSite) -> None:
    machine, end = busy_until(site)
    request_id = site.pool.drain(order(machine))
    end()
    site.until(lambda: looked(site, machine).drained_for("n-1"), "its job ended")
    site.pool.cancel(order(machine), request_id)
    assert looked(site, machine).max_retirement_s == 0
    site.submit("atlas", 1)
    site.now += 10
    assert not looked(site, machine).busy, "nor does it take a job"
    site.pool.drain(order(machine, "n-2"))
    assert looked(site, machine).max_retirement_s == YEARS_S, "a drain while it is idle brings it back"


def test_the_ledger_knows_who_was_busy_when_it_was_ended_and_that_its_job_starts_twice(site: SimulatedSite) -> None:
    machine, end = busy_until(site)
    site.server.operations.do("end", {"ids": [machine.instance_id]})
    assert site.ledger("killed") == 1
    with pytest.raises(PoolAway):
        looked(site, machine)
    joined(site, site.boot())
    end()
    site.until(lambda: site.ledger("done") == 1, "the job runs again, to its end")
    assert site.ledger("started_twice") == 1


def test_a_machine_of_another_queue_takes_no_job(site: SimulatedSite) -> None:
    machine = joined(site, site.boot())
    site.submit("cms", 1)
    site.now += 10
    assert not looked(site, machine).busy
