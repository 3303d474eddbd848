"""Hosts that end in peace, actors that die, hosts that sleep, and two factories side by side.

The rule: posts and VMs outlive whoever serves them. A host that is told to end gives its posts up and touches no VM; a
dead actor is started anew from the rows; a host that slept too long is refused; and what carries another factory's name
is left alone.
"""

import time
from datetime import datetime
from typing import Any

import pytest

from actors.fleet.vm import State
from tests import factory_judge
from tests.factory_on_lab import Factory, MakeFactory

pytestmark = pytest.mark.lab

TTL_S = 3.0


def test_sigterm_gives_up_the_posts_at_once_and_leaves_every_vm(make_factory: MakeFactory) -> None:
    factory = make_factory()
    first, second = factory.host("host-1"), factory.host("host-2")
    factory.submit(2, gate=factory.gate())
    first.start()
    factory.until(lambda: len(factory.vms("private", State.READY)) == 2, "two VMs are ready", 40)
    factory.until(lambda: len(factory.running_jobs()) == 2, "both jobs run", 20)
    instances = factory.instances()
    first.stop()
    assert {owner.holder for owner in factory.terms().values()} == {None}
    assert factory.instances() == instances
    assert factory.ended() == []
    second.start()
    factory.until(lambda: holders(factory) == {"host-2"}, "the next host holds all posts", 20)
    waited_s = at(second.said("post taken")[-1]) - at(second.said("host up")[0])
    assert waited_s < TTL_S / 2, f"it waited {waited_s:.1f} s for leases that were given up"
    factory.until_done()
    factory.judge()


def test_an_actor_that_dies_is_started_anew_and_goes_on(make_factory: MakeFactory) -> None:
    factory = make_factory()
    host = factory.host()
    factory.submit(4, gate=factory.gate())
    host.start()
    factory.until(lambda: len(factory.fences_of()) == 4, "it holds all posts", 20)
    for title in ("monitor", "scheduler", "submitter", "retirement"):
        host.kill_actor(title)
        factory.until(lambda title=title: host.said("actor died", actor=title), f"the {title} died", 20)
    terms = factory.fences_of()
    factory.until(lambda: len(factory.running_jobs()) == 4, "all jobs run", 40)
    factory.until_done()
    factory.judge()
    factory.no_post_was_lost(terms)


def test_a_host_that_slept_for_three_ttls_is_refused_and_goes_on_in_the_new_order(make_factory: MakeFactory) -> None:
    """It falls asleep while a launch of its is under way; the other one finishes it. What comes late is void."""
    factory = make_factory(clouds={"private": {"batch": 1}})
    sleeper, other = factory.host("host-1"), factory.host("host-2")
    factory.site.cloud.control.fault("delay", seconds=2, times=2)
    factory.submit(2, gate=factory.gate())
    sleeper.start()
    factory.until(lambda: len(factory.started()) == 2, "launches are under way", 30)
    sleeper.freeze()
    asleep_until = time.monotonic() + 3 * TTL_S
    other.start()
    factory.until(lambda: holders(factory) == {"host-2"}, "the other one has all posts", 20)
    factory.until(lambda: len(factory.vms("private", State.READY)) == 2, "its VMs have joined", 30)
    factory.until(lambda: time.monotonic() > asleep_until, "three TTLs are over", 20)
    sleeper.thaw()
    factory.until(lambda: len(sleeper.said("post given up")) >= 4, "the sleeper learns that its terms are over", 20)
    factory.until_done()
    factory.judge()
    factory.bought(2)


def test_two_factories_on_one_account_and_pool_leave_each_other_alone(make_factory: MakeFactory) -> None:
    """Clouds of the same names, in the same account; startds in the same pool; queues of different jobs."""
    first = make_factory(name="first", queues={"atlas": {"release_after_s": 5.0}})  # none is given up too early
    other_queue = {"atlas": None, "cms": {**first.config.queues["atlas"].model_dump(mode="json", exclude_none=True)}}
    other_queue["cms"]["jobs"] = 'MATCH_APF_QUEUE == "cms"'
    types = {"private": {"instance_type": "m5.xlarge"}, "spot": {"instance_type": "c5.xlarge"}}
    second = make_factory(site=first.site, name="second", queues=other_queue, clouds=types)
    gate = first.gate()
    first.submit(3, gate=gate)
    first.submit(3, gate=second.gate(), queue="cms")
    first.host().start()
    second.host().start()
    first.until(lambda: len(first.running_jobs()) == 6, "all jobs run", 60)
    assert len(first.alive()) == 3
    assert len(second.alive()) == 3
    second.host().kill()
    gate.open()
    first.until(lambda: not first.alive(), "the first factory has ended its own VMs", 40)
    assert {vm.instance_id for vm in second.alive()} <= set(first.instances())
    second.host().start()
    second.until_done()
    judge_both(first, second)


def judge_both(first: Factory, second: Factory) -> None:
    """Each VM has a row in the factory whose tag it carries, and in no other."""
    ledger, pool = first.ledger(), first.site.pool
    wrong = factory_judge.complaints(pool.history(), pool.queue(), ledger, {}) + first.fences.broken
    wrong += second.fences.broken + factory_judge.disturbed(pool.history())
    for factory in (first, second):
        tagged = {i for one in ledger if tag_of(one) == factory.name for i in one["ids"]}
        assert {vm.instance_id for vm in factory.vms() if vm.instance_id} == tagged
    assert wrong == []
    assert not first.instances()


def tag_of(entry: dict[str, object]) -> object:
    tags = entry.get("tags")
    return tags.get("apf:factory") if isinstance(tags, dict) else None


def holders(factory: Factory) -> set[str]:
    return {(owner.holder or "").partition("#")[0] for owner in factory.terms().values()}


def at(line: dict[str, Any]) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()
