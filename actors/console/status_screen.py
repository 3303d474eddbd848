"""The status as a person reads it: first what is wrong, then what it is doing and why, then what costs money."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from actors.console.ago import ago
from actors.console.status_model import CloudStatus, QueueStatus, SourceStatus, Status, WishStatus
from actors.fleet.wish import OPPOSITE

UNFOLDED = 10  # so many queues are shown, whatever they do
NAMED = 5
WIDE = 140  # columns that the list of VMs needs with its reasons
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
        *(note for cloud in status.clouds for note in _cloud_notes(cloud)),
        *_accounts(status),
        _running(status),
        _sources(status),
    ]
    if with_vms:
        parts.append(_Vms(status))
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
        unread = [queue.name for queue in status.queues if not queue.known]
        known = Text("nothing is wrong", style="green")
        yield Text(f"not known: demand of {', '.join(unread)} was not read", style="yellow") if unread else known
    for trouble in status.troubles:
        mark, style = ("WRONG ", "bold red") if trouble.weight == "bad" else ("note  ", "yellow")
        yield Text.assemble((mark, style), trouble.what, (f"  -> {trouble.todo}" if trouble.todo else "", "dim"))


def _queues(status: Status) -> Iterator[RenderableType]:
    table = _table("queue", "jobs idle", "young", "running", "held", "VMs wanted")
    shown_queues, idle = _folded(status.queues)
    for queue in shown_queues:
        counts = (queue.idle, queue.young, queue.running, queue.held)
        shown = [str(count) for count in counts] if queue.known else ["?"] * len(counts)
        table.add_row(queue.name, *shown, _wants(queue))
    yield table
    if idle:
        names = ", ".join(queue.name for queue in idle[:NAMED]) + ", ..." * (len(idle) > NAMED)
        yield Text(f"  {len(idle)} more without jobs or VMs: {names}  (see one: --queue NAME)", style="dim")
    for queue in shown_queues:
        for line in queue.why:
            yield Text(f"  {queue.name}: {line}", style="dim")


def _folded(queues: tuple[QueueStatus, ...]) -> tuple[list[QueueStatus], list[QueueStatus]]:
    """(those shown, those that have nothing to show). Few queues are all shown."""
    idle = [queue for queue in queues if len(queues) > UNFOLDED and not _is_busy(queue)]
    return [queue for queue in queues if queue not in idle], idle


def _is_busy(queue: QueueStatus) -> bool:
    jobs = queue.idle + queue.young + queue.running + queue.held + queue.waiting
    return bool(jobs or queue.cannot_run or not queue.known or any(want.vms for want in queue.wants))


def _wants(queue: QueueStatus) -> str:
    return ", ".join(f"{want.cloud} {want.vms}" for want in queue.wants) or "none said yet"


def _clouds(status: Status) -> Table:
    table = _table("cloud", "VMs of max", "by state", "room", "$/h each", "$/h now", long="by state")
    told = set[str]()
    for cloud in status.clouds:
        if cloud.family and cloud.family not in told:
            told.add(cloud.family)
            table.add_row(*_all_shapes([one for one in status.clouds if one.family == cloud.family]))
        alive = _alive(cloud)
        table.add_row(
            cloud.name,
            f"{alive} of {cloud.max_vms}",
            _states(cloud),
            str(cloud.room),
            f"{cloud.usd_per_hour:.2f}",
            f"{cloud.usd_per_hour_now:.2f}",
        )
    return table


def _cloud_notes(cloud: CloudStatus) -> Iterator[Text]:
    """In lines of their own: beside the numbers there is no room for sentences on a narrow screen."""
    marks = ("CLOSED" * bool(cloud.closed), "FROZEN" * bool(cloud.frozen), "not in this file" * cloud.left_out)
    if note := "; ".join(filter(None, (*marks, cloud.full))):
        yield Text(f"  {cloud.name}: {note}", style="yellow")
    for line in cloud.drains_wait:
        yield Text(f"  {cloud.name}: {line}", style="dim")


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
        up = ago(status.at - host.started_at)
        table.add_row(host.name, host.version, f"{host.beat_age_s:.1f} s ago", up, ", ".join(held) or "nothing")
    free = [post.post for post in status.posts if not post.holder]
    if free:
        table.add_row(Text("nobody", style="yellow"), "", "", "", ", ".join(free))
    return table


def _sources(status: Status) -> Table:
    table = _table("source", "read", "every", "last look")
    for source in status.sources:
        table.add_row(source.name, _read(source), f"{source.interval_s:g} s", _last_look(source))
    return table


def _last_look(source: SourceStatus) -> Text:
    if source.failed:
        return Text(f"failed: {source.failed}", style="red")
    return Text("none yet", style="yellow") if source.read_age_s is None else Text("good", style="green")


def _read(source: SourceStatus) -> str:
    return "never" if source.read_age_s is None else f"{ago(source.read_age_s)} ago"


def _wishes(status: Status) -> Iterator[Text]:
    """Those in force. What a newer one replaced, and what concerns VMs that are gone, `apf wishes` tells."""
    alive = {name for vm in status.vms if vm.state not in ("ended", "failed") for name in (vm.id, vm.instance_id)}
    replaced = {one.id for one in status.wishes if any(_replaces(newer, one) for newer in status.wishes)}
    done = {one.id for one in status.wishes if one.selector == "vm" and not alive.intersection(one.names)}
    for wish in status.wishes:
        if wish.id not in replaced | done:
            left = ago(wish.ends_at - status.at)
            what = f"{wish.verb} {wish.selector} {' '.join(wish.names)}".strip()
            said = f"{what}, by {wish.by}: {wish.reason}"
            yield Text.assemble(("wish  ", "cyan"), said, (f"  for {left} more", "dim"))
    if over := len(replaced | done):
        yield Text(f"      {_count(over, 'wish', 'es')} more, replaced or done: apf wishes CONFIG", style="dim")


def _replaces(newer: WishStatus, wish: WishStatus) -> bool:
    """Whether `newer` decides for all that `wish` concerns."""
    same = OPPOSITE.get(newer.verb, newer.verb) == OPPOSITE.get(wish.verb, wish.verb)
    whole = newer.selector == "all" or (newer.selector, newer.names) == (wish.selector, wish.names)
    return newer.at > wish.at and same and whole


class _Vms:
    """The list of VMs, with its reasons where there is room, else below."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        wide = options.max_width >= WIDE
        table = _table("VM", "cloud", "queue", "state", "for", "age", "instance", *["why"] * wide)
        for vm in self._status.vms:
            marks = " held" * bool(vm.held) + " unwanted" * vm.unwanted
            state = Text(vm.state + marks, style=_COLOURS[vm.state])
            why = [vm.held or vm.why] * wide
            ages = (ago(vm.state_age_s), ago(vm.age_s))
            table.add_row(vm.id, vm.cloud, vm.queue, state, *ages, vm.instance_id, *why)
        yield table
        if not wide:
            yield from (Text(f"  {vm.id}: {vm.held or vm.why}", style="dim") for vm in self._status.vms)


def _table(*columns: str, long: str = "") -> Table:
    """Only the column `long` (else the last one) is broken over lines when the screen is narrow."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column != (long or columns[-1]))
    return table


def _count(number: int, what: str, more: str = "s") -> str:
    return f"{number} {what}" + ("" if number == 1 else more)
