"""The simulated world's faults: each touches what is seen or how calls fare, and the ledger still tells the truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.clouds.port import NoCapacity, Throttled, Unknown
from actors.clouds.simulated.cloud import Notices, WorldCloud
from actors.clouds.spot_notices import NotANotice, notice_of
from actors.config.schema import SimulatedCloud, SimulatedPool
from actors.fleet.observations import Machine
from actors.fleet.spot_notice import Kind
from actors.pools.port import Drain, PoolAway
from actors.pools.simulated import WorldPool as SimulatedWork
from deploy.lab.world.model import World
from deploy.lab.world.server import WorldServer
from deploy.lab.world.things import SPOT
from tests.actors.clouds.conformance import order, started

QUEUES = (("atlas", 'MATCH_APF_QUEUE == "atlas"', 0.0),)
YEAR_S = 31_536_000


class Site:
    """A world whose clock the test moves, a cloud `a` of ten VMs, and its pool, all over the link "h/..."."""

    def __init__(self, directory: Path) -> None:
        self.now = 1000.0
        links = {"h/cloud": directory / "c.sock", "h/pool": directory / "p.sock"}
        world = World(boot_s=1.0, capacity={"a": 10}, unclaimed_poweroff_s=100.0)
        self.server = WorldServer(world, clock=lambda: self.now, links=links, seed=1)
        shape = {"cpus": 1, "memory_mib": 512}
        config = {"kind": "simulated", "world": str(links["h/cloud"]), "shape": shape, "max_vms": 9, "timeout_s": 1}
        self.cloud = WorldCloud("a", SimulatedCloud.model_validate({**config, "usd_per_hour": 3.6}), "apf")
        pool = SimulatedPool(kind="simulated", world=str(links["h/pool"]), timeout_s=0.5)
        self.pool = SimulatedWork("p", pool, QUEUES)

    def do(self, operation: str, **arguments: object) -> object:
        return self.server.operations.do(operation, arguments)

    def weather(self, kind: str, for_s: float = 50.0, **settings: object) -> None:
        self.do("weather", kind=kind, for_s=for_s, **settings)

    def fleet(self, count: int = 4) -> list[str]:
        """So many VMs that have joined."""
        ids = [one.id for one in started(self.cloud, order(f"f{self.now}", count=count))]
        self.now += 5
        return ids

    def ads(self) -> list[str]:
        return [machine.instance_id for machine in self.pool.startds(1.0).machines]

    def listed(self) -> dict[str, str]:
        return {one.id: one.state for one in self.cloud.listing(1.0).instances}

    def ledger(self) -> dict[str, object]:
        return dict(self.do("ledger"))  # type: ignore[call-overload]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    with made.server:
        yield made


def test_a_cut_link_loses_calls_and_the_others_go_on(site: Site) -> None:
    site.weather("cut", link="h/cloud")
    with pytest.raises(Unknown):
        site.cloud.listing(1.0)
    assert site.ads() == []
    site.now += 51
    assert site.listed() == {}


def test_a_flapping_link_fails_and_works(site: Site) -> None:
    site.weather("flapping", link="h/pool", share=0.5)
    fared = set()
    for _ in range(40):
        try:
            fared.add(len(site.ads()))
        except PoolAway:
            fared.add(-1)
    assert fared == {0, -1}


def test_a_throttled_launch_starts_nothing(site: Site) -> None:
    site.weather("throttling", cloud="a", share=1.0)
    with pytest.raises(Throttled):
        started(site.cloud, order())
    assert site.do("stand") == {"alive": {}, "jobs": {}, "submitted": 0}


def test_a_lost_answer_is_unknown_and_the_same_token_finds_what_was_started(site: Site) -> None:
    request = site.cloud.prepare(order(count=2))
    site.weather("lost-answers", share=1.0)
    with pytest.raises(Unknown):
        site.cloud.launch(request)
    site.now += 51
    assert len(site.cloud.find("intent-1", order().token)) == 2
    assert len(site.cloud.launch(request)) == 2
    assert site.ledger()["started"] == {"a": 2}


def test_capacity_and_prices_refuse_launches_and_the_price_is_paid(site: Site) -> None:
    site.fleet(1)
    site.weather("capacity", cloud="a", share=0.1)
    with pytest.raises(NoCapacity):
        started(site.cloud, order())
    site.do("clear")
    site.weather("prices", for_s=100.0, cloud="a", times=10.0)
    with pytest.raises(NoCapacity):
        started(site.cloud, order())
    site.now += 100
    assert site.ledger()["usd"] == pytest.approx((5 + 100 * 10) * 3.6 / 3600, rel=0.02)


def test_listings_are_stale_or_hide_instances_and_are_right_again(site: Site) -> None:
    before = site.fleet(2)
    site.weather("stale-listings", cloud="a")
    assert set(site.listed()) == set(before)
    after = site.fleet(2)
    assert set(site.listed()) == set(before)
    site.do("clear")
    site.weather("partial-listings", cloud="a", share=0.6)
    assert set(site.listed()) < {*before, *after}
    site.do("clear")
    assert set(site.listed()) == {*before, *after}


def test_a_stuck_delete_is_accepted_and_works_later_or_when_asked_again(site: Site) -> None:
    ids = site.fleet(8)
    site.weather("stuck-deletes", cloud="a", share=1.0)
    assert set(site.cloud.end(ids)) == set(ids)
    assert set(site.listed().values()) == {"running"}
    site.now += 51
    assert sorted(set(site.listed().values())) == ["running", "terminated"]
    site.cloud.end(ids)
    assert set(site.listed().values()) == {"terminated"}


def test_some_boots_are_slow_and_some_never_end(site: Site) -> None:
    site.weather("dead-boots", share=0.4)
    site.weather("slow-boots", share=0.5, factor=10.0)
    site.fleet(10)
    soon = len(site.ads())
    site.now += 40
    later = len(site.ads())
    site.now += 40
    assert soon < later < 10
    assert len(site.ads()) == later


def test_vanished_ads_are_back_in_the_end_and_a_vm_without_an_ad_gets_no_job(site: Site) -> None:
    ids = site.fleet(4)
    site.weather("vanished-ads", share=1.0)
    assert site.ads() == []
    site.do("submit", queue="atlas", jobs=1, seconds=5)
    site.now += 10
    assert site.pool.jobs(1.0).classes[0].idle == 1
    site.now += 41
    assert sorted(site.ads()) == sorted(ids)


def test_a_restarted_collector_knows_nobody_and_then_one_after_the_other(site: Site) -> None:
    site.fleet(10)
    site.weather("collector-restart", for_s=10.0)
    known = []
    for _ in range(6):
        known.append(len(site.ads()))
        site.now += 2
    assert known[0] == 0
    assert known == sorted(known)
    assert known[-1] == 10


def test_lying_ads_claim_others_ids_and_show_them_empty(site: Site) -> None:
    ids = site.fleet(10)
    site.weather("lying-ads", share=0.5)
    claimed = site.ads()
    assert any(claimed.count(id) == 2 for id in ids)
    assert "" in claimed
    assert {machine.identity for machine in site.pool.startds(1.0).machines} == {"worker@sim", "mallory@elsewhere"}


def test_boasting_ads_say_a_million_of_everything_and_the_startd_itself_what_is(site: Site) -> None:
    site.fleet(10)
    site.weather("boasting-ads", share=1.0)
    slots = [machine.slots[0] for machine in site.pool.startds(1.0).machines]
    assert {slot.free.cpus for slot in slots} == {1_000_000}
    assert 0 < sum(slot.children == 1_000_000 for slot in slots) < 10
    assert all(machine.slots[0].free.cpus < 1_000_000 for machine in looked(site))


def looked(site: Site) -> list[Machine]:
    return [site.pool.look(machine.name, machine.address) for machine in site.pool.startds(1.0).machines]


def test_late_ads_show_what_was_and_the_startd_itself_what_is(site: Site) -> None:
    site.fleet(1)
    site.weather("late-ads", share=1.0)
    assert not site.pool.startds(1.0).machines[0].busy
    site.do("submit", queue="atlas", jobs=1, seconds=30)
    (machine,) = site.pool.startds(1.0).machines
    assert not machine.busy
    assert site.pool.look(machine.name, machine.address).busy


def test_a_vm_that_a_late_call_is_about_to_end_joins_no_more() -> None:
    world = World(boot_s=1.0)
    stays, leaves = (world.start(0.0, cloud="a", queue="atlas", cpus=1, memory_mib=512) for _ in range(2))
    leaves.leaving = True
    world.advance(5.0)
    assert (stays.here, leaves.here) == (True, False)


def test_a_startd_that_restarts_forgets_its_drain_and_has_another_address(site: Site) -> None:
    (id,) = site.fleet(1)
    (machine,) = site.pool.startds(1.0).machines
    drain = Drain(machine=machine.name, address=machine.address, instance_id=id, nonce="n", min_retirement_s=YEAR_S)
    site.pool.drain(drain)
    assert site.do("restart_startds", share=1.0, seed=1) == 1
    with pytest.raises(PoolAway):
        site.pool.look(machine.name, machine.address)
    (again,) = site.pool.startds(1.0).machines
    assert again.address != machine.address
    assert not again.draining_for("n")


def test_a_silent_startd_advertises_and_does_not_answer(site: Site) -> None:
    site.fleet(1)
    (machine,) = site.pool.startds(1.0).machines
    site.weather("silent-startds", share=1.0)
    with pytest.raises(PoolAway):
        site.pool.look(machine.name, machine.address)
    assert len(site.ads()) == 1


def test_the_ledger_says_who_was_busy_when_it_ended_and_by_whom(site: Site) -> None:
    ids = site.fleet(3)
    site.do("submit", queue="atlas", jobs=3, seconds=500)
    site.cloud.end(ids[:1])
    assert site.do("reclaim", share=0.5, seed=1, cloud="a") == 1
    ends = site.ledger()["busy_ends"]
    assert [(end["jobs"], end["by"]) for end in ends] == [  # type: ignore[attr-defined]
        (1, "h/cloud"),
        (1, "spot: no longer at this price"),
    ]


def test_an_unclaimed_worker_powers_off_and_a_busy_one_does_not(site: Site) -> None:
    site.fleet(2)
    site.do("submit", queue="atlas", jobs=1, seconds=300)
    site.now += 120
    assert sorted(site.listed().values()) == ["running", "terminated"]
    site.now += 250
    assert sorted(site.listed().values()) == ["running", "terminated"]
    site.now += 100
    assert set(site.listed().values()) == {"terminated"}


def test_a_cloud_says_which_vms_it_will_take_and_takes_them_busy_or_not(site: Site) -> None:
    first, second = site.fleet(2)
    config = {"kind": "simulated", "world": site.cloud._config.world, "shape": {"cpus": 1, "memory_mib": 512}}
    queue = Notices("a", SimulatedCloud.model_validate({**config, "max_vms": 9, "timeout_s": 1}))
    assert queue.receive(0) == ()
    assert site.do("warn", share=0.5, seed=1, cloud="a", grace_s=20.0) == 1
    messages = queue.receive(5)
    assert queue.receive(5) == messages, "they come again until they are deleted"
    twice, again, risk = (notice_of(one.body, 1.0) for one in messages[:3])
    assert (twice, twice.kind, risk.kind) == (again, Kind.INTERRUPTION, Kind.REBALANCE)
    with pytest.raises(NotANotice):
        notice_of(messages[3].body, 1.0)
    queue.delete(messages)
    assert queue.receive(0) == ()
    site.do("submit", queue="atlas", jobs=2, seconds=1000.0)
    (taken,) = {first, second} & {twice.instance_id}
    site.now += 19
    assert set(site.listed().values()) == {"running"}
    site.now += 1
    assert [id for id, state in site.listed().items() if state == "terminated"] == [taken]
    (vm,) = (vm for vm in site.do("record")["vms"] if vm["id"] == taken)  # type: ignore[index]
    assert vm["reason"] == SPOT
    assert site.ledger()["killed"] == 0, "what a spot cloud takes is not the factory's doing"
    queue.close()


def test_a_job_that_begins_on_a_vm_after_its_clouds_notice_is_seen_in_the_record(site: Site) -> None:
    site.fleet(1)
    site.do("warn", share=1.0, seed=1, cloud="a", grace_s=50.0)
    for _ in range(3):
        site.listed()
    site.do("submit", queue="atlas", jobs=1, seconds=1.0)
    (vm,) = site.do("record")["vms"]  # type: ignore[index]
    assert vm["began_after"] == 3, "as many listings after the notice"
