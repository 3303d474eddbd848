"""The configuration: one TOML file, every key written down here once, with its unit, its range and its default.

Secrets are never written in it: a `Secret` is a reference (`env:NAME` or `file:PATH`), read when it is needed.
`load` reads the file and reports all mistakes at once, each with its place and a hint.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    SerializeAsAny,
    Tag,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from actors.config.clouds import MADE as MADE
from actors.config.clouds import AnyCloud as AnyCloud
from actors.config.clouds import Drains as Drains
from actors.config.clouds import Family as Family
from actors.config.clouds import LimitOf as LimitOf
from actors.config.clouds import ShapeOf as ShapeOf
from actors.config.condor_clouds import CondorJobsCloud as CondorJobsCloud
from actors.config.openstack import OpenStackAccount as OpenStackAccount
from actors.config.openstack import OpenStackCloud as OpenStackCloud
from actors.config.plugins import CLOUDS, OUR_KINDS, POOLS, BadPlugin, known_kinds, step
from actors.config.pools import AnyPool as AnyPool
from actors.config.pools import HtcondorPool as HtcondorPool
from actors.config.pools import HttpJsonPool as HttpJsonPool
from actors.config.pools import PandaPool as PandaPool
from actors.config.pools import SimulatedPool as SimulatedPool
from actors.config.script import ScriptCloud as ScriptCloud
from actors.config.sections import Count as Count
from actors.config.sections import Name as Name
from actors.config.sections import Seconds as Seconds
from actors.config.sections import Secret as Secret
from actors.config.sections import Section as Section
from actors.config.sections import Watched as Watched
from actors.policies.steps import ENDED, asks


def _step(settings: dict[str, object]) -> dict[str, object]:
    step(settings)
    return settings


def _one_count(steps: tuple[dict[str, object], ...]) -> tuple[dict[str, object], ...]:
    """Each counts by its own interval, and a queue counts once."""
    counting = [str(one["step"]) for one in steps if ENDED in asks(step(one))]
    if len(counting) > 1:
        named = " and ".join(counting)
        raise ValueError(f"{named} both count VMs that ended lately; allowed: one such step")
    return steps


StepOf = Annotated[dict[str, object], AfterValidator(_step)]


class Limits(Section):
    """What one host may use, whatever the number of queues and VMs."""

    schedulers: Annotated[int, Field(ge=1, le=32)] = 2  # threads that decide; queues are spread over them
    calls: Annotated[int, Field(ge=2, le=256)] = 16  # calls to clouds and pools under way at once
    children: Annotated[int, Field(ge=2, le=32)] = 2  # processes that talk to HTCondor: a pool, and each of three lanes


class DrainDeadline(Section):
    """What is done with a drain that takes long. `evict` is the one place where policy ends jobs."""

    after_s: Seconds = 0.0  # from the decision to drain
    then: Literal["wait", "alarm", "evict"] = "wait"  # go on; tell; or end the jobs that still run

    @model_validator(mode="after")
    def _has_its_time(self) -> DrainDeadline:
        if self.then != "wait" and not self.after_s:
            raise ValueError(f"then = {self.then!r} without after_s; allowed: after_s = a number of seconds")
        return self


class Ahead(LimitOf):
    """What a queue may have before jobs wait for it, and how long it keeps what no job needs."""

    waiting_worth: Annotated[float, Field(gt=0, le=4)]  # VM-seconds paid for one job-second of waiting less
    tiers: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (1,)  # where; 1 is the first
    max_vms: Count | None = 20  # VMs that are there ahead, beside those that jobs need
    max_cores: Count | None = None  # their cores
    max_cost_usd_per_hour: Annotated[float, Field(ge=0)] | None = None  # the sum of their prices


class Console(Section):
    """Where /metrics and /healthz answer. Port 0 takes a free one; empty `listen` turns it off."""

    listen: str = "127.0.0.1"  # the address; "" turns it off
    port: Annotated[int, Field(ge=0, le=65535)] = 9618 + 1000  # 0 takes a free one


class Factory(Section):
    """`name` marks every key, tag and mailbox: two factories with different names never touch each other's VMs."""

    name: Name  # marks every key, tag and mailbox of the factory
    # "embedded" is started by `apf run`, for one host; else redis://, sentinel://, and with TLS rediss://, sentinels://
    redis: Annotated[str, Field(pattern=r"^(embedded$|rediss?://|sentinels?://)")] = "embedded"
    redis_username: Secret | None = None  # for Redis with ACLs
    redis_password: Secret | None = None  # never in the URL
    directory: str = "~/.local/state/apf"  # embedded Redis, logs of child processes; one a factory
    ttl_s: Annotated[float, Field(ge=1, le=300)] = 15.0  # a dead host's posts are free after this long
    tick_s: Annotated[float, Field(ge=0.1, le=60)] = 3.0  # how often a host beats and renews; at most a third of ttl_s
    actors: Limits = Limits()  # bounds of one host
    console: Console = Console()  # metrics and health
    limits: LimitOf = LimitOf()  # over all queues: stops growth, gives nothing up
    freeze_file: str | None = None  # while it exists this host starts, drains and ends nothing; none: DIRECTORY/freeze
    history_moments: Annotated[int, Field(ge=0)] = 100_000  # of each cloud, in Redis, for `apf why`; 0: none
    history_kept_s: Annotated[float, Field(ge=60)] = 604_800.0  # older ones go; so do wishes that are over for so long
    history_file: str | None = None  # also as JSON lines here, of what this host's terms did; logrotate may move it
    shadow: bool = False  # looks and decides, but starts, drains and ends nothing; the same as `apf run --shadow`

    @property
    def known_as(self) -> str:
        """What its rows and mailboxes are named after. A shadow keeps its own beside those of who acts; no factory's
        name has a dot."""
        return f"{self.name}.shadow" if self.shadow else self.name


