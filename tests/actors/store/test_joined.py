"""What workers that joined really offer, as rows: one writer, over failovers, and forgotten with what they were of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from actors.config.policy_rules import rules_of
from actors.config.promise import promise_of
from actors.config.schema import Config
from actors.fleet.joined import Joined, Offer
from actors.fleet.observations import JobClass, JobsSeen, ScheddSeen
from actors.fleet.shape import Shape
from actors.fleet.want import CloudView, FleetView
from actors.policies.provisioning.decide import decide
from actors.store.joined import read_joined
from broker.connection.address import Site
from tests.actors.retirement.retirement_stage import RetirementStage
from tests.actors.stage import CONFIG

REAL = Shape(cpus=1, memory_mib=400, disk_mib=9_000)


@pytest.fixture
def stage(site: Site) -> Iterator[RetirementStage]:
    made = RetirementStage(site)
    yield made
    made.close()


def joins_as(stage: RetirementStage, whole: Shape) -> None:
    """Two VMs, the first of which joins with so much."""
    stage.list_cloud()
    stage.want(2)
    stage.look()
    first = stage.vms()[0]
    stage.joins(first)
    stage.pool.machines[first.instance_id] = replace(stage.pool.machines[first.instance_id], whole=whole)
    stage.step()


def real(stage: RetirementStage, config: Config = CONFIG) -> Shape | None:
    found = read_joined(stage.table, config, ["private"])
    return found["private"].shape if found else None


def test_what_a_worker_offers_is_a_row_as_soon_as_it_joins(stage: RetirementStage) -> None:
    assert real(stage) is None
    joins_as(stage, REAL)
    assert real(stage) == REAL


def test_the_next_holder_of_the_post_goes_on_from_the_row(stage: RetirementStage) -> None:
    joins_as(stage, REAL)
    stage.crash()
    stage.step()
    assert real(stage) == REAL
    assert [offer.vm for offer in stage.registry.joined.offers] == [stage.vms()[0].id]


def test_a_worker_that_joined_as_the_post_changed_hands_is_heard_by_the_next_holder(stage: RetirementStage) -> None:
    joins_as(stage, REAL)
    stage.crash()
    stage.registry._joined.clear()
    stage.step()
    assert stage.registry.joined.shape == REAL


def test_another_shape_or_image_is_another_promise(stage: RetirementStage) -> None:
    joins_as(stage, REAL)
    for changes in ({"shape": {"cpus": 2, "memory_mib": 512}}, {"image": "ami-2"}, {"worker_config": "NUM_CPUS = 1"}):
        cloud = CONFIG.clouds["private"].model_dump() | changes
        assert real(stage, Config.model_validate(CONFIG.model_dump() | {"clouds": {"private": cloud}})) is None


def test_a_scheduler_packs_into_what_joined_and_says_so() -> None:
    promised = Config.model_validate(
        CONFIG.model_dump()
        | {"clouds": {"private": CONFIG.clouds["private"].model_dump() | {"shape": {"cpus": 4, "memory_mib": 512}}}}
    )
    joined = Joined(promise="p", offers=(Offer(vm="a", joined=1.0, cpus=1, memory_mib=512, disk_mib=10_000),))
    rules = rules_of(promised, "atlas", {"private": joined})
    assert rules_of(promised, "atlas").clouds["private"].size == (4, 512, 10_000, 0)
    assert rules.clouds["private"].size == (1, 512, 10_000, 0)
    jobs = JobClass(queue="atlas", request=Shape(cpus=1), idle=3)
    schedd = ScheddSeen(name="s")
    demand = JobsSeen(source="p", at=1.0, classes=(jobs,), schedds=(schedd,))
    view, cloud = FleetView(cloud="private", queue="atlas", at=1.0), CloudView(cloud="private", at=1.0, room=4)
    decision = decide(
        rules.queue, demand, {"private": view}, rules.clouds, {"private": cloud}, {}, now=2.0, decision="d"
    )
    assert decision.wants["private"].n == 3
    assert "workers of private that joined have 1 cpu where its shape says 4" in decision.why


def test_money_limits_and_times_are_no_part_of_the_promise() -> None:
    cloud = CONFIG.clouds["private"]
    other = cloud.model_copy(update={"usd_per_hour": 3.0, "max_vms": 7, "boot_deadline_s": 60.0})
    assert promise_of(other) == promise_of(cloud)
