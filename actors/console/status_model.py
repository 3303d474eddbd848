"""What `apf status --json` prints. The shape is stable: fields may be added, none changes its meaning or goes away.

Times named `_at` are Redis time in seconds, `_age_s` seconds before `at`. Prices are US dollars an hour. Empty text
means "not so". Counts of jobs and VMs are as last read or written by the hosts; how old that is, `sources` says.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from actors.fleet.reasons import Closing, Freezing, Unmatched


class StatusPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HostStatus(StatusPart):
    """One `apf run` that is alive: it showed itself `beat_age_s` ago. `posts`: the patterns of those that it takes.

    `troubles`: what it says is wrong with itself: threads that fail, actors that died, posts that it has set aside.
    """

    name: str
    version: str
    posts: tuple[str, ...]
    started_at: float
    beat_age_s: float
    troubles: tuple[str, ...] = ()


class PostStatus(StatusPart):
    """A post and who holds it; `holder` is empty when nobody does. `since_at` is when this term began."""

    post: str
    holder: str
    fence: int
    since_at: float


class WantStatus(StatusPart):
    """How many VMs of a cloud a queue wants, since when, and the sentences that led there."""

    cloud: str
    vms: int
    changed_at: float
    decision: str
    reasons: tuple[str, ...]


class QueueStatus(StatusPart):
    """A queue. Counts of jobs; `waiting`: a cloud could run them, had it room. `cannot_run`: jobs that none can run.

    `cannot_run_by`: the code of each. `in_vain`: clouds on which VMs got none of its jobs, while others may run them.

    `known` is false when its demand could not be read lately: its wants stay as they are then. `site_status`: what the
    workload system says of its site (online, test, brokeroff, offline, ...), where it says something.
    """

    name: str
    pool: str
    known: bool
    idle: int
    young: int
    running: int
    held: int
    waiting: int
    wants: tuple[WantStatus, ...]
    why: tuple[str, ...]
    cannot_run: tuple[str, ...]
    cannot_run_by: tuple[Unmatched, ...] = ()
    in_vain: tuple[str, ...] = ()
    site_status: str = ""


class CloudStatus(StatusPart):
    """A cloud. `vms`: rows by state, those that hold quota first. `closed`: why nothing may be started, `frozen`: why
    nothing is released, `breaker`: how its breaker stands while it is not closed, `full`: what limits `room`
    beside `max_vms` (its breaker, its account's quota), `drains_wait`: how many drains the disruption budget
    holds back, and why. `unmarked`: why holds do not stand on their instances too. `suspects`: what
    answers or advertises in the place of its VMs; `strangers`: instances with its tags that another factory of
    this name launched; `orphaned`: VMs with claims for which no schedd has a job.
    `left_out`: hosts serve it, the file at hand does not name it.
    `usd_per_hour_now` is what all its VMs that are not ended cost.
    `family`: the cloud that it is a shape of, which may have `family_max_vms` of all its shapes together.
    `shape_short`: what its workers that joined have less of than its shape says, `shape_far_short`: and that it is no
    small part; `shape_beyond`: what they have more of. `closed_by` and `frozen_by`:
    the codes of `closed` and `frozen`."""

    name: str
    max_vms: int
    room: int
    vms: dict[str, int]
    closed: str
    closed_until: float
    frozen: str
    breaker: str = ""
    full: str = ""
    usd_per_hour: float
    usd_per_hour_now: float
    drains_wait: tuple[str, ...] = ()
    listing_short: str = ""
    unmarked: str = ""
    suspects: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()
    orphaned: tuple[str, ...] = ()
    left_out: bool = False
    family: str = ""
    family_max_vms: int = 0
    shape_short: str = ""
    shape_far_short: bool = False
    shape_beyond: str = ""
    closed_by: Closing = Closing.NOT_KNOWN
    frozen_by: Freezing = Freezing.NOT_KNOWN


class AccountStatus(StatusPart):
    """What all clouds of an account have together, with VMs of others in it; a `max_` of None is no limit.

    `unknown`: clouds of it that did not say yet what they have. The counts are without those, and nothing is bought.
    """

    name: str
    clouds: tuple[str, ...]
    vms: int
    max_vms: int | None
    cores: int
    max_cores: int | None
    usd_per_hour: float
    max_usd_per_hour: float | None
    unknown: tuple[str, ...]


class SourceStatus(StatusPart):
    """One thing that is read: "pool/NAME jobs", "pool/NAME startds", "cloud/NAME listing"; `post`: whose it is.

    `read_age_s` is the age of the last good reading, None when there was none. `failed` says why the last look failed.
    """

    name: str
    read_age_s: float | None
    interval_s: float
    failed: str
    post: str = ""


class WishStatus(StatusPart):
    """What an operator asked for and was granted, until `ends_at`."""

    id: str
    verb: str
    selector: str
    names: tuple[str, ...]
    reason: str
    by: str
    at: float
    ends_at: float


class VmStatus(StatusPart):
    """A VM's row: see the lifecycle table for `state`. `why` is why it is in that state."""

    id: str
    cloud: str
    queue: str
    state: str
    state_age_s: float
    age_s: float
    instance_id: str
    machine: str
    why: str
    held: str
    unwanted: bool
    usd_per_hour: float


class Trouble(StatusPart):
    """Something that a person should know of. `bad` needs one soon; `odd` may pass by itself. `todo` may be empty."""

    weight: Literal["bad", "odd"]
    what: str
    todo: str = ""


class Status(StatusPart):
    """A factory as its rows show it at `at`. `troubles` has the worst first; empty means that all is well."""

    shape: Literal[1] = 1
    factory: str
    at: float
    troubles: tuple[Trouble, ...]
    hosts: tuple[HostStatus, ...]
    posts: tuple[PostStatus, ...]
    queues: tuple[QueueStatus, ...]
    clouds: tuple[CloudStatus, ...]
    sources: tuple[SourceStatus, ...]
    wishes: tuple[WishStatus, ...]
    vms: tuple[VmStatus, ...]
    dead_letters: int
    accounts: tuple[AccountStatus, ...] = ()
    damaged: tuple[str, ...] = ()  # values in Redis that this look came across and could not read, and why

    @property
    def usd_per_hour(self) -> float:
        """What all VMs cost now."""
        return sum(cloud.usd_per_hour_now for cloud in self.clouds)