class Ec2Account(LimitOf):
    """Credentials and a quota, shared by the clouds that name this account. Without keys boto3's own chain is asked.

    Its limits hold for all its clouds, queues and hosts together, with the VMs of others in it.
    """

    kind: Literal["ec2"] = "ec2"  # what answers there
    access_key_id: Secret | None = None  # of the key that may start, list and end instances
    secret_access_key: Secret | None = None  # its other half
    session_token: Secret | None = None  # for keys that live for a while only
    profile: str | None = None  # of boto3's own files, instead of keys


class Ec2Cloud(AnyCloud):
    kind: Literal["ec2"] = "ec2"  # what answers there
    region: Annotated[str, Field(min_length=1)]  # where; part of the signature
    endpoint: str | None = None  # for clouds that speak EC2 and are not Amazon
    image: str | None = None  # AMI id; not needed with a launch template
    instance_type: str | None = None  # not needed with a launch template
    market: Literal["on-demand", "spot"] = "on-demand"  # how it is paid
    max_usd_per_hour: Annotated[float, Field(gt=0)] | None = None  # spot: the most to pay; none: the on-demand price
    key_pair: str | None = None  # for operators who log in
    subnet: str | None = None  # its id
    security_groups: tuple[str, ...] = ()  # their ids
    iam_profile: str | None = None  # name or ARN; workers need none
    zone: str | None = None  # availability zone
    launch_template: str | None = None  # ID or NAME, or either with ":VERSION"
    # URL of an SQS queue with its spot notices, which deploy/spot-notices.json makes: drained and replaced at once
    notices_queue: Annotated[str, Field(pattern=r"^https?://[^/]+/.+$")] | None = None
    metadata_options: bool = True  # whether launches say MetadataOptions, which keep jobs from the worker's token
    tag_specifications: bool = True  # whether instances are born with their tags; else they get them right after
    request: dict[str, object] = {}  # passed on to RunInstances as it is, e.g. EbsOptimized = true

    @property
    def made_from(self) -> str:
        return str(self.request.get("ImageId") or self.image or self.launch_template or "")

    @property
    def place(self) -> str:
        return f"{self.endpoint or ''}|{self.region}"


