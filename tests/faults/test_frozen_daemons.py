"""Daemons stopped with SIGSTOP: they answer nobody and are not gone.

The rule: a daemon that hangs delays what rests on it and nothing else. Terms are renewed all the while, other VMs are
served, nothing is ended on the word of a look that failed; and once it goes on, everything is finished.
"""

import pytest

from actors.fleet.vm import State
from tests.factory_on_lab import MakeFactory

pytestmark = pytest.mark.lab


def test_a_frozen_startd_delays_its_own_vm_and_no_other(make_factory: MakeFactory) -> None:
    factory = make_factory()
    gates = [factory.gate(), factory.gate()]
    for gate in gates:
        factory.submit(1, gate=gate)
    factory.host().start()
    factory.until_running(2)
    frozen, other = factory.running_jobs()
    terms = factory.fences_of()
    factory.site.hypervisor.nodes[frozen].freeze()
    for gate in gates:
        gate.open()
    factory.until(lambda: other in factory.ended(), "the other VM was drained and ended", 40)
    vm = factory.vm_of(frozen)
    assert vm is not None
    assert vm.state in (State.READY, State.DRAINING), vm
    factory.submit(1, seconds=1)
    factory.until(lambda: len(factory.started()) == 3, "a new job gets a VM though the frozen one is there", 20)
    assert frozen not in factory.ended()
    factory.no_post_was_lost(terms)
    factory.site.hypervisor.nodes[frozen].thaw()
    factory.until_done()
    factory.judge()


def test_a_frozen_schedd_stops_releases_but_not_starts(make_factory: MakeFactory) -> None:
    factory = make_factory(schedds=2)
    pool = factory.site.pool
    gate = factory.gate()
    factory.submit(1, gate=gate)
    factory.submit(1, schedd=1, gate=gate)
    factory.host().start()
    factory.until_running(2)
    terms = factory.fences_of()
    pool.freeze_schedd(1)
    factory.until(lambda: any(s.error for s in factory.demand_head().schedds), "the schedd is missed by name", 20)
    factory.submit(3, gate=gate)
    factory.until(lambda: len(factory.started()) == 5, "jobs of the other schedd get VMs", 20)
    new = set(
        factory.started()[2:]
    )  # the frozen schedd's own startd may be held up by it, and its VM stay in its drain
    factory.until(lambda: new <= {vm.instance_id for vm in factory.vms("", State.READY)}, "these VMs are served", 20)
    gate.open()
    factory.until(lambda: pool.access_points[0].queue() == [], "the other schedd's jobs are done", 30)
    factory.holds(lambda: not factory.ended(), "nothing is released while a schedd is not heard", 4)
    factory.no_post_was_lost(terms)
    pool.thaw_schedd(1)
    factory.until_done()
    factory.judge()


def test_a_frozen_collector_stops_decisions_and_ends_nothing(make_factory: MakeFactory) -> None:
    factory = make_factory()
    gate = factory.gate()
    factory.submit(2, gate=gate)
    factory.host().start()
    factory.until_running(2)
    terms, started = factory.fences_of(), factory.started()
    factory.site.pool.freeze_collector()
    factory.until(lambda: factory.startds_head().failed, "the reading of startds fails", 25)
    gate.open()
    factory.until(lambda: not factory.site.pool.queue(), "the jobs are done", 30)
    factory.holds(lambda: not factory.ended(), "nothing is ended while the collector is not heard", 4)
    assert factory.started() == started
    factory.no_post_was_lost(terms)
    factory.site.pool.thaw_collector()
    factory.until_done()
    factory.judge()
