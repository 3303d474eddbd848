"""What stands in Redis: each kind of row, where it stands, and how to pack and read it. A new kind gets a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from actors.fleet.breaker import Breaker
from actors.fleet.joined import Joined
from actors.fleet.observations import Instance, Machine
from actors.fleet.spot_notice import Notice
from actors.fleet.vm import Intent, Vm
from actors.fleet.want import CloudView, FleetView, Want
from actors.fleet.wish import Wish
from actors.policies.provisioning.past import Past
from actors.runtime.messages import KINDS, OperatorWish
from actors.store.bulk_codec import pack_instances, pack_machines, unpack_instances, unpack_machines
from actors.store.codec import pack, stored, unpack
from actors.store.readings import ALL, HEAD, STRAYS, Classes, DemandHead, ListingHead, StartdsHead
from actors.store.vms import Started
from actors.store.wants import Doubts, QueueStanding, WishOutcome
from broker.envelope import Message
from tests.samples.filled import filled

CLOUD, POOL, QUEUE = "cloud/spot", "pool/local", "queue/atlas"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One place of the table. `post` is empty for a row that is written once."""

    kind: str
    post: str
    key: str
    made: Any
    pack: Callable[[Any], bytes]
    read: Callable[[bytes], Any]

    @property
    def place(self) -> str:
        return f"{self.kind} {self.post or 'once'} {self.key}"


def _one(kind: str, post: str, key: str, type_: type[Any]) -> Shape:
    return Shape(kind=kind, post=post, key=key, made=filled(type_), pack=pack, read=partial(unpack, type_))


SHAPES = (
    _one("vm", CLOUD, "a-0", Vm),
    _one("intent", CLOUD, "a", Intent),
    _one("fleet", CLOUD, "@", CloudView),
    _one("fleet", CLOUD, "atlas", FleetView),
    _one("started", CLOUD, "atlas", Started),
    _one("breaker", CLOUD, "ami-1", Breaker),
    _one("joined", CLOUD, "0a1b2c3d4e5f", Joined),
    _one("want", QUEUE, "spot", Want),
    _one("doubts", QUEUE, "@", Doubts),
    _one("past", QUEUE, "@", Past),
    _one("standing", QUEUE, "@", QueueStanding),
    _one("demand", POOL, HEAD, DemandHead),
    _one("demand", POOL, "atlas", Classes),
    _one("startds", POOL, HEAD, StartdsHead),
    Shape(
        kind="startds",
        post=POOL,
        key=STRAYS,
        made=(filled(Machine),),
        pack=pack_machines,
        read=unpack_machines,
    ),
    _one("listing", CLOUD, HEAD, ListingHead),
    Shape(
        kind="listing",
        post=CLOUD,
        key=ALL,
        made=(filled(Instance),),
        pack=pack_instances,
        read=unpack_instances,
    ),
    _one("notice", "", "i-1/interruption", Notice),
    _one("wish", "", "wish-0001", Wish),
    _one("outcome", "", "wish-0001", WishOutcome),
)

_FIELDS = {"pool": "local", "cloud": "spot", "queue": "atlas"}


def message(kind: str) -> Message:
    """Mail of this kind with every field set."""
    type_ = KINDS[kind]
    if type_ is OperatorWish:
        said = {"verb": "drain", "selector": "queue", "name": "atlas", "count": 2, "reason": "why", "by": "ada"}
        return OperatorWish.model_validate({**said, "id": "wish-0001", "life_s": 60.0, "replace": False})
    return type_.model_validate({name: _FIELDS[name] for name in type_.model_fields})


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    return stored(value)
