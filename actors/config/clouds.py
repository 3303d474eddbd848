"""The keys that every kind of cloud has, and what they are made of. The kinds stand in `schema` and beside it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from actors.config.sections import Count, Name, Seconds, Section, Watched
from actors.policies.disruption.cron_windows import Minutes


def _minutes(text: str) -> str:
    Minutes.parse(text)
    return text


class Drains(Section):
    """How many VMs may be away by drains at once, how fast, and when. Spot notices and kills do not wait for it."""

    max_at_once: Count | None = None  # VMs that drain, or are drained and not ended yet
    max_share: Annotated[float, Field(gt=0, le=1)] | None = None  # the same, of the VMs that joined; at least one may
    max_per_minute: Count | None = None  # drains that begin
    # in which minutes drains may begin, as cron writes them, in UTC: ["* 22-23,0-5 * * *"]; none: always
    when: tuple[Annotated[str, AfterValidator(_minutes)], ...] = ()


class LimitOf(Section):
    """At most so much at once; what is left out is not limited."""

    max_vms: Count | None = None  # VMs
    max_cores: Count | None = None  # cores of all VMs, by their clouds' shapes
    max_cost_usd_per_hour: Annotated[float, Field(ge=0)] | None = None  # the sum of the VMs' prices


class ShapeOf(Section):
    cpus: Annotated[int, Field(ge=1)]  # cores
    memory_mib: Annotated[int, Field(ge=1)]  # memory that the worker gives to jobs
    disk_mib: Annotated[int, Field(ge=1)] = 10_000  # scratch space
    gpus: Count = 0  # devices


class Family(Section):
    """The cloud that one is a shape of, and how many VMs all its shapes may have together."""

    name: Name
    max_vms: Count


Repository = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)+$", max_length=80)]
MADE = frozenset({"family"})  # never written in a file: `config.shapes` makes it


class AnyCloud(Watched):
    """What every kind of cloud has. `family` is there where it was made of a shape of several.

    `joins_pool`: whether what it starts are workers whose startds join a pool. Where they do not (pilots that take
    their jobs elsewhere), its own listing says which ones work.
    """

    joins_pool: ClassVar[bool] = True
    metadata: ClassVar[Literal["ec2", "openstack"]] = "ec2"  # whose metadata service tells a worker its instance id
    kind: str  # what answers there
    shape: ShapeOf  # what jobs find on one VM
    max_vms: Count  # of this cloud, over all queues, hosts and shapes
    account: Name | None = None  # whose credentials and limits; none: no limits, and boto3's own chain
    usd_per_hour: Annotated[float, Field(ge=0)] = 0.0  # the price of a VM
    weight: Annotated[float, Field(gt=0)] = 1.0  # share inside its tier
    billed_s: Seconds = 0.0  # the period it bills, 3600 for hours; 0: by the second
    min_life_s: Seconds = 0.0  # no policy gives a VM up before this age
    max_life_s: Annotated[float, Field(gt=0)] | None = None  # a VM is drained at about this age; none: at none
    min_useful_s: Seconds = 900.0  # with less life left, it is no place for new jobs: as long as another one may boot
    boot_deadline_s: Annotated[float, Field(ge=10)] = 900.0  # from launch to the startd's ad
    interval_s: Annotated[float, Field(ge=0.5, le=3600)] = 30.0  # between listings
    timeout_s: Annotated[float, Field(ge=1, le=300)] = 30.0  # of one call
    closed_s: Annotated[float, Field(ge=1)] = 120.0  # the breaker's first pause; then one VM tries, and has to join
    closed_most_s: Annotated[float, Field(ge=1)] = 900.0  # each try that fails doubles the pause, up to this
    boot_failures: Count = 3  # so many VMs of one image that never joined open the breaker; 0: never
    boot_failures_share: Annotated[float, Field(gt=0, le=1)] = 0.5  # they are at least this share of the last ones
    batch: Annotated[int, Field(ge=1, le=500)] = 20  # VMs in one launch call, at most
    unclaimed_poweroff_s: Annotated[float, Field(ge=60)] = 1800.0  # the dead man's switch of a worker
    attributes: dict[str, str] = {}  # ClassAd expressions: what its workers advertise beyond the standard attributes
    worker_config: str = ""  # HTCondor configuration lines added to the worker's
    user_data: str | None = None  # path of a template of your own instead of the one that comes along
    # repositories that its workers mount: jobs start only while all answer; HAS_CVMFS_atlas_cern_ch is in their ads
    cvmfs: tuple[Repository, ...] = ()
    # where they get them from: "http://squid.example.org:3128", several as CVMFS writes them, or "DIRECT"
    cvmfs_proxy: Annotated[str, Field(pattern=r"^[\w:/.|;@%+-]*$")] = ""
    tags: dict[str, str] = {}  # on every VM, beside ours
    drains: Drains = Drains()  # of all its VMs: how many may be away by drains at once, how fast, and when
    # VMs of several shapes: of each what differs, like shape, instance_type, usd_per_hour; the rest is as said above
    shapes: dict[str, dict[str, object]] = {}
    family: Family | None = None
    retired: bool = False  # nothing is started here any more, what runs is drained; `apf apply` sets it

    @property
    def made_from(self) -> str:
        """What its VMs are started from. Another one begins with a closed breaker."""
        return ""

    @property
    def short_run_s(self) -> float:
        """What ends by itself sooner than this was of no use. 0: nothing is."""
        return 0.0

    @property
    def place(self) -> str:
        """Clouds of one account in one place see the same foreign VMs. Empty: it is alone in its place."""
        return ""
