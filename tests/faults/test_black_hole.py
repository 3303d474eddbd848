"""A worker that eats jobs, with a host that is a process of its own: it is drained and held, and no job is killed."""

from actors.fleet.drain_and_hold import HoldBy
from tests.factory_in_a_world import QUEUE, Factory, MakeHosts


def failed(factory: Factory) -> int:
    return sum(job["failed"] for job in factory.record()["jobs"])


def test_a_worker_on_which_every_job_ends_at_once_is_drained_and_held_and_released_by_an_operator(
    make_hosts: MakeHosts,
) -> None:
    factory = make_hosts(
        clouds={"spot": None},
        queues={QUEUE: {"cascade": [["private"]], "black_hole_jobs": 5, "black_hole_s": 1.0}},
    )
    factory.world.statistics_s = 1_200.0
    factory.start(1)
    factory.submit(2, seconds=3)
    factory.until(lambda: len(factory.busy()) == 2, "two sound workers run a job each", 60)
    factory.operations.do("weather", {"kind": "black-holes", "for_s": 3_600.0, "share": 1.0})
    factory.submit(2_000, seconds=3)
    factory.until(lambda: len(factory.instances()) == 3, "a third is bought", 60)
    (hole,) = (vm.id for vm in factory.world.vms.values() if vm.broken)
    factory.until(
        lambda: [vm for vm in factory.alive() if vm.held_by is HoldBy.BLACK_HOLE], "the black hole is held", 60
    )
    assert [vm.instance_id for vm in factory.alive() if vm.held] == [hole]
    drained = lambda: factory.world.vms[hole].drain and hole not in factory.busy()  # noqa: E731
    factory.until(drained, "its startd takes no more jobs", 60)
    eaten = failed(factory)
    assert eaten >= 5
    factory.holds(lambda: hole in factory.instances(), "it is kept for a look", 2.0)
    assert (failed(factory), factory.jobs()["idle"] > 0) == (eaten, True), "there were jobs, and it ate no more"
    factory.wish("release", "vm", hole)
    factory.until(lambda: hole not in factory.instances(), "once released it is ended", 60)
    assert [job for job in factory.record()["jobs"] if job["evictions"]] == []
    assert factory.world.ledger.killed == 0
