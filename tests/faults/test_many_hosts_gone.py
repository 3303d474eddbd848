"""With every host gone the dead man's switch of each worker is what is left: idle VMs end, running jobs do not.

The switch itself, on a real startd that no factory knows of: tests/actors/clouds/worker/test_worker.py.
"""

from actors.fleet.vm import State
from deploy.lab.world.things import INSIDE
from tests.factory_in_a_world import MakeHosts

SWITCH_S = 6.0


def test_with_every_host_gone_idle_vms_end_themselves_and_a_running_job_is_not_touched(make_hosts: MakeHosts) -> None:
    factory = make_hosts(queues={"atlas": {"release_after_s": 600}})
    factory.world.unclaimed_poweroff_s = SWITCH_S
    hosts = factory.start(2)
    factory.submit(2, seconds=1)
    (long,) = factory.submit(1)
    factory.until(lambda: factory.jobs()["done"] == 2 and len(factory.busy()) == 1, "one job is left, on one VM")
    for host in hosts:
        host.kill()
    (busy,) = factory.busy()
    alive = lambda: factory.record() and set(factory.instances())  # noqa: E731 - nobody else moves the world's time
    factory.until(lambda: alive() == {busy}, "the idle VMs ended themselves", SWITCH_S + 20)
    assert factory.busy() == {busy}
    factory.finish()
    factory.until(lambda: alive() == set(), "the last one did, after its job", SWITCH_S + 20)
    record = factory.record()
    (job,) = [job for job in record["jobs"] if job["id"] == long]
    assert (job["state"], job["starts"], job["evictions"], job["ran_on"]) == ("done", 1, 0, busy)
    assert {vm["reason"] for vm in record["vms"]} == {INSIDE}
    hosts[0].start(wait=False)
    factory.until(lambda: {vm.state for vm in factory.vms()} == {State.ENDED}, "a host that comes back sees it", 60)
    assert {vm.reason.partition(":")[0] for vm in factory.vms()} == {"the cloud says terminated"}
