"""Hosts that reach only a part of the world, or disagree about the time; and two factories side by side.

A cable that stops forwarding stands for the broken network: it works for every user, where network namespaces do not.
"""

import pytest

from actors.host.engine import BLIND_TTLS
from tests.factory_in_a_world import QUEUE, START_LIMIT_S, TAKEOVER_S, TTL_S, MakeHosts


def test_a_host_cut_off_from_redis_stops_before_others_act_though_it_still_reaches_the_cloud(
    make_hosts: MakeHosts,
) -> None:
    factory = make_hosts()
    factory.start(3)
    factory.submit(7)
    factory.until(lambda: len(factory.busy()) == 7, "all VMs run jobs")
    lonely = factory.holder_of("cloud/private")
    factory.submit(4, seconds=2)
    lonely.cable.cut()
    served_s = factory.until(lambda: factory.all_held() and not factory.posts_of(lonely.name), "others hold its posts")
    assert served_s <= TAKEOVER_S
    asked = len(lonely.cloud.asked) + len(lonely.pool.asked)
    factory.holds(
        lambda: len(lonely.cloud.asked) + len(lonely.pool.asked) == asked, "it asks for nothing any more", 2 * TTL_S
    )
    lonely.cable.mend()
    factory.until(factory.settled, "it has its share again", 30)
    factory.until_done()
    factory.judge()


def test_a_host_cut_off_from_its_cloud_but_not_from_redis_invents_nothing_and_goes_on_afterwards(
    make_hosts: MakeHosts,
) -> None:
    """No other host takes that cloud; jobs that come meanwhile are run on the other one."""
    factory = make_hosts()
    blind, other = factory.host("blind", "cloud/private"), factory.host("other", "!cloud/private,*")
    for host in (blind, other):
        host.start(wait=False)
    factory.until(factory.settled, "each host has its cloud", START_LIMIT_S)
    factory.submit(3)
    factory.until(lambda: len(factory.busy()) == 3, "the jobs run")
    blind.cloud.shut()
    factory.submit(2, seconds=2)
    factory.until(lambda: factory.jobs() == {"running": 3, "done": 2}, "the new jobs are done, on the other cloud")
    assert "spot" in {vm["cloud"] for vm in factory.record()["vms"]}
    blind.cloud.open()
    factory.until_done()
    factory.judge()


def test_a_cloud_that_only_another_host_reaches_is_served_by_that_one(make_hosts: MakeHosts) -> None:
    """The host that is cut off holds both clouds; jobs that come get their VMs all the same."""
    factory = make_hosts()
    blind, other = factory.host("blind", "cloud/*"), factory.host("other")
    for host in (blind, other):
        host.start(wait=False)
    factory.until(factory.settled, "both hold posts", START_LIMIT_S)
    assert set(factory.posts_of("blind")) == {"cloud/private", "cloud/spot"}
    factory.submit(3)
    factory.until(lambda: len(factory.busy()) == 3, "the jobs run")
    blind.cloud.shut()
    factory.submit(2)
    factory.until(lambda: len(factory.busy()) == 5, "the new jobs run too", BLIND_TTLS * TTL_S + TAKEOVER_S + 20)
    assert {line["post"] for line in blind.said("post sees nothing from here")} == {"cloud/private", "cloud/spot"}
    assert blind.runs
    factory.until_done()
    factory.judge()


@pytest.mark.parametrize("ahead_s", [3600, -3600])
def test_hosts_whose_clocks_are_an_hour_apart_share_posts_and_readings(make_hosts: MakeHosts, ahead_s: int) -> None:
    factory = make_hosts()
    factory.host("host-1", APF_TEST_CLOCK_AHEAD_S=str(ahead_s))
    factory.start(2)
    factory.submit(5, seconds=3)
    factory.until(lambda: factory.busy(), "jobs run")
    factory.host("host-1").kill()
    factory.until(lambda: set(factory.holders().values()) == {"host-2"} and factory.all_held(), "the other goes on")
    factory.until_done()
    factory.judge()


def test_two_factories_on_one_account_one_pool_and_one_redis_leave_each_other_alone(make_hosts: MakeHosts) -> None:
    one = make_hosts()
    two = make_hosts(name="others", beside=one)
    for factory in (one, two):
        factory.start(2)
    one.submit(4, seconds=3)
    one.until(lambda: one.instances() and two.instances(), "both serve the queue: they cannot know of each other")
    mine, theirs = set(one.instances()), set(two.instances())
    assert not mine & theirs
    two.wish("drain", "queue", QUEUE)
    one.hosts["host-1"].kill()
    one.until_done()
    two.until_done()
    for factory in (one, two):
        factory.judge()
    assert {vm.instance_id for vm in one.vms()}.isdisjoint({vm.instance_id for vm in two.vms()})
    for factory, ids in ((one, mine), (two, theirs)):
        assert {one.world.vms[id].factory for id in ids} == {factory.name}
