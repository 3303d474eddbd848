"""VMs that do not join: ended at their boot deadline, but only when the pool was there to be joined all that time."""

import pytest

from tests.factory_on_lab import MakeFactory

pytestmark = pytest.mark.lab


def test_a_vm_that_never_joins_is_ended_at_its_deadline_and_another_runs_the_job(make_factory: MakeFactory) -> None:
    factory = make_factory(clouds={"private": {"boot_deadline_s": 12}})
    dark: list[str] = []
    factory.site.hypervisor.never_joins = lambda instance: _first(dark, instance.instance_id)
    factory.submit(1, seconds=2)
    factory.host().start()
    factory.until(lambda: dark, "a VM is started", 25)
    assert factory.alive("private")
    factory.until(lambda: dark[0] in factory.ended(), "the dark VM is ended", 30)
    vm = factory.vm_of(dark[0])
    assert vm is not None
    assert vm.since - vm.born >= 12
    factory.until_done()
    factory.judge()
    assert factory.started()[0] == dark[0]


def test_no_deadline_runs_while_the_collector_is_away(make_factory: MakeFactory) -> None:
    """Two VMs boot while it is dead for longer than their deadline. One joins when it is back, one never does."""
    deadline_s = 10
    factory = make_factory(clouds={"private": {"boot_deadline_s": deadline_s}})
    pool, dark = factory.site.pool, list[str]()
    factory.site.hypervisor.never_joins = lambda instance: _first(dark, instance.instance_id)
    factory.submit(2, seconds=2)
    factory.host().start()
    factory.until(lambda: len(factory.started()) == 2, "two VMs are started", 25)
    assert len(factory.alive("private")) == 2
    pool.kill_collector(stays_dead=True)
    factory.holds(lambda: not factory.ended(), "nothing is ended while the collector is dead", deadline_s + 3)
    pool.restart_collector()
    factory.holds(lambda: not factory.ended(), "the deadline begins anew when it is back", deadline_s - 2)
    factory.until(lambda: dark[0] in factory.ended(), "the dark VM is ended", 20)
    factory.until_done()
    factory.judge()
    assert [job.instance_id for job in pool.history() if job.instance_id == dark[0]] == []


def _first(seen: list[str], instance: str) -> bool:
    """Whether this is the first instance that asks."""
    seen += [] if seen else [instance]
    return seen[0] == instance
