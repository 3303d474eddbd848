"""What every pool must do. A module that has a `site` fixture (see Site) gets these tests by importing them:

from tests.actors.pools.conformance import *  # noqa: F403
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import pytest

from actors.fleet.observations import JobsSeen, Machine
from actors.pools.port import Drain, Pool, PoolAway, PoolRefused

YEARS_S = 315_360_000
REQUIRED_S = 3600 * 24 * 365
End = Callable[[], object]  # of jobs, now

__all__ = [
    "test_a_busy_machine_drains_when_its_job_ended",
    "test_a_cancel_brings_a_busy_machine_back",
    "test_a_cancel_with_a_stale_id_or_a_foreign_nonce_is_refused",
    "test_a_drain_for_another_instance_is_refused",
    "test_a_drain_taken_back_as_the_last_job_ended_leaves_a_machine_that_can_be_drained_while_idle",
    "test_a_drain_where_jobs_would_be_evicted_is_refused",
    "test_a_look_at_another_machine_is_no_look",
    "test_a_machine_shows_its_instance_its_queue_and_its_room",
    "test_a_machine_where_nobody_is_drains_whatever_it_grants",
    "test_a_quick_look_shows_whole_machines_of_the_instances_asked_for_and_no_others",
    "test_an_eviction_ends_the_job_in_our_drains_place",
    "test_an_eviction_with_a_foreign_nonce_is_refused",
    "test_an_idle_machine_drains_at_once_and_says_for_whom",
    "test_asking_again_with_the_same_nonce_is_one_drain",
    "test_closing_twice_is_harmless",
    "test_jobs_are_counted_by_class_and_state",
    "test_running_jobs_are_counted_by_machine",
]


class Site(Protocol):
    """A pool with the queues `atlas` and `cms`, and the means to put jobs and machines into it."""

    @property
    def pool(self) -> Pool: ...

    def boot(self, *, cpus: int = 1, retirement_s: int = YEARS_S) -> str:
        """Start a worker of queue atlas; its instance id. It may not have joined yet."""
        ...

    def submit(self, queue: str, jobs: int, cpus: int = 1) -> End:
        """Jobs that run until they are ended: a slow machine may be late to look at one that ends by itself."""
        ...

    def executing(self) -> int:
        """Jobs whose programs run: a claim that was handed out is not one yet, and may be lost to a drain."""
        ...

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for a condition; the test fails after a while."""
        ...


def machine_of(site: Site, instance_id: str) -> Machine | None:
    return next((m for m in site.pool.startds(1.0).machines if m.instance_id == instance_id), None)


def joined(site: Site, instance_id: str) -> Machine:
    site.until(lambda: machine_of(site, instance_id), f"{instance_id} joins")
    machine = machine_of(site, instance_id)
    assert machine is not None
    return machine


def order(machine: Machine, nonce: str = "n-1") -> Drain:
    return Drain(
        machine=machine.name,
        address=machine.address,
        instance_id=machine.instance_id,
        nonce=nonce,
        min_retirement_s=REQUIRED_S,
    )


def looked(site: Site, machine: Machine) -> Machine:
    return site.pool.look(machine.name, machine.address)


def shows(site: Site, machine: Machine, what: Callable[[Machine], bool]) -> bool:
    """What a wait asks: a startd that has no time to answer does not show it yet."""
    try:
        return what(looked(site, machine))
    except PoolAway:
        return False


def drained_for(site: Site, machine: Machine, nonce: str) -> bool:
    return shows(site, machine, lambda now: now.drained_for(nonce))


def busy(site: Site) -> Machine:
    """A machine with one running job."""
    return busy_until(site)[0]


def busy_until(site: Site, retirement_s: int = YEARS_S) -> tuple[Machine, End]:
    """The machine, and what ends its job."""
    machine = joined(site, site.boot(retirement_s=retirement_s))
    end = site.submit("atlas", 1)
    site.until(lambda: shows(site, machine, lambda now: now.busy), "the job has a place")
    site.until(lambda: site.executing() == 1, "the job runs")
    return machine, end


def count(seen: JobsSeen, queue: str, state: str) -> int:
    return sum(getattr(job, state) for job in seen.classes if job.queue == queue)


def test_jobs_are_counted_by_class_and_state(site: Site) -> None:
    site.submit("atlas", 3)
    site.submit("atlas", 2, cpus=8)
    site.submit("cms", 1)
    seen = site.pool.jobs(7.0)
    assert seen.at == 7.0
    assert seen.complete
    assert sorted((job.queue, job.request.cpus, job.idle) for job in seen.classes) == [
        ("atlas", 1, 3),
        ("atlas", 8, 2),
        ("cms", 1, 1),
    ]


def test_a_quick_look_shows_whole_machines_of_the_instances_asked_for_and_no_others(site: Site) -> None:
    asked, other = joined(site, site.boot(cpus=2)), joined(site, site.boot())
    (found,) = site.pool.joined((asked.instance_id, 'i-"not there'))
    assert (found.name, found.address, len(found.slots)) == (asked.name, asked.address, len(asked.slots))
    assert found.instance_id != other.instance_id
    assert not site.pool.joined(("i-never",))


