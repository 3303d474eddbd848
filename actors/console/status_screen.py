"""The status as a person reads it: first what is wrong, then what it is doing and why, then what costs money."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from actors.console.status_model import CloudStatus, QueueStatus, SourceStatus, Status

_STATES = ("launching", "booting", "ready", "draining", "drained", "ending", "failed", "ended")
_COLOURS = {
    "launching": "cyan",
    "booting": "cyan",
    "ready": "green",
    "draining": "yellow",
    "drained": "yellow",
    "ending": "magenta",
    "failed": "red",
    "ended": "dim",
}


def screen(status: Status, with_vms: bool = False) -> RenderableType:
    """Everything but the list of VMs, which can be long."""
    parts = [
        _head(status),
        *_troubles(status),
        *_wishes(status),
        *_queues(status),
        _clouds(status),
        *(Text(f"  {cloud.name}: {line}", style="dim") for cloud in status.clouds for line in cloud.drains_wait),
        *_accounts(status),
        _running(status),
        _sources(status),
    ]
    if with_vms:
        parts.append(_vms(status))
    return Group(*parts)


def _head(status: Status) -> Text:
    alive = [vm for vm in status.vms if vm.state not in ("ended", "failed")]
    at = datetime.fromtimestamp(status.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    hosts = _count(len(status.hosts), "host")
    return Text.assemble(
        (f"factory {status.factory}", "bold"), f"   {hosts}, {_count(len(alive), 'VM')}, ",
        (f"${status.usd_per_hour:.2f} an hour now", "bold"), f"   {at}",
    )  # fmt: skip


def _troubles(status: Status) -> Iterator[Text]:
    if not status.troubles:
        yield Text("nothing is wrong", style="green")
    for trouble in status.troubles:
        mark, style = ("WRONG ", "bold red") if trouble.weight == "bad" else ("note  ", "yellow")
        yield Text.assemble((mark, style), trouble.what, (f"  -> {trouble.todo}" if trouble.todo else "", "dim"))


def _queues(status: Status) -> Iterator[RenderableType]:
    table = _table("queue", "jobs idle", "young", "running", "held", "VMs wanted")
    for queue in status.queues:
        counts = (queue.idle, queue.young, queue.running, queue.held)
        shown = [str(count) for count in counts] if queue.known else ["?"] * len(counts)
        table.add_row(queue.name, *shown, _wants(queue))
    yield table
    for queue in status.queues:
        for line in queue.why:
            yield Text(f"  {queue.name}: {line}", style="dim")


def _wants(queue: QueueStatus) -> str:
    return ", ".join(f"{want.cloud} {want.vms}" for want in queue.wants) or "none said yet"


def _clouds(status: Status) -> Table:
    table = _table("cloud", "VMs of max", "by state", "room", "$/h each", "$/h now", "", long="by state")
    told = set[str]()
    for cloud in status.clouds:
        if cloud.family and cloud.family not in told:
            told.add(cloud.family)
            table.add_row(*_all_shapes([one for one in status.clouds if one.family == cloud.family]))
        alive = _alive(cloud)
        note = "CLOSED" * bool(cloud.closed) + " FROZEN" * bool(cloud.frozen) + " not in this file" * cloud.left_out
        table.add_row(
            cloud.name,
            f"{alive} of {cloud.max_vms}",
            _states(cloud),
            str(cloud.room),
            f"{cloud.usd_per_hour:.2f}",
            f"{cloud.usd_per_hour_now:.2f}",
            Text("; ".join(filter(None, (note.strip(), cloud.full))), style="yellow"),
        )
    return table


def _all_shapes(shapes: list[CloudStatus]) -> tuple[str, ...]:
    """A line for the cloud whose shapes they are."""
    of_max = f"{sum(map(_alive, shapes))} of {shapes[0].family_max_vms}"
    return (
        f"{shapes[0].family}, all shapes",
        of_max,
        "",
        "",
        "",
        f"{sum(one.usd_per_hour_now for one in shapes):.2f}",
        "",
    )


def _alive(cloud: CloudStatus) -> int:
    return sum(count for state, count in cloud.vms.items() if state not in ("ended", "failed"))


def _accounts(status: Status) -> Iterator[Table]:
    """Used, and of how much: over all clouds, queues and hosts, with VMs of others."""
    table = _table("account", "VMs", "cores", "$/h", "clouds", "")
    for one in status.accounts:
        unknown = f"not known: {', '.join(one.unknown)}; nothing is bought" if one.unknown else ""
        table.add_row(
            one.name,
            _of(one.vms, one.max_vms, "d"),
            _of(one.cores, one.max_cores, "d"),
            _of(one.usd_per_hour, one.max_usd_per_hour, ".2f"),
            ", ".join(one.clouds),
            Text(unknown, style="yellow"),
        )
    if status.accounts:
        yield table


def _of(used: float, limit: float | None, form: str) -> str:
    return f"{used:{form}}" if limit is None else f"{used:{form}} of {limit:{form}}"


def _states(cloud: CloudStatus) -> Text:
    parts = [(f"{cloud.vms[state]} {state}", _COLOURS[state]) for state in _STATES if state in cloud.vms]
    return Text(", ").join(Text(text, style=style) for text, style in parts)


def _running(status: Status) -> Table:
    table = _table("host", "version", "seen", "up", "holds")
    for host in status.hosts:
        held = [post.post for post in status.posts if post.holder == host.name]
        up = _ago(status.at - host.started_at)
        table.add_row(host.name, host.version, f"{host.beat_age_s:.1f} s ago", up, ", ".join(held) or "nothing")
    free = [post.post for post in status.posts if not post.holder]
    if free:
        table.add_row(Text("nobody", style="yellow"), "", "", "", ", ".join(free))
    return table


def _sources(status: Status) -> Table:
    table = _table("source", "read", "every", "last look")
    for source in status.sources:
        failed = Text("failed: " + source.failed, style="red") if source.failed else Text("good", style="green")
        table.add_row(source.name, _read(source), f"{source.interval_s:g} s", failed)
    return table


def _read(source: SourceStatus) -> str:
    return "never" if source.read_age_s is None else f"{_ago(source.read_age_s)} ago"


def _wishes(status: Status) -> Iterator[Text]:
    for wish in status.wishes:
        left = _ago(wish.ends_at - status.at)
        what = f"{wish.verb} {wish.selector} {' '.join(wish.names)}".strip()
        yield Text.assemble(("wish  ", "cyan"), f"{what}, by {wish.by}: {wish.reason}", (f"  for {left} more", "dim"))


def _vms(status: Status) -> Table:
    table = _table("VM", "cloud", "queue", "state", "for", "age", "instance", "why")
    for vm in status.vms:
        marks = " held" * bool(vm.held) + " unwanted" * vm.unwanted
        state = Text(vm.state + marks, style=_COLOURS[vm.state])
        why = vm.held or vm.why
        table.add_row(vm.id, vm.cloud, vm.queue, state, _ago(vm.state_age_s), _ago(vm.age_s), vm.instance_id, why)
    return table


def _table(*columns: str, long: str = "") -> Table:
    """Only the column `long` (else the last one) is broken over lines when the screen is narrow."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column != (long or columns[-1]))
    return table


def _ago(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
