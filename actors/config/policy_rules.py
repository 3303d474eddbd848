"""The configuration as the policies want it: rules for each queue, and for each cloud as that queue sees it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from actors.config.as_policy import limit_of, shape_of
from actors.config.plugins import step
from actors.config.promise import promise_of
from actors.config.schema import AnyCloud, Config, Drains, Queue
from actors.fleet.joined import Joined, counted
from actors.fleet.joined import short as short_of_promise
from actors.fleet.max_life import FOREVER, Life
from actors.fleet.want import Want
from actors.policies import worker_ad
from actors.policies.disruption.black_hole import BlackHoleRules
from actors.policies.disruption.cron_windows import Minutes
from actors.policies.disruption.drain_budget import DrainRules
from actors.policies.fair_share import Ask, AskOfFactory, divide, factory_share, short
from actors.policies.limits import NO_LIMIT, NOTHING_SPENT, Limit, Usage
from actors.policies.prototype import Slots
from actors.policies.rules import AccountRules, AheadRules, CloudRules, QueueRules, cloud_rules

NOTHING_JOINED: Mapping[str, Joined] = {}
UNKNOWN = '""'  # as ClassAd text: the configuration does not know


@dataclass(frozen=True, slots=True, kw_only=True)
class FactoryRules:
    """What `decide` is told about one queue: its own rules, and its clouds by name."""

    queue: QueueRules
    clouds: dict[str, CloudRules]

    @property
    def look_elsewhere(self) -> bool:
        """Whether something asks what the factory's other queues have."""
        return bool(self.queue.factory_limit) or any(step.name == "max-per-factory" for step in self.queue.steps)


def rules_of(config: Config, queue: str, joined: Mapping[str, Joined] = NOTHING_JOINED) -> FactoryRules:
    """The rules of one queue. `joined`: by cloud, what its workers really offer.

    Raises KeyError for a queue or a cloud that the configuration does not have."""
    found = config.queues[queue]
    return FactoryRules(
        queue=QueueRules(
            name=queue,
            cascade=found.cascade,
            max_vms=found.max_vms,
            release_after_s=found.release_after_s,
            vain_after_s=found.vain_after_s,
            count_held=found.count_held,
            steps=tuple(step(settings) for settings in found.steps),
            cycle_s=found.cycle_s,
            limit=Limit(cores=found.max_cores, usd_per_hour=found.max_cost_usd_per_hour),
            tier_limits=tuple(limit_of(limit) for limit in found.tier_limits),
            factory_limit=limit_of(config.factory.limits),
            factory_shared=len(config.queues) > 1,
            accounts=_accounts(config, found),
            ahead=_ahead(found),
        ),
        clouds={cloud: _cloud(config, found, cloud, joined.get(cloud)) for tier in found.cascade for cloud in tier},
    )


def worker_slots(config: Config, pool: str, joined: Mapping[str, Joined] = NOTHING_JOINED) -> Slots:
    """By queue of a pool: cloud, number of its tier and a free slot of its workers, as decisions count with them."""
    found = {}
    for name, queue in config.queues.items():
        if queue.pool == pool:
            rules = rules_of(config, name, joined)
            found[name] = tuple((cloud, rules.queue.tier(cloud), one.slot) for cloud, one in rules.clouds.items())
    return found


def shares(config: Config, cloud: str, wants: Mapping[str, Want]) -> dict[str, int]:
    """The share of a cloud for each queue that asks for more than that. `wants`: of this cloud, by queue."""
    asks = (
        Ask(queue=name, asked=want.asks, priority=queue.priority, share=queue.share)
        for name, want in wants.items()
        if (queue := config.queues.get(name))
    )
    return short(config.clouds[cloud].max_vms, asks)


def divided(config: Config, room: int, missing: Mapping[str, int]) -> dict[str, int]:
    """`room` for VMs divided among queues that miss some, by queue."""
    wanted = ((config.queues[name], name, vms) for name, vms in missing.items() if vms > 0)
    return divide(room, [Ask(queue=name, asked=n, priority=q.priority, share=q.share) for q, name, n in wanted])


def share_of_factory(config: Config, queue: str, wants: Iterable[Want]) -> Limit:
    """A queue's part of the factory's limits; no limit where it gets what it asks for. `wants`: of all queues."""
    by_queue: dict[str, list[Want]] = {}
    for want in wants:
        by_queue.setdefault(want.queue, []).append(replace(want, n=want.asks_of_factory))
    asks = (
        AskOfFactory(
            queue=name,
            asked=spent(config, by_queue.get(name, ())),
            priority=config.queues[name].priority,
            share=config.queues[name].share,
        )
        for name in config.queues
    )
    return factory_share(limit_of(config.factory.limits), asks, queue)


