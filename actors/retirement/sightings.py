"""What one cloud's holder has seen: the last listing, and each pool's last reading, matched to its VMs and judged.

It remembers over readings what a single one cannot show: when each startd was last seen, since when it is idle, and how
long its pool has been healthy without a gap. All of it is lost with the post and built anew by the next holder; what
rests on absence then waits anew, which errs on the safe side.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf

import structlog

from actors.config.schema import Config, Watched
from actors.config.told import told_by_pool
from actors.fleet.adoption import orphans, strangers
from actors.fleet.evidence import OLD_S, Health, expected, expected_instances, judge, judge_listing, thawed
from actors.fleet.matching import Matched, match
from actors.fleet.observations import Failed, Instance, Listed, Machine, StartdsSeen
from actors.fleet.reasons import Freezing
from actors.fleet.reconcile import World
from actors.fleet.told import name_of, place_of, same_pool
from actors.fleet.vm import Vm
from actors.store.readings import OLD_READINGS, Unpackers, machine_unpackers, newer_listing, read_startds, startds_head
from actors.store.vms import Registry
from broker.posts.leases import Term
from broker.rows.table import Table

log = structlog.get_logger("retirement")


@dataclass(slots=True, kw_only=True)
class PoolSeen:
    health: Health
    matched: Matched | None = None
    told: str = ""  # of which pool the last good reading is
    read_at: float = 0.0
    failed_at: float = 0.0
    unpackers: Unpackers = field(default_factory=machine_unpackers)
    strays: frozenset[str] = frozenset()  # what the log was told of
    missing: frozenset[str] = frozenset()  # ids of VMs whose startds the last reading should have shown


class Sightings:
    """Of one cloud, for one term. `began`: when the term did, Redis seconds."""

    def __init__(self, config: Config, table: Table, cloud: str, began: float) -> None:
        self._config, self._table, self._cloud, self._began = config, table, cloud, began
        self._pools = {
            pool: PoolSeen(health=_health(f"pool/{pool}", config.pools[pool])) for pool in config.pools_of(cloud)
        }
        self._pool_of = {name: config.told_pool(name, cloud) for name in config.queues}
        self._first_pool = next(iter(self._pools), "")
        self._told = told_by_pool(config)
        self._listing = _health(f"cloud/{cloud}", config.clouds[cloud])
        self._last_listed: dict[str, float] = {}  # instance id -> when a listing showed it
        self._last_seen: dict[str, float] = {}  # VM id -> when a reading showed its startd
        self.idle_since: dict[str, float] = {}
        self.busy_since: dict[str, float] = {}
        self.listed: Listed | None = None
        self._instances: dict[str, Instance] = {}  # of `listed`, by id
        self._strange_since: dict[str, float] = {}  # instance id -> when it was first seen as another factory's
        self._thawed_at = -inf
        self.held_tags: dict[str, str] = {}  # of `listed`: instance id -> why it is to be kept

    def take_in(self, term: Term, registry: Registry, now: float) -> None:
        """Read what is new, adopt orphans, and note in the registry what the submitter and the views need."""
        self._read_listing(term, registry)
        self._pools_of_rows(registry)
        for pool, seen in self._pools.items():
            self._read_pool(pool, seen, registry)
        registry.judged.seen, registry.judged.idle_since = frozenset(self.machines()), self.idle_since
        registry.judged.looked = registry.judged.looked or self._looked()
        _note_frozen(registry, [seen.health for seen in self._pools.values()], now)
        registry.judged.listing_short = self._listing_trouble()

    def forget(self, vm_ids: Iterable[str]) -> None:
        """VMs that ended long ago."""
        for vm_id in vm_ids:
            for seen in (self._last_seen, self.idle_since, self.busy_since):
                seen.pop(vm_id, None)

    def troubles(self, now: float) -> dict[str, str]:
        """By source, why it cannot be trusted now; empty where it can."""
        pools = {seen.health.source: seen.health.trouble(now) for seen in self._pools.values()}
        return {**pools, self._listing.source: self._listing_trouble()}

    def _listing_trouble(self) -> str:
        return "" if self.listed is None else self._listing.trouble(self.listed.at)

    def thaw(self, at: float) -> None:
        """An operator said at `at` that what is missing is gone: it is no longer expected, until it is seen again. And
        that what seemed to be another factory's is ours.
        """
        self._thawed_at = max(self._thawed_at, at)
        for seen in self._pools.values():
            after = thawed(seen.health, at)
            if after is not seen.health:
                self._last_seen.update(dict.fromkeys(seen.missing, -inf))
                seen.health = after
        after = thawed(self._listing, at)
        if after is not self._listing and self.listed:
            there = {one.id for one in self.listed.instances}
            self._last_listed = {key: when for key, when in self._last_listed.items() if key in there}
            self._listing = after

    def pool_of(self, vm: Vm) -> str:
        """The pool of a VM: that which it was told to join, by whatever name it is configured now. One that is not
        known, or not configured any more, is looked for in its queue's pool, or else in the cloud's first.
        """
        name = name_of(vm.pool)
        if name in self._told and same_pool(self._told[name], vm.pool):
            return name
        same = next((pool for pool, told in self._told.items() if same_pool(told, vm.pool)), "") if vm.pool else ""
        return same or self._pool_of.get(vm.queue, self._first_pool)

    def is_told(self, vm: Vm) -> bool:
        """Whether the pool that is asked for this VM is the one that it was told to join: only there is it missed."""
        return same_pool(vm.pool, self._told.get(self.pool_of(vm), ""))

    def _pools_of_rows(self, registry: Registry) -> None:
        """VMs are followed in the pool that they were told to join, though its queue has another one now."""
        for pool in {self.pool_of(vm) for vm in registry.vms() if vm.alive} - self._pools.keys() - {""}:
            self._pools[pool] = PoolSeen(health=_health(f"pool/{pool}", self._config.pools[pool]))

    def machines(self) -> dict[str, Machine]:
        """By VM id, the startds that the last good readings show."""
        return {key: one for seen in self._pools.values() if seen.matched for key, one in seen.matched.machines.items()}

    def impostors(self) -> dict[str, str]:
        """By VM id, who spoke in its place in the last good readings, and may not."""
        return {
            key: why for seen in self._pools.values() if seen.matched for key, why in seen.matched.impostors.items()
        }

    def doubtful(self) -> dict[str, str]:
        """By VM id, why the ads of the last good readings prove nothing of it."""
        return {key: why for seen in self._pools.values() if seen.matched for key, why in seen.matched.doubtful.items()}

    def worlds(self, now: float) -> dict[str, World]:
        """By pool: what the steps that move a VM are told. Under "", for a VM of no pool: the cloud's listing alone."""
        nothing, settings = PoolSeen(health=Health(source="")), self._config.clouds[self._cloud]
        return {
            pool: World(
                now=now,
                boot_deadline_s=settings.boot_deadline_s,
                listed=self.listed,
                instances=self._instances,
                listing_short=self._listing_trouble(),
                matched=seen.matched,
                read_at=seen.read_at,
                health=seen.health,
                told=seen.told,
                joins=settings.joins_pool,
                short_run_s=settings.short_run_s,
            )
            for pool, seen in {**self._pools, "": nothing}.items()
        }

    def _looked(self) -> bool:
        """Whether this term has adopted what the cloud lists, and read every pool: before, rows may be missing."""
        listed = self.listed is not None and self.listed.at >= self._began
        return listed and all(seen.matched for seen in self._pools.values())

    def _read_listing(self, term: Term, registry: Registry) -> None:
        before = self.listed
        self.listed = newer_listing(self._table, self._cloud, before, registry.listing)
        if self.listed and self.listed is not before:
            self._instances = {one.id: one for one in self.listed.instances}
            self.held_tags = {one.id: one.held for one in self.listed.instances if one.held}
            price = self._config.clouds[self._cloud].usd_per_hour
            found = orphans(registry.vms(), self.listed, self._cloud, price)
            registry.judged.strangers = self._strangers(registry, found, self.listed)
            registry.adopt(term, [vm for vm in found if vm.instance_id not in registry.judged.strangers])
            self._judge_listing(registry, self.listed)

    def _strangers(self, registry: Registry, found: Sequence[Vm], listed: Listed) -> dict[str, str]:
        """Not adopted, unless an operator said since they were seen first that they are ours. A shadow launches nothing
        itself, and has a database of its own.
        """
        if not found or self._config.factory.shadow:
            return {}
        since, before = self._table.unbroken_since(), registry.judged.strangers
        strange = strangers(found, listed, lambda vm: vm.instance_id not in before and registry.knows(vm), since)
        for instance in strange.keys() - self._strange_since.keys():
            log.error("launched by another factory of our name", cloud=self._cloud, why=strange[instance])
        self._strange_since = {one: self._strange_since.get(one, listed.at) for one in strange}
        return {one: why for one, why in strange.items() if self._strange_since[one] > self._thawed_at}

    def _judge_listing(self, registry: Registry, listed: Listed) -> None:
        wanted = expected_instances(registry.vms(), self._last_listed, listed.at)
        self._listing = judge_listing(self._listing, listed, wanted)
        there = {one.id for one in listed.instances}
        kept = {key: at for key, at in self._last_listed.items() if key in wanted}
        self._last_listed = {**kept, **dict.fromkeys(there, listed.at)}

    def _read_pool(self, pool: str, seen: PoolSeen, registry: Registry) -> None:
        head = startds_head(self._table, pool)
        if (head.at, head.failed_at) == (seen.read_at, seen.failed_at):
            return
        seen.failed_at = head.failed_at
        reading = self._of_this_pool(pool, read_startds(self._table, pool, self._cloud, seen.unpackers))
        if isinstance(reading, Failed):
            seen.health = judge(seen.health, reading, None, frozenset())
            return
        vms = [vm for vm in registry.vms() if self.pool_of(vm) == pool]
        seen.matched = match(reading.machines, vms, self.identities(pool), self._config.factory.name)
        there = [vm for vm in vms if vm.id in self._last_seen or same_pool(vm.pool, reading.told) or not vm.pool]
        wanted = expected(there, self._last_seen, reading.at)
        seen.health = judge(seen.health, reading, seen.matched, wanted)
        seen.missing = wanted - seen.matched.machines.keys()
        seen.read_at, seen.told = reading.at, reading.told
        self._remember(registry, seen.matched, reading.at)
        _note_strays(self._cloud, seen)

    def _of_this_pool(self, pool: str, reading: StartdsSeen | Failed) -> StartdsSeen | Failed:
        """A host that does not have this configuration yet may have read another pool under this name."""
        told = self._told[pool]
        if isinstance(reading, Failed) or not reading.told or same_pool(reading.told, told):
            return reading
        why = f"was last read as {place_of(reading.told)}, and is {place_of(told)} now"
        return Failed(source=reading.source, at=reading.at, reason=why)

    def _remember(self, registry: Registry, matched: Matched, at: float) -> None:
        for vm_id, machine in matched.machines.items():
            if vm_id in self._last_seen and registry.judged.machines.get(vm_id) is machine:
                continue  # as it was: most are
            registry.judged.machines[vm_id] = machine
            if machine.busy:
                self.idle_since.pop(vm_id, None)
                self.busy_since.setdefault(vm_id, at)
            else:
                self.idle_since.setdefault(vm_id, at)
                self.busy_since.pop(vm_id, None)
        self._last_seen.update(dict.fromkeys(matched.machines, at))

    def identities(self, pool: str) -> tuple[str, ...]:
        """Globs of who may advertise our workers; none: not checked."""
        return self._config.pools[pool].worker_identities