class SimulatedCloud(AnyCloud):
    kind: Literal["simulated"]  # what answers there
    world: str  # as for a simulated pool
    interval_s: Annotated[float, Field(ge=0.1, le=3600)] = 5.0  # between listings
    image: str = ""  # a name for what its VMs are started from
    notices_queue: bool = False  # whether the world's spot notices about its VMs are read

    @property
    def made_from(self) -> str:
        return self.image


class Queue(Section):
    """A workload: which jobs, of which pool, on which clouds."""

    pool: Name  # where its jobs wait
    jobs: Annotated[str, Field(min_length=1)]  # a ClassAd expression over job ads
    cascade: tuple[tuple[Name, ...], ...]  # tiers of clouds, the cheapest first
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0  # where queues want too much, the highest goes first
    share: Annotated[float, Field(gt=0, le=1_000_000)] = 1.0  # its weight among queues of its priority
    min_idle_age_s: Seconds = 0.0  # younger idle jobs do not count yet
    count_held: bool = False  # whether held jobs ask for VMs too
    max_vms: Count | None = None  # over all its clouds
    max_cores: Count | None = None  # over all its clouds
    max_cost_usd_per_hour: Annotated[float, Field(ge=0)] | None = None  # over all its clouds, by their prices
    tier_limits: tuple[LimitOf, ...] = ()  # one for each tier, from the first: [{}, {max_cost_usd_per_hour = 5}]
    drain_deadlines: tuple[DrainDeadline, ...] = ()  # one a tier: [{}, {after_s = 86400, then = "evict"}]
    release_after_s: Seconds = 60.0  # a surplus lasts this long before VMs are drained
    ahead: Ahead | None = None  # what is bought before jobs wait for it; none: nothing
    vain_after_s: Seconds = 300.0  # VMs unclaimed for so long beside jobs like theirs: no more are bought; 0: never
    drains: Drains = Drains()  # as for a cloud, for this queue's VMs on each of its clouds
    black_hole_jobs: Count = 20  # a worker on which so many jobs ended lately, each within seconds, is held; 0: none
    black_hole_s: Annotated[float, Field(gt=0)] = 10.0  # seconds that not one of those jobs took
    start: str = "true"  # a further ClassAd condition of the workers' START
    # rules that change how many VMs it gets, in this order: {step = "scale", factor = 0.5}; see Steps
    steps: Annotated[tuple[StepOf, ...], AfterValidator(_one_count)] = ()
    cycle_s: Annotated[float, Field(gt=0)] = 60.0  # what steps call a cycle
    slots: Literal["partitionable", "static"] = "partitionable"  # static: one slot for each cpu


def _tag(group: str) -> Callable[[Any], str]:
    """Which of several kinds of table one is: ours by its kind's name, those of installed packages by OF_PLUGIN."""

    def tag(table: Any) -> str:
        kind = str(table.get("kind", "") if isinstance(table, dict) else getattr(table, "kind", ""))
        try:
            return OF_PLUGIN if kind not in OUR_KINDS[group] and kind in known_kinds(group) else kind
        except BadPlugin:
            return OF_PLUGIN  # it is said there, with its place

    return tag


def _settings(group: str) -> Callable[[Any], Any]:
    """A plugin's table by its own model. Its mistakes travel in one error, each with its place in the table."""

    def settings(table: Any) -> Any:
        if not isinstance(table, dict):
            return table
        try:
            return known_kinds(group)[table["kind"]].Settings.model_validate(table)
        except ValidationError as wrong:
            raise PydanticCustomError(OF_PLUGIN, "mistakes in a plugin's table", {"errors": wrong.errors()}) from wrong

    return settings


