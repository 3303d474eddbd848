"""What the actors that serve one cloud know of it, beside its rows: each part has one writer, and others read it.

It is of one term, as the rows' cache is (`vms.Registry`), and it is lost with it. A reader may see the state of a
moment ago: what must not be decided on that is decided on rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from actors.fleet.fleet_view import ViewPart
from actors.fleet.observations import Machine
from actors.fleet.reasons import Closing, Freezing
from actors.fleet.want import CloudView, FleetView
from actors.store.quotas import UNLIMITED, Allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Why nothing may be started on a cloud, and until when (Redis seconds). Empty: it is open."""

    why: str = ""
    until: float = 0.0
    code: Closing = Closing.NOT_KNOWN


@dataclass(slots=True, kw_only=True)
class Judged:
    """By retirement, from readings and from operators' wishes. By VM id where nothing else is said."""

    machines: dict[str, Machine] = field(default_factory=dict)  # each startd as it was last seen
    idle_since: Mapping[str, float] = field(default_factory=dict)  # since when the readings show no job there
    seen: frozenset[str] = frozenset()  # the VMs that the newest readings show
    looked: bool = False  # whether this term read the cloud and every pool; before, the last holder's views stand
    frozen: str = ""  # why nothing is released
    frozen_by: Freezing = Freezing.NOT_KNOWN
    listing_short: str = ""  # why nothing is taken as ended because the listing lacks it
    closed_by: str = ""  # the operator's wish that closes this cloud for buying
    closed_for: set[str] = field(default_factory=set)  # queues that an operator froze
    stopped: str = ""  # the operator's freeze: nothing is done here at all
    unmarked: str = ""  # why holds do not stand on their instances too
    suspects: dict[str, str] = field(default_factory=dict)  # what else answers or advertises in its place
    orphaned: dict[str, str] = field(default_factory=dict)  # by VM id: claims there for which no schedd has a job
    strangers: dict[str, str] = field(default_factory=dict)  # by instance id: our tags, launched by another factory
    withheld: Counter[str] = field(default_factory=Counter)  # by queue: taken out of service, not to be replaced
    family_shares: dict[str, int] = field(default_factory=dict)  # by queue: its part of all shapes of this cloud


@dataclass(slots=True, kw_only=True)
class Buying:
    """By the submitter. `account`: what its account and its sibling shapes still allow, as it was last told.

    `shares`: by queue, its part of this cloud, where all its queues want too much.
    """

    closed: Closed = field(default_factory=Closed)
    account: Allowed = UNLIMITED
    shares: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Shown:
    """By the noticeboard: what each VM added to the last views, by its id, and the views that were published."""

    parts: dict[str, ViewPart] = field(default_factory=dict)
    published: dict[str, FleetView | CloudView] = field(default_factory=dict)
