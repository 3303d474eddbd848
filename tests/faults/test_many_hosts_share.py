"""Hosts that are added for one kind of post, and a configuration that changes under all of them."""

import time
from typing import Any

from actors.store import active_config
from actors.store.vms import clouds_in_use
from broker.rows.document import Document
from tests.factory_in_a_world import START_LIMIT_S, TICK_S, TTL_S, Factory, MakeHosts
from tests.late import in_time
from tests.world_judge import most_at_once


def apply(factory: Factory, **changes: Any) -> int:
    """As `apf apply` does."""
    config = factory.change(**changes)
    document = Document(factory.client, factory.site, active_config.NAME)
    used = clouds_in_use(factory.table, active_config.clouds_of(document.read()))
    return active_config.activate(document, config, used, "a test")[0]


def test_dedicated_hosts_take_their_share_within_three_ticks_and_give_it_back_when_they_leave(
    make_hosts: MakeHosts,
) -> None:
    factory = make_hosts()
    factory.start(2)
    factory.submit(6, seconds=8)
    helper = factory.host("helper", "cloud/*")
    helper.start()
    up_s = time.monotonic()
    factory.until(lambda: factory.settled(), "it has its share")
    in_time(3 * TICK_S, up_s, "it is over")
    assert all(post.startswith("cloud/") for post in factory.posts_of("helper"))
    fences = {post: owner.fence for post, owner in factory.terms().items()}
    took = factory.posts_of("helper")
    helper.stop()
    factory.until(factory.settled, "the others have it back", 3 * TICK_S)
    after = {post: owner.fence for post, owner in factory.terms().items()}
    assert {post for post in after if after[post] != fences[post]} == set(took), "no other post moved"
    factory.until_done()
    factory.judge()


def test_a_changed_cap_is_served_by_all_hosts_without_a_restart(make_hosts: MakeHosts) -> None:
    factory = make_hosts(queues={"atlas": {"max_vms": 2}})
    hosts = factory.start(2)
    factory.submit(5)
    factory.until(lambda: len(factory.busy()) == 2, "the cap is used")
    factory.holds(lambda: len(factory.instances()) == 2, "the cap holds", 1.5)
    assert apply(factory, queues={"atlas": {"max_vms": 4}}) == 2
    factory.until(lambda: len(factory.busy()) == 4, "the new cap is used", 10)
    assert all(host.runs and host.said("configuration changes") for host in hosts)
    factory.until_done()
    factory.judge()


def test_a_host_with_another_file_holds_nothing_and_says_so_until_it_is_applied(make_hosts: MakeHosts) -> None:
    factory = make_hosts()
    factory.start(1)
    other = factory.host("other")
    factory.change(clouds={"spot": {"max_vms": 1}})
    factory.write(other.config_file, other.cable.port)
    other.start()
    assert other.said("this host holds nothing: its file is not the active configuration")
    factory.holds(lambda: not factory.posts_of("other"), "it holds nothing", TTL_S)
    apply(factory)
    factory.until(factory.settled, "both hold posts", 10)
    factory.submit(6, seconds=2)
    factory.until_done()
    factory.judge()


def test_a_cloud_that_a_new_configuration_leaves_out_is_drained_and_then_forgotten(make_hosts: MakeHosts) -> None:
    factory = make_hosts()
    factory.start(2)
    factory.submit(5)
    factory.until(lambda: len(factory.busy()) == 5, "jobs run on both clouds")
    apply(factory, clouds={"spot": None}, queues={"atlas": {"cascade": [["private"]]}})
    factory.finish()
    factory.until(lambda: "spot" not in factory.instances().values(), "the cloud was drained", 30)
    factory.until_done()
    factory.judge()
    apply(factory)
    factory.until(lambda: set(factory.holders()) == {"pool/local", "cloud/private", "queue/atlas"}, "it is forgotten")


def test_two_hosts_with_a_cloud_each_keep_the_limit_of_the_account_that_both_clouds_share(
    make_hosts: MakeHosts,
) -> None:
    """Three and four VMs may the clouds have, five the account; one host is killed while both buy."""
    both = {"account": "lab"}
    factory = make_hosts(
        accounts={"lab": {"max_vms": 5}},
        clouds={"private": both, "spot": both},
        queues={"atlas": {"cascade": [["private", "spot"]]}},
    )
    one, other = factory.host("one", "cloud/private"), factory.host("other", "!cloud/private,*")
    for host in (one, other):
        host.start(wait=False)
    factory.until(factory.settled, "each host has its cloud", START_LIMIT_S)
    factory.submit(12, seconds=3)
    factory.until(lambda: len(factory.instances()) == 5, "the account is full")
    one.kill()
    factory.until(lambda: "cloud/private" not in factory.holders(), "nobody holds it")
    one.start()
    factory.until_done()
    factory.judge()
    vms = factory.record()["vms"]
    assert most_at_once(vms) == 5
    assert {vm["cloud"] for vm in vms} == {"private", "spot"}