def test_a_machine_shows_its_instance_its_queue_and_its_room(site: Site) -> None:
    machine = joined(site, site.boot(cpus=2))
    assert machine.queue == "atlas"
    assert machine.max_retirement_s == YEARS_S
    assert not machine.busy
    assert [slot.free.cpus for slot in machine.slots] == [2]
    assert looked(site, machine).slots[0].name == machine.slots[0].name


def test_an_idle_machine_drains_at_once_and_says_for_whom(site: Site) -> None:
    machine = joined(site, site.boot())
    assert site.pool.drain(order(machine, "n-7"))
    site.until(lambda: drained_for(site, machine, "n-7"), "the idle machine is drained")
    assert not looked(site, machine).drained_for("n-8")


def test_a_busy_machine_drains_when_its_job_ended(site: Site) -> None:
    machine, end = busy_until(site)
    site.pool.drain(order(machine))
    assert looked(site, machine).draining_for("n-1")
    assert not looked(site, machine).drained_for("n-1")
    end()
    site.until(lambda: drained_for(site, machine, "n-1"), "its job ended")
    site.until(lambda: count(site.pool.jobs(1.0), "atlas", "running") == 0, "the queue is empty")


def test_a_drain_for_another_instance_is_refused(site: Site) -> None:
    machine = joined(site, site.boot())
    with pytest.raises(PoolRefused, match="i-somebody-else"):
        site.pool.drain(replace(order(machine), instance_id="i-somebody-else"))
    assert not looked(site, machine).draining_for("n-1")


def test_a_drain_where_jobs_would_be_evicted_is_refused(site: Site) -> None:
    machine, _ = busy_until(site, retirement_s=0)
    with pytest.raises(PoolRefused, match="MaxJobRetirementTime"):
        site.pool.drain(order(machine))
    assert not looked(site, machine).draining_for("n-1")
    assert looked(site, machine).busy


def test_a_machine_where_nobody_is_drains_whatever_it_grants(site: Site) -> None:
    machine = joined(site, site.boot(retirement_s=0))
    site.pool.drain(order(machine))
    site.until(lambda: drained_for(site, machine, "n-1"), "the idle machine is drained")


def test_a_drain_taken_back_as_the_last_job_ended_leaves_a_machine_that_can_be_drained_while_idle(site: Site) -> None:
    """Whoever takes it back has to look again: it grants nothing (mostly), and what it takes cannot be drained."""
    machine, end = busy_until(site)
    request_id = site.pool.drain(order(machine))
    end()
    site.until(lambda: shows(site, machine, lambda now: not now.busy), "its job ended")
    site.pool.cancel(order(machine), request_id)
    site.until(lambda: shows(site, machine, lambda now: not now.draining_for("n-1")), "the drain is forgotten")
    assert looked(site, machine).max_retirement_s in (0, YEARS_S)
    site.pool.drain(order(machine, "n-2"))
    site.until(lambda: drained_for(site, machine, "n-2"), "it is drained anew")


def test_asking_again_with_the_same_nonce_is_one_drain(site: Site) -> None:
    machine = busy(site)
    request_id = site.pool.drain(order(machine))
    assert site.pool.drain(order(machine)) == request_id
    with pytest.raises(PoolRefused, match="n-1"):
        site.pool.drain(order(machine, "n-2"))


def test_a_cancel_brings_a_busy_machine_back(site: Site) -> None:
    machine = busy(site)
    site.pool.cancel(order(machine), site.pool.drain(order(machine)))
    site.until(lambda: shows(site, machine, lambda now: not now.draining_for("n-1")), "the drain is forgotten")
    assert looked(site, machine).busy


def test_a_cancel_with_a_stale_id_or_a_foreign_nonce_is_refused(site: Site) -> None:
    machine = busy(site)
    request_id = site.pool.drain(order(machine))
    with pytest.raises(PoolRefused):
        site.pool.cancel(order(machine), "77")
    with pytest.raises(PoolRefused):
        site.pool.cancel(order(machine, "n-2"), request_id)
    assert looked(site, machine).draining_for("n-1")


def test_an_eviction_ends_the_job_in_our_drains_place(site: Site) -> None:
    machine = busy(site)
    request = site.pool.drain(order(machine, "n-1"))
    second = site.pool.evict(order(machine, "n-1"), request, "n-2")
    site.until(lambda: drained_for(site, machine, "n-2"), "its job is evicted")
    assert site.pool.evict(order(machine, "n-1"), request, "n-2") == second, "asked twice is done once"


def test_an_eviction_with_a_foreign_nonce_is_refused(site: Site) -> None:
    machine = busy(site)
    request = site.pool.drain(order(machine, "n-1"))
    with pytest.raises(PoolRefused):
        site.pool.evict(order(machine, "theirs"), request, "n-2")
    assert looked(site, machine).draining_for("n-1")
    assert looked(site, machine).busy


def test_a_look_at_another_machine_is_no_look(site: Site) -> None:
    machine = joined(site, site.boot())
    with pytest.raises(PoolAway):
        site.pool.look("somebody-else.lab", machine.address)


def test_running_jobs_are_counted_by_machine(site: Site) -> None:
    machine = busy(site)
    assert site.pool.jobs_on((machine.name, "nobody.lab")) == {machine.name: 1, "nobody.lab": 0}


def test_closing_twice_is_harmless(site: Site) -> None:
    site.pool.jobs(1.0)
    site.pool.close()
    site.pool.close()