def pool_kind(kind: str) -> type[AnyPool] | None:
    """The settings of a kind of pool, ours or an installed package's; None: it is not known."""
    found: type[AnyPool] | None = _known_settings(POOLS, kind, Pool)
    return found


def cloud_kind(kind: str) -> type[AnyCloud] | None:
    """The same of a cloud."""
    found: type[AnyCloud] | None = _known_settings(CLOUDS, kind, Cloud)
    return found


def _known_settings(group: str, kind: str, union: Any) -> Any:
    ours = (get_args(one)[0] for one in get_args(get_args(union)[0]))
    found = next((one for one in ours if kind in get_args(one.model_fields["kind"].annotation)), None)
    try:
        return found or getattr(known_kinds(group).get(kind), "Settings", None)
    except BadPlugin:
        return None  # it is said there, with its place


OF_PLUGIN = "of_plugin"
Pool = Annotated[
    Annotated[HtcondorPool, Tag("htcondor")]
    | Annotated[SimulatedPool, Tag("simulated")]
    | Annotated[PandaPool, Tag("panda")]
    | Annotated[HttpJsonPool, Tag("http-json")]
    | Annotated[SerializeAsAny[AnyPool], BeforeValidator(_settings(POOLS)), Tag(OF_PLUGIN)],
    Discriminator(_tag(POOLS)),
]
Cloud = Annotated[
    Annotated[Ec2Cloud, Tag("ec2")]
    | Annotated[OpenStackCloud, Tag("openstack")]
    | Annotated[ScriptCloud, Tag("script")]
    | Annotated[SimulatedCloud, Tag("simulated")]
    | Annotated[CondorJobsCloud, Tag("condor-jobs")]
    | Annotated[SerializeAsAny[AnyCloud], BeforeValidator(_settings(CLOUDS)), Tag(OF_PLUGIN)],
    Discriminator(_tag(CLOUDS)),
]
Account = Annotated[Ec2Account | OpenStackAccount, Field(discriminator="kind")]


class Config(Section):
    factory: Factory
    pools: dict[Name, Pool]
    accounts: dict[Name, Account] = {}
    clouds: dict[Name, Cloud]
    queues: dict[Name, Queue]

    def pools_of(self, cloud: str) -> tuple[str, ...]:
        """The pools in which a cloud's workers may be; a cloud that no queue names any more may have some in all.
        None for a cloud whose workers join no pool.
        """
        if not self.clouds[cloud].joins_pool:
            return ()
        pools = tuple(dict.fromkeys(self.queues[queue].pool for queue in self.queues_of(cloud)))
        return tuple(pool for pool in pools or self.pools if self.pools[pool].has_startds)

    def told_pool(self, queue: str, cloud: str) -> str:
        """The pool that a worker of this queue on this cloud is told to join; empty: none."""
        pool = self.queues[queue].pool
        return pool if self.pools[pool].has_startds and self.clouds[cloud].joins_pool else ""

    def clouds_of(self, account: str) -> tuple[str, ...]:
        """The clouds that name this account."""
        return tuple(name for name, cloud in self.clouds.items() if cloud.account == account)

    @property
    def families(self) -> dict[str, tuple[str, ...]]:
        """By cloud of several shapes, the clouds that these are."""
        found: dict[str, tuple[str, ...]] = {}
        for name, cloud in self.clouds.items():
            if cloud.family:
                found[cloud.family.name] = (*found.get(cloud.family.name, ()), name)
        return found

    def queues_of(self, cloud: str) -> tuple[str, ...]:
        """The queues whose cascade names this cloud, in the file's order."""
        return tuple(name for name, queue in self.queues.items() if any(cloud in tier for tier in queue.cascade))

    @property
    def queues_by_cloud(self) -> dict[str, tuple[str, ...]]:
        """`queues_of` each cloud. An actor asks once in its life: with a thousand queues it would at each look."""
        return {cloud: self.queues_of(cloud) for cloud in self.clouds}
