"""`apf why CONFIG VM`: the life of one VM as a story, from why it was bought to what proved that it might be ended.

It is told from its history (`fleet.history`), which outlives its row. Of a VM without history, or whose beginning is
not kept any more, the row and its launch intent tell what they hold. Nothing is guessed afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from actors.config.mistakes import did_you_mean
from actors.config.schema import Config
from actors.console.ago import ago, clock
from actors.console.opened import Store, clouds_known
from actors.console.status_model import StatusPart
from actors.console.why_queue import NotKnown as NotKnown
from actors.console.why_queue import queue_story
from actors.fleet.adoption import without_row
from actors.fleet.history import Moment
from actors.fleet.nearest import nearest
from actors.fleet.number_of import number_of
from actors.fleet.reconcile import FINAL, astray_because
from actors.fleet.vm import KEPT_S, Intent, State, Vm
from actors.store.history import read_moments
from actors.store.vms import read_intent, read_vm, read_vms
from actors.store.wants import read_wants
from broker.rows.table import Table

OVER = (State.ENDED.value, State.FAILED.value)


class MomentLine(StatusPart):
    """One change. `at`: Redis seconds. `was` is empty where the VM appears; `was` = `now`: not its state changed."""

    at: float
    was: str
    now: str
    why: str
    evidence: tuple[str, ...]
    decision: str
    by: str


class VmStory(StatusPart):
    """What `apf why CONFIG VM --json` prints. `whole`: the first moment is kept too. Seconds by state, up to now.

    `billed_s`: from the instance's start to its end, or now; `usd`: what that comes to at the price of its row.
    """

    shape: int = 1
    vm: str
    cloud: str
    queue: str
    state: str
    instance_id: str
    machine: str
    whole: bool
    summary: tuple[str, ...]
    seconds: dict[str, float]
    billed_s: float
    usd_per_hour: float
    usd: float
    moments: tuple[MomentLine, ...]
    row: tuple[MomentLine, ...]


def told(config: Config, rows: Store, name: str, vm: str) -> RenderableType:
    """Of `vm`, or of whatever `name` names: a queue first. Raises NotKnown, Unreachable."""
    if name in config.queues:
        return queue_story(config, rows.table, name, rows.now)
    try:
        story = read(config, rows, vm or name)
    except NotKnown as unknown:
        if vm:
            raise
        raise NotKnown(f"there is no queue {name!r}; {did_you_mean(name, config.queues)}. And {unknown}") from unknown
    return screen(story, read_vm(rows.table, story.cloud, story.vm), rows.now)


def read(config: Config, rows: Store, name: str) -> VmStory:
    """`name`: a VM's id, its instance id, or its startd's machine name. Raises NotKnown, Unreachable."""
    clouds = clouds_known(config, rows)
    vms = read_vms(rows.table, clouds)
    vm = next((vm for vm in vms if name in (vm.id, vm.instance_id, vm.machine)), None)
    told = (
        read_moments(rows.lines, [vm.cloud], vm.id, since=vm.born - 60.0)
        if vm
        else read_moments(rows.lines, clouds, name)
    )
    if vm is None and not told:
        near = nearest(name, [known for vm in vms for known in (vm.id, vm.instance_id) if known][:1000])
        hint = f"did you mean {near!r}?" if near else "see `apf status --vms`"
        kept = ago(config.factory.history_kept_s)
        raise NotKnown(f"no VM {name!r}; {hint}. Rows are kept for {ago(KEPT_S)} after a VM's end, history for {kept}.")
    return _story(vm, told, tuple(_of_row(rows.table, vm)) if vm and not _whole(told) else (), rows.now)


def _story(vm: Vm | None, told: list[Moment], row: tuple[MomentLine, ...], now: float) -> VmStory:
    last = told[-1] if told else None
    state = vm.state.value if vm else last.now if last else ""
    seconds = _seconds(told, now)
    billed_s = _billed_s(vm, told, now)
    price = vm.usd_per_hour if vm else last.usd_per_hour if last else 0.0
    about = vm or last
    assert about is not None  # `read` found one of the two
    return VmStory(
        vm=vm.id if vm else last.vm if last else "",
        cloud=about.cloud,
        queue=about.queue,
        state=state,
        instance_id=about.instance_id,
        machine=about.machine,
        whole=_whole(told),
        summary=tuple(_summary(told, seconds, billed_s, price, now)),
        seconds=seconds,
        billed_s=billed_s,
        usd_per_hour=price,
        usd=billed_s / 3600 * price,
        moments=tuple(_line(one) for one in told),
        row=row,
    )


def _whole(told: list[Moment]) -> bool:
    return bool(told) and not told[0].was


def _line(one: Moment) -> MomentLine:
    fields = {name: getattr(one, name) for name in MomentLine.model_fields}
    return MomentLine(**fields)


def _moves(told: Iterable[Moment]) -> list[Moment]:
    return [one for one in told if one.was != one.now]


def _seconds(told: list[Moment], now: float) -> dict[str, float]:
    """How long it was in each state that is not its end."""
    moves = _moves(told)
    spent: dict[str, float] = {}
    for index, one in enumerate(moves):
        until = moves[index + 1].at if index + 1 < len(moves) else now
        if one.now not in OVER:
            spent[one.now] = spent.get(one.now, 0.0) + max(0.0, until - one.at)
    return spent


def _billed_s(vm: Vm | None, told: list[Moment], now: float) -> float:
    """From when it had an instance: what is billed begins about then, and ends about when it was seen to be gone."""
    began = next((one.at for one in told if one.instance_id), vm.born if vm and vm.instance_id else 0.0)
    if not began:
        return 0.0
    ends = [one.at for one in told if one.now in OVER] or ([vm.since] if vm and not vm.alive else [])
    return max(0.0, (ends[-1] if ends else now) - began)


# --- in a few sentences


def _summary(
    told: list[Moment], seconds: dict[str, float], billed_s: float, usd_per_hour: float, now: float
) -> Iterator[str]:
    moves = _moves(told)
    if not moves:
        return
    yield from _beginning(moves[0], now)
    if "booting" in seconds:
        joined = any(one.was == "booting" and one.now == "ready" for one in moves)
        yield f"It booted for {ago(seconds['booting'])}" + ("." if joined else ", and its startd never joined.")
    if "ready" in seconds:
        yield f"It served for {ago(seconds['ready'])}" + (f"; {seen}." if (seen := _last_seen(told)) else ".")
    yield from _retiring(moves, seconds)
    if billed_s:
        yield f"It cost about ${billed_s / 3600 * usd_per_hour:.2f}: {ago(billed_s)} at ${usd_per_hour:.2f} an hour."


def _beginning(first: Moment, now: float) -> Iterator[str]:
    when = f"{clock(first.at)}, {ago(now - first.at)} ago"
    if first.was:
        yield f"What happened before {when} is not kept any more."
    elif first.now == State.LAUNCHING.value:
        decision = f" by decision {first.decision}" if first.decision else ""
        yield f"It was bought {when}{decision}: {first.why}."
        if first.evidence:
            yield f"The reason then: {'; '.join(first.evidence)}."
    else:
        yield f"It was found {when}: {first.why}."


def _last_seen(told: list[Moment]) -> str:
    """What its slots showed last, before they drained: the nearest that readings say of what it ran."""
    shown = [one.startd_showed for one in told if one.was == State.READY.value and one.startd_showed]
    return shown[-1] if shown else ""


def _retiring(moves: list[Moment], seconds: dict[str, float]) -> Iterator[str]:
    for one in moves:
        decision = f" (decision {one.decision})" if one.decision else ""
        if one.now == "draining" and one.was == "ready":
            yield f"It was drained because {one.why}{decision}."
        elif one.now == "ready" and one.was == "draining":
            yield f"It came back: {one.why}."
        elif one.now == "ending":
            yield f"It might be ended because {one.why}{decision}."
        elif one.now in OVER:
            drained = f" It drained for {ago(seconds['draining'])}." if "draining" in seconds else ""
            yield f"Its end: {one.why}.{drained}"


# --- what the row tells, where history does not


def _of_row(table: Table, vm: Vm) -> Iterator[MomentLine]:
    intent = _intent(table, vm)
    decision = intent.decision if intent else ""
    bought = tuple(_decided(table, vm, intent))
    moments = [*_launch(vm, intent), *_life(vm)]
    for index, (at, why) in enumerate(sorted(moments, key=lambda one: one[0])):
        first = not index
        yield _row_line(at, "", why, evidence=bought if first else (), decision=decision if first else "")
    yield _row_line(vm.since, vm.state.value, vm.reason)


def _intent(table: Table, vm: Vm) -> Intent | None:
    return read_intent(table, vm.cloud, vm.intent) if vm.intent else None


def _row_line(at: float, now: str, why: str, evidence: tuple[str, ...] = (), decision: str = "") -> MomentLine:
    return MomentLine(at=at, was="", now=now, why=why, evidence=evidence, decision=decision, by="")


def _launch(vm: Vm, intent: Intent | None) -> Iterator[tuple[float, str]]:
    if without_row(vm):
        yield vm.born, "launched, as the cloud says: it carried our tags and had no row, so it was adopted"
        return
    decision = f", by decision {intent.decision}" if intent and intent.decision else ""
    yield vm.born, f"launch {vm.intent} written down{decision}"
    if intent and intent.unknown:
        yield (
            intent.tried,
            f"whether the launch worked was not known: {intent.unknown}; tried {number_of(intent.tries, 'time')}",
        )


def _life(vm: Vm) -> Iterator[tuple[float, str]]:
    if vm.joined:
        yield vm.joined, f"its startd joined as {vm.machine}"
    if vm.unwanted:
        yield vm.unwanted, "given up while it booted: it is drained when it joins, if it is not wanted again"
    if vm.refused_at:
        yield vm.refused_at, f"its startd refused to drain: {vm.drain_refused or 'asked again since'}"
    if vm.drain_asked:
        yield vm.drain_asked, f"its startd took drain {vm.drains}, for {vm.drain_for or ''}, as request {vm.request_id}"
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


# --- on a screen


def screen(story: VmStory, vm: Vm | None, now: float) -> RenderableType:
    """`vm`: its row, while there is one: what is said of it now."""
    head = Text.assemble((f"VM {story.vm}", "bold"), f"   {story.state}, on {story.cloud} for {story.queue}")
    price = f"${story.usd_per_hour:.2f} an hour"
    facts = [story.instance_id, vm.address if vm else "", story.machine, vm.market if vm else "", price]
    lines = [head, Text("  " + ", ".join(dict.fromkeys(fact for fact in facts if fact))), *(row_says(vm) if vm else ())]
    lines += [Text(f"  {line}") for line in story.summary]
    lines += [line for one in (*story.row, *story.moments) for line in _shown(one, now)]
    return Group(*lines)


def row_says(vm: Vm) -> Iterator[Text]:
    """What stands in its way now."""
    for word, told in (
        ("held", vm.held),
        ("killed by wish", vm.killed),
        ("lost", vm.lost),
        ("its drain waits", vm.drain_waits),
        ("astray", astray_because(vm)),
        ("final", FINAL if vm.final else ""),
    ):
        if told:
            yield Text(f"  {word}: {told}", style="yellow")


def _shown(one: MomentLine, now: float) -> Iterator[Text]:
    state = f"{one.now}: " if one.now and one.was != one.now else ""
    asked = f"   [{one.decision}]" if one.decision else ""
    yield Text(f"  {clock(one.at)}  {ago(now - one.at):>6} ago  {state}{one.why}{asked}")
    for line in one.evidence:
        yield Text(f"{'':39}{line}", style="dim")
