"""What workers that joined advertise becomes a row of what their cloud's VMs are made from, and completes the slot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from actors.config.policy_rules import rules_of
from actors.config.schema import Config
from actors.fleet.shape import Shape
from actors.pools.port import PoolAway
from actors.retirement.learning import AGAIN_S, TRIES
from actors.store.joined import read_joined
from broker.connection.address import Site
from tests.actors.retirement.retirement_stage import RetirementStage, TwinPool
from tests.actors.stage import CONFIG

AD = {"Building": '"B513"', "HasLicence": "true"}


class Telling(TwinPool):
    """`said`: what all its startds advertise; `lies`: what those say that another program put in their places."""

    def __init__(self) -> None:
        super().__init__()
        self.said: Mapping[str, str] = AD
        self.dumb = self.elsewhere = False
        self.asked: list[tuple[str, ...]] = []

    def advertised(self, names: tuple[str, ...]) -> Mapping[tuple[str, str], Mapping[str, str]]:
        self.asked.append(names)
        if self.dumb:
            raise PoolAway("no answer")
        address = "<6.6.6.6:9618>" if self.elsewhere else "<10.0.0.5:9618>"
        return {(name, address): self.said for name in names}


@pytest.fixture
def pool() -> Telling:
    return Telling()


@pytest.fixture
def stage(site: Site, pool: Telling) -> Iterator[RetirementStage]:
    made = RetirementStage(site)
    made.pool = pool
    made.configure(CONFIG)
    yield made
    made.close()


def join(stage: RetirementStage, count: int = 1) -> None:
    stage.list_cloud()
    stage.want(count)
    stage.look()
    for vm in stage.vms():
        stage.joins(vm)
        stage.pool.machines[vm.instance_id] = replace(stage.pool.machines[vm.instance_id], whole=Shape(cpus=1))
    stage.step()


def learned(stage: RetirementStage, config: Config = CONFIG) -> Mapping[str, str]:
    found = read_joined(stage.table, config, ["private"])
    return found["private"].attributes if found else {}


def test_what_the_first_worker_advertises_is_a_row_and_in_the_prototype(stage: RetirementStage) -> None:
    join(stage)
    assert learned(stage) == AD
    rules = rules_of(CONFIG, "atlas", read_joined(stage.table, CONFIG, ["private"])).clouds["private"]
    assert 'Building = "B513"' in rules.slot.splitlines()
    assert {"building", "haslicence"} <= rules.learned


def test_each_worker_is_asked_for_once(stage: RetirementStage, pool: Telling) -> None:
    join(stage, 2)
    for _ in range(3):
        stage.step(AGAIN_S)
    assert sorted(name for names in pool.asked for name in names) == sorted(vm.instance_id for vm in stage.vms())


def test_a_pool_that_does_not_answer_is_asked_again_seldom_and_not_for_ever(
    stage: RetirementStage, pool: Telling
) -> None:
    pool.dumb = True
    join(stage)
    stage.step()
    assert len(pool.asked) == 1
    for _ in range(2 * TRIES):
        stage.step(AGAIN_S)
    assert (len(pool.asked), learned(stage)) == (TRIES, {})


def test_an_ad_from_another_address_than_the_vms_is_not_heard(stage: RetirementStage, pool: Telling) -> None:
    pool.elsewhere = True
    join(stage)
    assert pool.asked
    assert learned(stage) == {}


def test_another_image_starts_anew(stage: RetirementStage) -> None:
    join(stage)
    private = CONFIG.clouds["private"].model_dump() | {"image": "ami-2"}
    assert learned(stage, Config.model_validate(CONFIG.model_dump() | {"clouds": {"private": private}})) == {}


def test_what_the_configuration_says_of_workers_counts_before_what_one_of_them_says(
    stage: RetirementStage, pool: Telling
) -> None:
    pool.said = {"APFQueue": '"cms"', "CloudInterruptible": "true", "Building": '"B42"'}
    join(stage)
    private = CONFIG.clouds["private"].model_dump() | {"attributes": {"building": '"B513"'}}
    config = Config.model_validate(CONFIG.model_dump() | {"clouds": {"private": private}})
    joined = {"private": stage.registry.joined}
    slot = rules_of(config, "atlas", joined).clouds["private"].slot.splitlines()
    assert {'APFQueue = "atlas"', "CloudInterruptible = false", 'building = "B513"'} <= set(slot)


def test_the_next_holder_goes_on_from_the_row_and_one_liar_changes_nothing(
    stage: RetirementStage, pool: Telling
) -> None:
    join(stage)
    pool.said = {"Building": '"B42"'}
    stage.crash()
    stage.step()
    assert len(pool.asked) == 2
    assert learned(stage) == AD
