"""An image whose VMs never join, through the actors: nothing more is bought there, and all of it outlives its host."""

from collections.abc import Iterator

import pytest

from actors.config.policy_rules import rules_of
from actors.config.schema import Config
from actors.fleet.vm import State
from actors.fleet.wish import Wish
from actors.policies.provisioning.capacity import standings
from actors.store.views import view_places, views_of
from actors.store.wants import accept
from broker.connection.address import Site
from tests.actors.retirement.retirement_stage import RetirementStage
from tests.actors.stage import CONFIG


def config(image: str) -> Config:
    cloud = {**CONFIG.clouds["private"].model_dump(), "image": image, "max_vms": 50, "boot_deadline_s": 300.0}
    return Config.model_validate({**CONFIG.model_dump(), "clouds": {"private": cloud}})


@pytest.fixture
def stage(site: Site) -> Iterator[RetirementStage]:
    made = RetirementStage(site, config("ami-1"))
    made.list_cloud()
    made.step()
    yield made
    made.close()


def time_passes(stage: RetirementStage, seconds: float) -> None:
    """With a look at the pool each minute, so that it is healthy without a gap."""
    while seconds > 0:
        stage.step(min(60.0, seconds))
        seconds -= 60.0


def three_never_join(stage: RetirementStage) -> None:
    stage.want(3)
    stage.look()
    time_passes(stage, 310)
    assert len([vm for vm in stage.vms() if not vm.joined]) == 3


def test_three_vms_that_never_join_close_the_cloud_and_all_its_jobs_go_elsewhere_at_once(
    stage: RetirementStage,
) -> None:
    three_never_join(stage)
    assert "3 of 3 VMs with image ami-1 never joined" in stage.closed()
    rules = rules_of(config("ami-1"), "atlas")
    seen = views_of(stage.table, ["private"], stage.table.get_many(view_places(["private"], "atlas")))
    (standing,) = standings(
        rules.queue, rules.clouds, {c: f for c, (_, f) in seen.items()}, {c: v for c, (v, _) in seen.items()}, {}, 0.0
    )
    assert standing.room == 0
    assert standing.full.startswith("breaker open until ")
    stage.want(6)
    stage.look()
    assert stage.cloud.launches == 1


def test_it_stays_open_when_another_host_takes_over(stage: RetirementStage) -> None:
    three_never_join(stage)
    stage.crash()
    stage.step()
    assert "3 of 3 VMs with image ami-1 never joined" in stage.closed()
    stage.look()
    assert stage.cloud.launches == 1


def test_after_its_pause_one_vm_tries_and_only_its_joining_opens_the_cloud_to_the_others(
    stage: RetirementStage,
) -> None:
    three_never_join(stage)
    stage.want(6)
    time_passes(stage, 130)
    for _ in range(3):
        stage.look()
    (tries,) = [vm for vm in stage.vms() if vm.state is State.BOOTING]
    assert f"VM {tries.id} tries, and has to join first" in stage.closed()
    stage.joins(tries)
    stage.step()
    assert stage.closed() == ""
    stage.look()
    assert len([vm for vm in stage.vms() if vm.supply]) == 6


def test_a_try_that_never_joins_opens_it_for_longer(stage: RetirementStage) -> None:
    three_never_join(stage)
    time_passes(stage, 130)
    stage.look()
    time_passes(stage, 310)
    assert "4 of 4 VMs with image ami-1 never joined" in stage.closed()
    breaker = stage.registry.breaker
    assert (breaker.times, breaker.until - breaker.opened) == (2, 240.0)


def test_another_image_is_tried_at_once(site: Site, stage: RetirementStage) -> None:
    three_never_join(stage)
    second = RetirementStage(site, config("ami-2"))
    second.cloud, second.now = stage.cloud, stage.now
    second.registry.judged.looked = True
    second.step()
    assert second.closed() == ""
    second.want(2)
    second.look()
    assert [vm.image for vm in second.vms() if vm.supply] == ["ami-2", "ami-2"]
    second.close()


def test_an_operator_who_thaws_the_cloud_closes_the_breaker(stage: RetirementStage) -> None:
    three_never_join(stage)
    thaw = Wish(
        id="wish-1", verb="thaw", selector="cloud", names=("private",), reason="new network", by="ada",
        at=stage.now, ends=stage.now + 60,
    )  # fmt: skip
    accept(stage.table, thaw)
    stage.step()
    assert stage.closed() == ""
    stage.look()
    stage.want(3)
    stage.look()
    assert len([vm for vm in stage.vms() if vm.supply]) == 3


def test_a_thaw_from_before_does_not_keep_it_closed(stage: RetirementStage) -> None:
    thaw = Wish(
        id="wish-1", verb="thaw", selector="all", names=(), reason="r", by="ada", at=stage.now, ends=stage.now + 9e3
    )
    accept(stage.table, thaw)
    three_never_join(stage)
    assert "never joined" in stage.closed()
