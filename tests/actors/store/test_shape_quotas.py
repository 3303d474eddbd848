"""Two shapes of one cloud, each with a submitter on a host of its own: together they never have more than it may."""

from collections.abc import Iterator
from typing import Any

import pytest

from actors.clouds.port import Unknown
from actors.config.load import parse
from actors.config.schema import Config
from actors.store import shape_quotas
from broker.connection.address import Site
from broker.rows.allotments import Allotments
from tests.actors.submitter.two_submitters import TwoSubmitters

TEXT = """
[factory]
name = "test"
[pools.local]
collector = "cm"
[accounts.amazon]
max_cores = {cores}
[clouds.spot]
region = "r"
account = "amazon"
image = "ami"
max_vms = 6
[clouds.spot.shapes.small]
instance_type = "s"
shape = {{ cpus = 2, memory_mib = 512 }}
[clouds.spot.shapes.large]
instance_type = "l"
shape = {{ cpus = 8, memory_mib = 512 }}
[queues.atlas]
pool = "local"
jobs = "true"
cascade = [["spot"]]
[queues.cms]
pool = "local"
jobs = "true"
cascade = [["spot"]]
"""


def config(cores: int = 1_000) -> Config:
    return parse(TEXT.format(cores=cores))


class Two(TwoSubmitters):
    """The two shapes of the cloud."""

    def __init__(self, site: Site, **limits: Any) -> None:
        super().__init__(site, config(**limits), "spot-small", "spot-large")
        self.small, self.large = self.both
        self.pots = Allotments(site.client(), site)


@pytest.fixture
def two(site: Site) -> Iterator[Two]:
    made = Two(site)
    made.look()
    yield made
    made.close()


def test_together_they_have_no_more_than_the_cloud_may(two: Two) -> None:
    two.small.want(4)
    two.large.want(4)
    two.look()
    two.look()
    assert [len(stage.cloud.instances()) for stage in two.both] == [4, 2]
    view = two.large.view()
    assert (view.room, view.family_used) == (0, 6)
    assert view.full == "cloud spot has at most 6 VMs of all shapes, in use: 6"


def test_over_all_queues_too(two: Two) -> None:
    two.small.want(4)
    two.small.want(4, queue="cms")
    two.large.want(4, queue="cms")
    two.look()
    two.look()
    assert two.vms() == 6


def test_asked_at_the_same_moment_too(two: Two) -> None:
    for n in range(1, 8):
        for stage in two.both:
            stage.want(n)
        two.look_at_the_same_moment()
    assert two.vms() == 6


def test_nothing_is_bought_before_each_shape_said_what_it_has(site: Site) -> None:
    two = Two(site)
    two.small.want(2)
    two.small.look()
    assert two.vms() == 0
    assert "what cloud/spot-large has of it is not known yet" in two.small.view().unsaid
    two.large.look()
    two.small.look()
    assert two.vms() == 2
    two.close()


def test_a_launch_without_an_answer_and_a_host_that_dies_with_it_take_their_part(two: Two) -> None:
    two.small.cloud.script = [("lost", Unknown("timed out"))]
    two.small.want(5)
    two.small.look()
    two.small.crash()
    two.small.list_cloud()
    two.large.want(5)
    two.look()
    two.look()
    assert two.vms() == 6


def test_queues_that_want_too_much_on_different_shapes_get_their_parts_of_all(two: Two) -> None:
    two.small.want(6)
    assert shape_quotas.shares(config(), two.small.table, "spot-small") == {}
    two.large.want(6, queue="cms")
    for cloud in ("spot-small", "spot-large"):
        assert shape_quotas.shares(config(), two.small.table, cloud) == {"atlas": 3, "cms": 3}


def test_what_the_account_does_not_grant_is_left_to_the_other_shape(site: Site) -> None:
    two = Two(site, cores=12)
    two.look()
    two.large.want(6)
    two.large.look()
    assert len(two.large.cloud.instances()) == 1  # eight of twelve cores
    assert two.pots.read("cloud/spot")["cloud/spot-large"].own == (1,)
    two.small.want(2)
    two.small.look()
    assert two.vms() == 3
    two.close()
