"""An operator's mail as the wish that it is, and what it meets: for who accepts it, and for who says so before."""

from __future__ import annotations

from collections.abc import Iterable

from actors.config.schema import Config
from actors.fleet.effects import WishScene
from actors.fleet.reasons import Freezing
from actors.fleet.vm import State, Vm
from actors.fleet.wish import Wish, for_cloud, told
from actors.runtime.messages import OperatorWish
from actors.store.views import read_views
from actors.store.vms import read_vms
from actors.store.wants import read_wishes
from broker.rows.table import Table


def wish_of(mail: OperatorWish, config: Config, vms: Iterable[Vm], now: float) -> Wish:
    """The wish that a mail is, accepted now. `vms`: of which so many of a queue are chosen, where it says so."""
    return Wish(
        id=mail.id,
        verb=mail.verb,
        selector="vm" if mail.count else mail.selector,
        names=tuple(_choose(vms, mail.name, mail.count)) if mail.count else _named(mail, config),
        reason=mail.reason,
        by=mail.by,
        at=now,
        ends=now + mail.life_s,
        replace=mail.replace,
    )


def scene(config: Config, table: Table, now: float) -> WishScene:
    """What wishes meet: the rows of all clouds, as they are."""
    wishes, frozen = read_wishes(table, now), {}
    for cloud in config.clouds:
        view, _ = read_views(table, cloud)
        if freeze := for_cloud(wishes, "freeze", cloud):
            frozen[cloud] = told(freeze)
        elif view and view.frozen_by is Freezing.STOPPED:
            frozen[cloud] = view.frozen  # by the freeze file of its holder's host
    vms = [vm for vm in read_vms(table, config.clouds) if vm.alive]
    return WishScene(vms=vms, wishes=wishes, queues=config.queues_by_cloud, frozen=frozen)


def _named(mail: OperatorWish, config: Config) -> tuple[str, ...]:
    """A cloud of several shapes is all of them."""
    if mail.selector != "cloud":
        return (mail.name,) if mail.name else ()
    itself = (mail.name,) if mail.name in config.clouds else ()
    return (*itself, *config.families.get(mail.name, ()))


def _choose(vms: Iterable[Vm], queue: str, count: int) -> list[str]:
    """The dearest first; among equals those that have not joined, then the youngest."""
    found = [vm for vm in vms if vm.queue == queue and vm.state not in (State.DRAINED, State.ENDING)]
    found.sort(key=lambda vm: (-vm.usd_per_hour, vm.state is State.READY, -vm.born, vm.id))
    return [vm.id for vm in found[:count]]