def spent(config: Config, wants: Iterable[Want]) -> Usage:
    """What these wants use of the factory's limits, in cores as ordered (`CloudRules.cores`). Clouds that the
    configuration no longer has count as VMs only.
    """
    used = NOTHING_SPENT
    for want in wants:
        cloud = config.clouds.get(want.cloud)
        cores, usd_per_hour = (shape_of(cloud).cpus, cloud.usd_per_hour) if cloud else (0, 0.0)
        used = used.plus(want.n, cores, usd_per_hour)
    return used


@lru_cache(maxsize=10_000)
def drain_rules(drains: Drains) -> DrainRules:
    return DrainRules(
        at_once=drains.max_at_once,
        share=drains.max_share,
        per_minute=drains.max_per_minute,
        when=tuple(Minutes.parse(text) for text in drains.when),
    )


def life_of(cloud: AnyCloud) -> Life:
    return Life(max_s=cloud.max_life_s, min_useful_s=cloud.min_useful_s) if cloud.max_life_s else FOREVER


def black_hole_rules(queue: Queue) -> BlackHoleRules:
    return BlackHoleRules(jobs=queue.black_hole_jobs, shorter_than_s=queue.black_hole_s)


def _ahead(queue: Queue) -> AheadRules | None:
    ahead = queue.ahead
    tiers = frozenset(tier - 1 for tier in ahead.tiers) if ahead else frozenset[int]()
    return AheadRules(worth=ahead.waiting_worth, tiers=tiers, limit=limit_of(ahead)) if ahead else None


def _accounts(config: Config, queue: Queue) -> tuple[AccountRules, ...]:
    """The accounts with a limit that clouds of this queue's cascade name."""
    clouds = [cloud for tier in queue.cascade for cloud in tier]
    named = dict.fromkeys(account for cloud in clouds if (account := config.clouds[cloud].account))
    return tuple(
        AccountRules(
            name=name,
            limit=limit,
            clouds=frozenset(cloud for cloud in clouds if config.clouds[cloud].account == name),
        )
        for name in named
        if name in config.accounts and (limit := limit_of(config.accounts[name]))
    )


def _cloud(config: Config, queue: Queue, name: str, joined: Joined | None) -> CloudRules:
    cloud = config.clouds[name]
    promised = shape_of(cloud)
    told = _told(config, queue, name)
    known = _known(cloud, told)
    learned = [(one, text) for one, text in (joined.attributes if joined else {}).items() if one.lower() not in known]
    return cloud_rules(
        name=name,
        shape=counted(promised, joined),
        ordered=promised,
        made_as=f"{promise_of(cloud)} {queue.slots} {queue.start}",
        short=short_of_promise(promised, joined),
        max_vms=cloud.max_vms,
        slots=queue.slots,
        start=queue.start,
        attributes=(*told, *learned, *cloud.attributes.items()),
        learned=frozenset(attribute.lower() for attribute, _ in learned),
        said=known,
        usd_per_hour=cloud.usd_per_hour,
        weight=cloud.weight,
        boot_deadline_s=cloud.boot_deadline_s,
        billed_s=cloud.billed_s,
        shared=any(other is not queue and name in tier for other in config.queues.values() for tier in other.cascade),
        family=cloud.family.name if cloud.family else "",
        family_max_vms=cloud.family.max_vms if cloud.family else NO_LIMIT,
        joins=cloud.joins_pool,
    )


def _told(config: Config, queue: Queue, name: str) -> list[tuple[str, str]]:
    """What our own user-data makes a worker say of itself, as far as the configuration knows it: name, ClassAd text.

    The cloud's own keys are of an installed kind of cloud: what it has not is not known.
    """
    cloud = config.clouds[name]
    region = str(getattr(cloud, "region", None) or "")
    of_queue = next((one for one, found in config.queues.items() if found is queue), "")
    texts = {
        "APFFactory": config.factory.name,
        "APFCloud": name,
        "APFQueue": of_queue,
        "CloudVMType": str(getattr(cloud, "instance_type", None) or ""),
        "CloudRegion": region,
        "CloudZone": str(getattr(cloud, "zone", None) or (f"{region}a" if region else "")),
    }
    told = [(attribute, json.dumps(text)) for attribute, text in worker_ad.said(texts)]
    told += [(worker_ad.of_repository(one), "true") for one in cloud.cvmfs]
    told += [(worker_ad.CVMFS, "true")] if cloud.cvmfs else []
    return [*told, (worker_ad.INTERRUPTIBLE, str(getattr(cloud, "market", "") == "spot").lower())]


def _known(cloud: AnyCloud, told: Iterable[tuple[str, str]]) -> frozenset[str]:
    """The attributes that the configuration says for sure, in lower case; a zone that it does not name is a guess."""
    guessed = set() if getattr(cloud, "zone", None) else {"cloudzone"}
    ours = {attribute.lower() for attribute, text in told if text != UNKNOWN} - guessed
    return frozenset(ours | {attribute.lower() for attribute in cloud.attributes})
