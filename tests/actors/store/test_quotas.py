"""Two clouds of one account, each with a submitter of its own: together they never have more than the account may."""

from collections.abc import Iterator
from typing import Any

import pytest

from actors.clouds.port import Unknown
from actors.config.schema import Config
from actors.fleet.lifecycle import Event, move
from actors.store.quotas import use_of
from broker.connection.address import Site
from broker.rows.allotments import Allotments
from tests.actors.stage import Stage
from tests.actors.submitter.two_submitters import TwoSubmitters


def config(**limits: Any) -> Config:
    cloud = {"kind": "ec2", "region": "r", "account": "amazon", "max_vms": 50}
    return Config.model_validate(
        {
            "factory": {"name": "test"},
            "pools": {"local": {"kind": "htcondor", "collector": "cm"}},
            "accounts": {"amazon": {"kind": "ec2", **limits}},
            "clouds": {
                "private": {**cloud, "shape": {"cpus": 2, "memory_mib": 512}, "usd_per_hour": 0.1},
                "spot": {**cloud, "shape": {"cpus": 8, "memory_mib": 512}, "usd_per_hour": 0.4},
                "elsewhere": {**cloud, "account": None, "shape": {"cpus": 1, "memory_mib": 512}},
            },
            "queues": {"atlas": {"pool": "local", "jobs": "true", "cascade": [["private", "spot", "elsewhere"]]}},
        }
    )


class Two(TwoSubmitters):
    """The two clouds of the account."""

    def __init__(self, site: Site, **limits: Any) -> None:
        super().__init__(site, config(**limits), "private", "spot")
        self.private, self.spot = self.both


@pytest.fixture
def two(site: Site) -> Iterator[Two]:
    made = Two(site, max_vms=6)
    made.look()
    yield made
    made.close()


def test_together_they_have_no_more_than_the_account_may(two: Two) -> None:
    two.private.want(4)
    two.spot.want(4)
    two.look()
    two.look()
    assert [len(stage.cloud.instances()) for stage in two.both] == [4, 2]
    assert two.spot.view().room == 0
    assert two.spot.view().full == "account amazon has at most 6 VMs, in use: 6 VMs"
    assert two.spot.view().account_used == pytest.approx((6, 24, 1.2))


def test_metrics_and_the_pot_tell_the_same_use(site: Site, two: Two) -> None:
    two.private.want(4)
    two.spot.want(1)
    two.look()
    two.look()
    said = {kind: told(two.spot, "used", kind=kind) for kind in ("vms", "cores", "usd_per_hour")}
    assert said == pytest.approx({"vms": 5, "cores": 16, "usd_per_hour": 0.8})
    assert [told(two.spot, "limit", kind=kind) for kind in ("vms", "cores")] == [6, None]
    use = use_of(config(max_vms=6), "amazon", Allotments(site.client(), site).read("amazon"), ())
    assert (use.vms, use.cores, use.usd_per_hour, use.unknown) == (5, 16, pytest.approx(0.8), ())


def test_metrics_say_while_a_clouds_use_is_not_known_and_stop_with_its_post(site: Site) -> None:
    two = Two(site, max_vms=6)
    two.private.look()
    assert (told(two.private, "unknown"), told(two.private, "used", kind="vms")) == (1, None)
    two.spot.look()
    two.private.look()
    assert (told(two.private, "unknown"), told(two.private, "used", kind="vms")) == (0, 0)
    two.private._gauges.forget("cloud/private")
    assert told(two.private, "used", kind="vms") is None
    two.close()


def told(stage: Stage, what: str, **labels: str) -> float | None:
    """A metric of the account, as the cloud's holder tells it."""
    labels = {"account": "amazon", "cloud": stage.name, **labels}
    return stage._gauges.registry.get_sample_value(f"apf_account_{what}", labels)


def test_asked_at_the_same_moment_too(two: Two) -> None:
    for n in range(1, 8):
        for stage in two.both:
            stage.want(n)
        two.look_at_the_same_moment()
    assert two.vms() == 6


def test_nothing_is_bought_before_each_cloud_of_the_account_said_what_it_has(site: Site) -> None:
    two = Two(site, max_vms=6)
    two.private.want(2)
    two.private.look()
    assert two.vms() == 0
    assert "what cloud/spot has of it is not known yet" in two.private.view().unsaid
    two.spot.look()
    two.private.look()
    assert two.vms() == 2
    two.close()


def test_a_launch_without_an_answer_takes_its_part(two: Two) -> None:
    two.private.cloud.script = [("lost", Unknown("timed out"))]
    two.private.want(5)
    two.private.look()
    two.spot.want(5)
    two.look()
    assert len(two.spot.cloud.instances()) == 1


def test_instances_that_nobody_remembers_and_those_of_others_count_and_are_left_alone(two: Two) -> None:
    two.private.cloud._start(token="forgotten", count=2, intent="old", queue="atlas")
    for stage in two.both:
        stage.cloud.foreign = 3  # the same three: both look at one region
        stage.list_cloud()
    two.look()
    two.private.want(6)
    two.spot.want(6)
    two.look()
    assert two.vms() == 2 + 1
    assert "6 VMs" in two.spot.view().full
    assert not two.private.cloud.ended | two.spot.cloud.ended


def test_cores_and_money_are_limited_by_shape_and_price(site: Site) -> None:
    two = Two(site, max_cores=20, max_cost_usd_per_hour=0.9)
    two.look()
    two.spot.want(9)
    two.look()
    assert len(two.spot.cloud.instances()) == 2  # 16 cores, 0.80 US$/h
    two.private.want(9)
    two.look()
    assert len(two.private.cloud.instances()) == 1  # 18 cores, 0.90 US$/h
    assert two.private.view().full.endswith("in use: 18 cores and 0.9 US$/h")
    two.close()


def test_what_one_gives_back_the_other_may_have(two: Two) -> None:
    two.private.want(6)
    two.look()
    two.private.want(0)
    two.private.cloud.end([one.id for one in two.private.cloud.instances()][:3])
    two.private.list_cloud()
    gone = [vm for vm in two.private.vms() if vm.instance_id in two.private.cloud.ended]
    _ended(two.private, [vm.id for vm in gone])
    two.private.look()
    two.spot.want(6)
    two.spot.look()
    assert len(two.spot.cloud.instances()) == 3


def test_a_host_that_dies_with_a_grant_leaves_it_to_its_successor(two: Two) -> None:
    two.private.want(4)
    two.private.look()
    two.private.crash()
    two.private.list_cloud()
    two.private.look()
    two.spot.want(6)
    two.look()
    assert two.vms() == 6


def test_when_redis_lost_everything_nobody_buys_what_another_has(site: Site, two: Two) -> None:
    two.spot.want(6)
    two.look()
    site.client().delete(site.key("allotments", "amazon"))
    two.private.want(6)
    two.private.look()
    assert two.vms() == 6
    two.look()
    two.private.look()
    assert two.vms() == 6


def _ended(stage: Stage, ids: list[str]) -> None:
    pairs = [(vm, move(vm, Event.GONE, stage.now, "a test ended it")) for vm in stage.vms() if vm.id in ids]
    stage.registry.change(stage.term, pairs)
