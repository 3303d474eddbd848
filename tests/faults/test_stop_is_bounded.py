"""A host that is told to stop ends soon, whatever is away from it. `HostProcess.stop` raises NotEnded else."""

from tests.factory_in_a_world import MakeHosts


def test_a_host_that_is_cut_off_from_redis_and_from_the_clouds_ends_when_it_is_told_to(make_hosts: MakeHosts) -> None:
    factory = make_hosts()
    first, second = factory.start(2)
    factory.submit(2)
    factory.until(lambda: len(factory.busy()) == 2, "both jobs run", 40)
    first.cable.cut()
    first.cloud.shut()
    first.stop()
    factory.until(factory.settled, f"{second.name} holds all")
    factory.until_done()
    factory.judge()
