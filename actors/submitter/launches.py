"""A launch as it is written down before it is sent: the intent, with the whole request frozen, and its VMs' rows."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, replace

from actors.clouds.port import Cloud, Order
from actors.config.promise import promise_of
from actors.config.schema import Config
from actors.config.told import told_of
from actors.fleet.vm import Intent, State, Vm
from actors.fleet.want import Want

Planned = tuple[Intent, list[Vm]]  # a launch, and the rows of its VMs


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A worker's user-data, and when it was made. `launch`: the one launch that it is for; empty: any."""

    user_data: str
    at: float
    launch: str = ""


def planned(config: Config, cloud: Cloud, want: Want, vms: int, made: Made, now: float) -> Planned:
    """`vms` VMs for one want, in one call to `cloud`; `now` is Redis time in seconds."""
    joins = config.told_pool(want.queue, want.cloud)
    pool = told_of(config, joins) if joins else ""
    intent = _intent(config.factory.name, cloud, want, vms, made, pool, now)
    like = _row(config, intent, want, pool)
    return intent, [replace(like, id=f"{intent.id}-{index}") for index in range(vms)]


def new_launch() -> str:
    """The id of a launch that nobody made yet."""
    return uuid.uuid4().hex[:12]


def _intent(factory: str, cloud: Cloud, want: Want, count: int, made: Made, pool: str, now: float) -> Intent:
    intent = made.launch or new_launch()
    token = hashlib.sha256(f"{factory}/{want.cloud}/{want.queue}/{intent}".encode()).hexdigest()
    order = Order(
        intent=intent,
        queue=want.queue,
        count=count,
        token=token,
        user_data=made.user_data,
        decision=want.decision,
        pool=pool,
    )
    return Intent(
        id=intent,
        cloud=want.cloud,
        queue=want.queue,
        count=count,
        token=token,
        request=cloud.prepare(order),
        written=now,
        tried=now,
        decision=want.decision,
    )


def _row(config: Config, intent: Intent, want: Want, pool: str) -> Vm:
    """Of the first of them."""
    return Vm(
        id=f"{intent.id}-0",
        cloud=intent.cloud,
        queue=want.queue,
        state=State.LAUNCHING,
        since=intent.written,
        born=intent.written,
        reason=f"{want.queue} wants {want.n}",
        intent=intent.id,
        usd_per_hour=config.clouds[intent.cloud].usd_per_hour,
        image=config.clouds[intent.cloud].made_from,
        promise=promise_of(config.clouds[intent.cloud]),
        pool=pool,
    )
