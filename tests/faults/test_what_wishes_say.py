"""What an operator is told before and after, and that it is so: on a host that is a process of its own."""

from tests.factory_in_a_world import QUEUE, Factory, MakeHosts


def two_busy_vms(make_hosts: MakeHosts) -> Factory:
    factory = make_hosts(clouds={"spot": None}, queues={QUEUE: {"cascade": [["private"]]}})
    factory.start(1)
    factory.submit(2)
    factory.until(lambda: len(factory.busy()) == 2, "two jobs run", 60)
    return factory


def test_vms_that_are_killed_and_not_to_be_replaced_are_not_bought_again_though_their_jobs_wait(
    make_hosts: MakeHosts,
) -> None:
    factory = two_busy_vms(make_hosts)
    told = factory.wish("kill", "all", "", replace=False)
    assert "2 VMs will be ended at once, with the jobs on them" in told.why
    assert "no others are bought instead while the wish lives" in told.why
    factory.until(lambda: factory.jobs()["idle"] == 2 and not factory.instances(), "both are ended", 60)
    factory.holds(lambda: not factory.instances(), "nothing is bought instead", 5.0)


def test_a_kill_during_a_freeze_is_announced_before_and_as_the_freeze_is_taken_back(make_hosts: MakeHosts) -> None:
    factory = two_busy_vms(make_hosts)
    factory.wish("freeze", "cloud", "private")
    told = factory.wish("kill", "all", "", replace=False)
    assert "2 VMs on private, which is frozen" in told.why
    assert "it is killed at the thaw, and not before" in told.why
    factory.holds(lambda: len(factory.busy()) == 2, "their jobs go on", 3.0)
    assert "then 2 VMs will be killed, as was wished meanwhile" in factory.wish("thaw", "cloud", "private").why
    factory.until(lambda: not factory.instances(), "they are ended", 60)


def test_an_undrain_that_changes_nothing_says_so(make_hosts: MakeHosts) -> None:
    factory = two_busy_vms(make_hosts)
    told = factory.wish("undrain", "all", "")
    assert (told.verdict, "changes nothing" in told.why) == ("accepted", True)