def _health(source: str, settings: Watched) -> Health:
    """Of a source that was not read yet. At a slow pace, a reading is old only when some have failed to come."""
    old_s = max(OLD_S, OLD_READINGS * settings.interval_s)
    return Health(source=source, missing_share=settings.missing_share, thaw_after=settings.thaw_after, old_s=old_s)


def _note_frozen(registry: Registry, pools: Sequence[Health], now: float) -> None:
    codes = [code for health in pools if (code := health.freezes(now))]
    registry.judged.frozen_by = Freezing.SHORT if Freezing.SHORT in codes else next(iter(codes), Freezing.NOT_KNOWN)
    why = "; ".join(filter(None, (health.trouble(now) for health in pools)))
    if why != registry.judged.frozen:
        log.info("release frozen" if why else "release thawed", cloud=registry.cloud, why=why or registry.judged.frozen)
    registry.judged.frozen = why


def _note_strays(cloud: str, seen: PoolSeen) -> None:
    """Each once: startds that claim to be ours and are not matched."""
    if seen.matched is None:
        return
    told = frozenset(f"{stray.machine.name}: {stray.why}" for stray in seen.matched.strays)
    told |= frozenset(seen.matched.doubtful.values())
    for line in sorted(told - seen.strays):
        log.warning("startd not matched", cloud=cloud, why=line)
    seen.strays = told
