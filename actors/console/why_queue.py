"""`apf why CONFIG QUEUE`: why a queue has the VMs that it has, in the words of who decided. From rows alone.

The sentences stand in the rows since the decision was made; nothing is guessed afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from actors.config.mistakes import did_you_mean
from actors.config.schema import Config
from actors.console.ago import ago, clock
from actors.console.chain import chains, fed_by
from actors.console.status import drains_wait
from actors.fleet.vm import Vm
from actors.fleet.want import Want
from actors.store.readings import DemandHead, demand_head
from actors.store.vms import read_vms
from actors.store.wants import QueueStanding, read_standing, read_wants
from broker.rows.table import Table


class NotKnown(Exception):
    """There is no such queue or VM: the message says what there is."""


def queue_story(config: Config, table: Table, queue: str, now: float) -> RenderableType:
    """`now`: Redis seconds. Raises NotKnown, Unreachable."""
    if queue not in config.queues:
        raise NotKnown(f"there is no queue {queue!r}; {did_you_mean(queue, config.queues)}")
    head = demand_head(table, config.queues[queue].pool)
    standing = read_standing(table, queue)
    if standing is None:
        return Text(f"queue {queue}: nothing was decided yet; does a host hold queue/{queue}? see `apf status`")
    wants = read_wants(table, queue)
    order = [*config.queues[queue].cascade, tuple(wants)]
    clouds = dict.fromkeys(cloud for tier in order for cloud in tier if cloud in wants)
    lines = [*_jobs(queue, standing, head, now), *_chains(config, table, queue, standing), *_unmet(standing)]
    vms = [vm for vm in read_vms(table, clouds) if vm.queue == queue and vm.alive]
    return Group(*lines, *(line for cloud in clouds for line in (*_want(wants[cloud], now), *_waiting(cloud, vms))))


def _jobs(queue: str, standing: QueueStanding, head: DemandHead, now: float) -> Iterator[Text]:
    read = f"read {ago(now - head.at)} ago" if head.at else "never read"
    counts = f"{standing.idle} idle, {standing.young} too young to count, {standing.running} running"
    known = f"{counts}, {standing.held} held" if standing.known else "its jobs are not known now"
    yield Text.assemble((f"queue {queue}", "bold"), f"   {known}; {read}")
    for line in standing.why:
        if line not in standing.unmet:
            yield Text(f"  {line}")


def _chains(config: Config, table: Table, queue: str, standing: QueueStanding) -> Iterator[Text]:
    """Where its pilots are the jobs of another queue."""
    if fed_by(config, queue):
        for line in chains(config, queue, standing.idle, read_vms(table, config.clouds)):
            yield Text(f"  {line}")


def _waiting(cloud: str, vms: Iterable[Vm]) -> Iterator[Text]:
    for line in drains_wait(vm for vm in vms if vm.cloud == cloud):
        yield Text(f"  {line}", style="yellow")


def _unmet(standing: QueueStanding) -> Iterator[Text]:
    for line in standing.unmet:
        yield Text(f"  {line}", style="yellow")


def _want(want: Want, now: float) -> Iterator[Text]:
    since = f"   since {clock(want.changed)}, {ago(now - want.changed)} ago, by decision {want.decision}"
    yield Text.assemble((f"wants {want.n} of {want.cloud}", "bold"), since)
    for line in want.reasons:
        yield Text(f"  {line}")
    for since_at, vms in want.surplus:
        yield Text(f"  {vms} of them not needed for {ago(now - since_at)}")
