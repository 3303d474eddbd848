"""A simulated cloud does what every cloud must do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from actors.clouds.port import Cloud, NoCapacity, Unknown
from actors.clouds.simulated.cloud import WorldCloud
from actors.config.schema import SimulatedCloud
from deploy.lab.world.model import World
from deploy.lab.world.server import WorldServer
from tests.actors.clouds.conformance import CloudConformance, PowerOff, order, started


def cloud_at(place: str, name: str, factory: str = "apf") -> WorldCloud:
    shape = {"cpus": 1, "memory_mib": 1024}
    config = {"kind": "simulated", "world": place, "shape": shape, "max_vms": 9, "timeout_s": 5}
    return WorldCloud(name, SimulatedCloud.model_validate(config), factory)


@pytest.fixture
def server() -> Iterator[WorldServer]:
    with WorldServer(World(boot_s=0.1, capacity={"small": 2})) as made:
        yield made


class TestSimulated(CloudConformance):
    @pytest.fixture
    def cloud(self, server: WorldServer) -> Cloud:
        return cloud_at(server.place, "private")

    @pytest.fixture
    def other(self, server: WorldServer) -> Cloud:
        return cloud_at(server.place, "public")

    @pytest.fixture
    def power_off(self, server: WorldServer) -> PowerOff:
        return lambda id: server.operations.do("power_off", {"id": id})


def test_a_nearly_full_cloud_starts_what_fits_and_a_full_one_nothing(server: WorldServer) -> None:
    small = cloud_at(server.place, "small")
    assert len(started(small, order("one", count=3))) == 2
    with pytest.raises(NoCapacity):
        started(small, order("two"))
    assert len(small.listing(1.0).instances) == 2


def test_instances_of_another_factory_are_counted_not_listed(server: WorldServer) -> None:
    started(cloud_at(server.place, "private", "somebody"), order(count=3))
    listed = cloud_at(server.place, "private").listing(1.0)
    assert (listed.instances, listed.foreign) == ((), 3)


def test_a_world_that_is_not_there_is_unknown() -> None:
    with pytest.raises(Unknown):
        started(cloud_at("127.0.0.1:1", "private"), order())
