"""An identity for each launch: who holds one worker's token cannot speak in the place of another launch's worker.

The collector of a real pool says who advertised an ad (AuthenticatedIdentity); nobody can forge that.
"""

from __future__ import annotations

import shlex

import pytest

from actors.fleet.vm import State
from deploy.lab.pool.daemon_config import WORKER
from tests.condor_pool import NodeMaker
from tests.factory_on_lab import Factory, MakeFactory
from tests.faults.test_forger import forge, row, suspects

pytestmark = pytest.mark.lab


def identities(factory: Factory) -> set[str]:
    told = factory.site.pool.tool("condor_status", "-af", "CloudInstanceID", "AuthenticatedIdentity")
    return {tuple(line.split()) for line in told.splitlines() if line}  # type: ignore[misc]


@pytest.fixture
def factory(make_factory: MakeFactory) -> Factory:
    """The lab's command, which makes a token for `worker-LAUNCH` now."""
    factory = make_factory(clouds={"private": {"max_vms": 2, "batch": 1}, "spot": {"max_vms": 0}})
    shared = shlex.join(factory.site.pool.worker_token_command)
    assert WORKER in shared
    name, _, domain = WORKER.partition("@")
    own = shared.replace(WORKER, f"{name}-$APF_LAUNCH@{domain}")
    changes = {
        "worker_token_command": ["sh", "-c", f"exec {own}"],
        "worker_identities": [f"{name}-{{launch}}@{domain}"],
    }
    factory.configure(pools={"local": changes})
    return factory


def test_each_launch_has_a_token_of_its_own_and_a_forger_with_a_shared_one_is_an_alarm_and_gets_nothing(
    factory: Factory, plain_node: NodeMaker
) -> None:
    factory.site.hypervisor.tamper = lambda _, config: config + "\nSTARTD.UPDATE_INTERVAL = 3600\n"
    factory.submit(2, gate=factory.gate())
    factory.host().start()
    factory.until_running(2)
    victim, other = factory.vms("", State.READY)
    assert identities(factory) == {(vm.instance_id, f"worker-{vm.intent}@lab") for vm in (victim, other)}
    forge(factory, plain_node, victim, name=victim.machine)
    factory.until(lambda: suspects(factory), "it is an alarm", 30)
    assert f"allowed: worker-{victim.intent}@lab" in suspects(factory)[0]
    assert row(factory, victim).machine_address == victim.machine_address, "the forger is not believed"
    factory.wish("vm", victim.id)
    factory.holds(lambda: victim.instance_id not in factory.ended(), "the VM is not ended under its job", 8)
    assert row(factory, victim).state is not State.DRAINED, "the forger got no drain"
    factory.wish("vm", victim.id, verb="kill")
    factory.until(lambda: victim.instance_id in factory.ended(), "an operator's kill ends it", 30)
