"""Hosts killed, frozen, restarted: what they had in hand is finished elsewhere, and what comes late is void."""

from actors.fleet.reconcile import LATE_S
from actors.fleet.vm import State
from tests.factory_in_a_world import TAKEOVER_S, TTL_S, Factory, MakeHosts, OneHost
from tests.written_rows import written


def test_the_posts_of_a_killed_host_are_served_elsewhere_and_what_it_had_in_hand_is_finished(
    make_hosts: MakeHosts,
) -> None:
    factory = make_hosts()
    factory.start(3)
    victim = factory.holder_of("cloud/private")
    victim.cloud.hold("launch")
    factory.submit(9, seconds=2)
    factory.until(lambda: victim.cloud.waiting, "a launch is under way")
    victim.kill()
    served_s = factory.until(lambda: taken_over(factory, victim), "others hold its posts")
    assert served_s <= TAKEOVER_S
    factory.until(lambda: "private" in factory.instances().values(), "its launch is finished by another", 10)
    victim.cloud.let_go()
    factory.until_done()
    factory.judge()


def test_a_host_that_was_frozen_for_three_ttls_writes_nothing_and_its_late_launch_starts_nothing(
    make_hosts: MakeHosts,
) -> None:
    factory = make_hosts()
    factory.start(2)
    frozen = factory.holder_of("cloud/private")
    frozen.cloud.hold("launch")
    factory.submit(3, seconds=3)
    factory.until(lambda: frozen.cloud.waiting, "a launch is under way")
    freeze_for_three_ttls(factory, frozen)
    assert factory.record()["vms"], "another host started them"
    seen = came_back(factory, frozen)
    assert frozen.cloud.count("launch") == 1, "the late launch was carried out"
    assert len(factory.record()["vms"]) == seen, "it started nothing"
    factory.until_done()
    factory.judge()


def test_a_late_end_of_a_frozen_host_ends_nothing_again(make_hosts: MakeHosts) -> None:
    factory = make_hosts()
    factory.start(2)
    frozen = factory.holder_of("cloud/private")
    frozen.cloud.hold("end")
    factory.submit(2, seconds=1)
    factory.until(lambda: frozen.cloud.waiting, "an end is under way")
    freeze_for_three_ttls(factory, frozen)
    factory.until(lambda: not factory.instances(), "another ends them")
    ended = list(factory.world.ledger.ends)
    came_back(factory, frozen)
    assert factory.world.ledger.ends == ended
    factory.until_done()
    factory.judge()


def test_a_stale_cancel_of_a_drain_changes_nothing(make_hosts: MakeHosts) -> None:
    factory = make_hosts()
    factory.start(2)
    factory.submit(1)
    factory.until(lambda: factory.busy(), "the job runs")
    factory.until(lambda: factory.vms()[0].state is State.READY, "its VM has joined")
    vm = factory.vms()[0]
    frozen = factory.holder_of(f"cloud/{vm.cloud}")
    factory.wish("drain", "vm", vm.id)
    factory.until(lambda: factory.vms()[0].drain_asked, "it drains")
    frozen.pool.hold("machine")
    factory.wish("undrain", "vm", vm.id)
    factory.submit(1, seconds=1)
    factory.until(lambda: frozen.pool.waiting, "the host looks at the startd before it cancels")
    frozen.freeze()
    factory.wish("drain", "vm", vm.id)
    factory.until(lambda: taken_over(factory, frozen), "another holds its posts")
    factory.until(lambda: factory.vms()[0].drain_wish, "the newer wish counts")
    frozen.pool.let_go()
    frozen.thaw()
    factory.until(factory.settled, "both hosts serve again")
    assert frozen.pool.count("cancel") == 0
    assert factory.vms()[0].state is State.DRAINING
    assert factory.vms()[0].id in factory.world.vms[vm.instance_id].drain
    factory.finish()
    factory.until(
        lambda: not factory.instances(), "it is ended, once the cancel cannot come late any more", LATE_S + 40
    )
    factory.until_done()
    factory.judge()


def test_a_rolling_restart_under_load_kills_no_job_and_buys_nothing_twice(make_hosts: MakeHosts) -> None:
    factory = make_hosts()
    hosts = factory.start(3)
    factory.submit(7, seconds=8)
    for host in hosts:
        factory.submit(3, seconds=3)
        host.stop()
        factory.until(factory.all_held, "the others hold its posts", TTL_S)
        host.start(wait=False)
        factory.until(factory.settled, "it has its share again", 30)
    factory.until_done(90)
    factory.judge()


def taken_over(factory: Factory, gone: OneHost) -> bool:
    return factory.all_held() and not factory.posts_of(gone.name)


def freeze_for_three_ttls(factory: Factory, host: OneHost) -> None:
    host.freeze()
    factory.until(lambda: taken_over(factory, host), "another holds its posts", TAKEOVER_S + 1)
    factory.holds(lambda: taken_over(factory, host), "another holds its posts", 3 * TTL_S)


def came_back(factory: Factory, host: OneHost) -> int:
    """Thaw it with all its calls let go; returns how many VMs there had been. No row is written with an old fence."""
    posts = {post: owner.fence for post, owner in factory.terms().items()}
    before, vms = len(written(factory.redis.directory, factory.site)), len(factory.record()["vms"])
    host.cloud.let_go()
    host.thaw()
    factory.until(factory.settled, "it has its share again")
    late = written(factory.redis.directory, factory.site)[before:]
    assert late, "rows go on being written"
    assert [row for row in late if 0 < row.fence < posts[row.post]] == []
    return vms
