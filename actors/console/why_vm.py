"""`apf why CONFIG --vm ID`: the life of one VM as its row tells it, from the launch to what it is now, and why.

A row keeps the moments that later decisions rest on, and the reason of its present state only; the reasons in between
are in the hosts' logs, by the VM's id.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from actors.config import Config
from actors.config_mistakes import did_you_mean
from actors.console.why import NotKnown, ago, clock
from actors.fleet.vm import KEPT_S, Intent, Vm
from actors.packing import unpack
from actors.registry import read_vms
from actors.wants import read_wants
from broker.table import Table

Moment = tuple[float, str]


def vm_story(config: Config, table: Table, name: str, now: float) -> RenderableType:
    """`name`: a VM's id, its instance id, or its startd's machine name. `now`: Redis seconds. Raises NotKnown."""
    vms = read_vms(table, config.clouds)
    vm = next((vm for vm in vms if name in (vm.id, vm.instance_id, vm.machine)), None)
    if vm is None:
        near = did_you_mean(name, [known for vm in vms for known in (vm.id, vm.instance_id) if known][:1000])
        hint = near if near.startswith("did") else "see `apf status --vms`"
        raise NotKnown(f"no VM {name!r}; {hint}. Rows are kept for {ago(KEPT_S)} after a VM's end.")
    row = table.get("intent", f"cloud/{vm.cloud}", vm.intent) if vm.intent else None
    intent = unpack(Intent, row.body) if row else None
    moments = sorted([*_launch(vm, intent), *_life(vm)], key=lambda moment: moment[0])
    lines = [*moments, (vm.since, f"{vm.state.value}: {vm.reason}")]
    told = [Text(f"  {clock(at)}  {ago(now - at):>6} ago  {line}") for at, line in lines]
    return Group(*_head(vm), *told, *(Text(f"  {line}", style="dim") for line in _decided(table, vm, intent)))


def _head(vm: Vm) -> Iterator[Text]:
    """What it is."""
    yield Text.assemble((f"VM {vm.id}", "bold"), f"   {vm.state.value}, on {vm.cloud} for {vm.queue}")
    facts = [vm.instance_id, vm.address, vm.machine, vm.market, f"${vm.usd_per_hour:.2f} an hour"]
    yield Text("  " + ", ".join(dict.fromkeys(fact for fact in facts if fact)))
    for word, told in (
        ("held", vm.held),
        ("killed by wish", vm.killed),
        ("lost", vm.lost),
        ("its drain waits", vm.drain_waits),
    ):
        if told:
            yield Text(f"  {word}: {told}", style="yellow")


def _launch(vm: Vm, intent: Intent | None) -> Iterator[Moment]:
    if vm.id.startswith("adopted-") or not vm.intent:
        yield vm.born, "launched, as the cloud says: it carried our tags and had no row, so it was adopted"
        return
    decision = f", by decision {intent.decision}" if intent and intent.decision else ""
    yield vm.born, f"launch {vm.intent} written down{decision}"
    if intent and intent.unknown:
        yield intent.tried, f"whether the launch worked was not known: {intent.unknown}; tried {intent.tries} times"


def _life(vm: Vm) -> Iterator[Moment]:
    if vm.joined:
        yield vm.joined, f"its startd joined as {vm.machine}"
    if vm.unwanted:
        yield vm.unwanted, "given up while it booted: it is drained when it joins, if it is not wanted again"
    if vm.refused_at:
        yield vm.refused_at, f"its startd refused to drain: {vm.drain_refused or 'asked again since'}"
    if vm.drain_asked:
        yield vm.drain_asked, f"its startd took drain {vm.drains}, for {vm.drain_for}, as request {vm.request_id}"
    if vm.end_asked:
        yield vm.end_asked, "the cloud accepted the call to end it"


def _decided(table: Table, vm: Vm, intent: Intent | None) -> Iterator[str]:
    """The sentences that it was bought for, as long as that decision's want stands; then the log has them."""
    if intent is None or not intent.decision:
        return
    want = read_wants(table, vm.queue).get(vm.cloud)
    if want is not None and want.decision == intent.decision:
        yield f"decision {want.decision}: {vm.queue} wants {want.n} of {vm.cloud}, because"
        yield from (f"  {line}" for line in want.reasons)
    else:
        yield f"decision {intent.decision} was followed by others: its sentences are in the hosts' logs, by its id"
