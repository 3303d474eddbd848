"""Two factories of one name, each with a Redis of its own: neither takes the other's VMs, and both say so.

An operator started the second host with another Redis by mistake. Both see the same jobs, and buy for them.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.fleet.reasons import Closing
from actors.fleet.want import CloudView
from actors.store.views import read_views
from tests.factory_in_a_world import Factory, MakeHosts, make_hosts  # noqa: F401

ONE_CLOUD = {"clouds": {"private": {"max_vms": 6}, "spot": {"max_vms": 0}}}
LONG_S = 3_600.0


@pytest.fixture
def both(make_hosts: MakeHosts, tmp_path: Path) -> Iterator[tuple[Factory, Factory]]:  # noqa: F811
    first = make_hosts(**ONE_CLOUD)
    directory = tmp_path / "second"
    directory.mkdir()
    with Factory(directory, ONE_CLOUD, first.name) as second:
        second.world, second.operations = first.world, first.operations
        yield first, second


def test_two_factories_of_one_name_do_not_take_each_others_vms_say_so_and_buy_no_more(
    both: tuple[Factory, Factory],
) -> None:
    first, second = both
    for factory in both:
        factory.start(1)
        began(factory, LONG_S)
    first.submit(2)
    for factory in both:
        factory.until(lambda one=factory: view(one).strangers, "the other's launches are noticed", 30)  # type: ignore[misc]
        assert "was never written in this database" in view(factory).strangers[0]
        assert view(factory).closed_by is Closing.STRANGERS
    assert not ids(first) & ids(second), "nobody adopted the other's"
    there = len(first.instances())
    first.submit(2)
    first.holds(lambda: len(first.instances()) == there, "nothing more is bought", 3)

    for host in second.hosts.values():
        host.stop()
    first.wish("thaw", "cloud", "private")
    first.until(lambda: not view(first).strangers, "an operator says that they are ours", 20)
    first.until(lambda: ids(second) <= ids(first), "they are taken in", 20)
    first.until_done()


def test_an_emptied_redis_takes_its_vms_in_again_as_before(make_hosts: MakeHosts) -> None:  # noqa: F811
    factory = make_hosts(**ONE_CLOUD)
    factory.start(1)
    began(factory, LONG_S)
    factory.submit(2)
    factory.until(lambda: len(factory.busy()) == 2, "both jobs run")
    before = ids(factory)
    factory.client.flushall()
    factory.until(lambda: ids(factory) == before, "both VMs are taken in again", 30)
    assert not view(factory).strangers
    factory.until_done()
    assert factory.jobs() == {"done": 2}


def began(factory: Factory, ago_s: float) -> None:
    """Its database lost nothing for so long."""
    run_id = factory.client.info("server")["run_id"]
    seconds, _ = factory.client.time()
    factory.client.set(factory.site.key("unbroken"), f"{run_id} {seconds - ago_s:.0f}")


def view(factory: Factory) -> CloudView:
    seen, _ = read_views(factory.table, "private")
    return seen or CloudView(cloud="private", at=0.0, room=0)


def ids(factory: Factory) -> set[str]:
    return {vm.instance_id for vm in factory.vms()}
