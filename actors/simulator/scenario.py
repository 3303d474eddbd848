"""From a configuration to a simulation: one of its queues, its cascade, and how its clouds are taken to behave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from actors.config.policy_rules import life_of, rules_of
from actors.config.schema import Config
from actors.policies.provisioning.matchmaking import Size
from actors.policies.rules import QueueRules
from actors.simulator.jobs import Job
from actors.simulator.meter import RunOutcome
from actors.simulator.run import simulate
from actors.simulator.scaler import Ours
from actors.simulator.world import STOCK_POOL, CloudModel, PoolModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What no configuration says: a VM's median boot time, how often a spot VM is reclaimed, the pool's pace."""

    boot_s: float = 150.0
    spread: float = 0.2
    reclaims_per_hour: float = 0.0
    pool: PoolModel = STOCK_POOL
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    name: str
    queue: QueueRules
    clouds: tuple[CloudModel, ...]
    interval_s: float
    wakes: bool = True

    @property
    def sizes(self) -> tuple[Size, ...]:
        """Of one free slot of each cloud."""
        return tuple(cloud.rules.size for cloud in self.clouds)


def scenario(config: Config, name: str, queue: str | None = None, assume: Assumptions | None = None) -> Scenario:
    """The scenario of one queue, the configuration's first if none is named. Raises KeyError for an unknown queue."""
    queue = queue or next(iter(config.queues))
    rules, assume = rules_of(config, queue), assume or Assumptions()
    clouds = tuple(
        CloudModel(
            rules=rules.clouds[cloud],
            boot_s=assume.boot_s,
            spread=assume.spread,
            reclaims_per_hour=assume.reclaims_per_hour if _spot(config, cloud) else 0.0,
            life=life_of(config.clouds[cloud]),
            billed_s=config.clouds[cloud].billed_s,
            min_life_s=config.clouds[cloud].min_life_s,
            at_once=config.clouds[cloud].drains.max_at_once,
            share=config.clouds[cloud].drains.max_share,
        )
        for cloud in rules.queue.clouds
    )
    pool = config.pools[config.queues[queue].pool]
    wakes = bool(getattr(pool, "wakes", True))
    return Scenario(name=name, queue=rules.queue, clouds=clouds, interval_s=pool.interval_s, wakes=wakes)


def _spot(config: Config, cloud: str) -> bool:
    return getattr(config.clouds[cloud], "market", "") == "spot"


def outcomes(scenarios: Sequence[Scenario], jobs: Sequence[Job], assume: Assumptions | None = None) -> list[RunOutcome]:
    """Run each scenario over the same jobs, with the same chances."""
    assume = assume or Assumptions()
    return [
        simulate(
            jobs,
            one.clouds,
            Ours(one.queue, interval_s=one.interval_s, name=one.name, wakes=one.wakes),
            pool=assume.pool,
            seed=assume.seed,
        )
        for one in scenarios
    ]
