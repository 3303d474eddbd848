"""`apf plan`: what the factory would do now, and why. The world is asked once, and nothing is written anywhere.

It needs no Redis and no host. So it can be asked before a factory runs for the first time, or with a changed file
before that is applied. What cannot be known without rows, `actors.console.plan` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from actors.config.policy_rules import worker_slots
from actors.config.schema import Config
from actors.console import plan
from actors.console.chain import feeding
from actors.console.plan import Planned, Seen
from actors.console.status_model import StatusPart
from actors.fleet.number_of import number_of
from actors.fleet.observations import Failed
from actors.pools.port import Slots
from actors.runtime import adapters

AT_ONCE = 8


class CloudPlan(StatusPart):
    """VMs of one cloud for one queue: what there is (None: not known), what there would be (None: cannot be said)."""

    cloud: str
    have: int | None
    would_be: int | None
    start: int
    release: int


class QueuePlan(StatusPart):
    """Counts of jobs. `waiting`: a cloud could run them, had it room. `why` has the decision's sentences, in order."""

    queue: str
    known: bool
    idle: int
    young: int
    running: int
    held: int
    waiting: int
    clouds: tuple[CloudPlan, ...]
    why: tuple[str, ...]
    cannot_run: tuple[str, ...]


class NotRead(StatusPart):
    """A source that did not answer, in full. What rests on it stays as it is."""

    source: str
    why: str


class PlanShown(StatusPart):
    """What `apf plan --json` prints. The shape is stable. `usd_per_hour_more`: what would be spent beyond now's."""

    shape: Literal[1] = 1
    factory: str
    not_read: tuple[NotRead, ...]
    queues: tuple[QueuePlan, ...]
    usd_per_hour_more: float


def make(config: Config, now: float) -> PlanShown:
    """Ask every pool and cloud, and decide for every queue. `now`: Unix seconds.

    Takes as long as the slowest source's time limits. Raises NoSecret, PoolError, CloudError when a source cannot even
    be set up.
    """
    with ExitStack() as open_ones:
        pools = {name: open_ones.enter_context(closing(adapters.pool(config, name))) for name in config.pools}
        clouds = {name: open_ones.enter_context(closing(adapters.cloud(config, name))) for name in config.clouds}
        seen = _look(pools, clouds, now, {name: worker_slots(config, name) for name in config.pools})
    return report(config, seen, plan.plan(config, seen, now))


def _look(
    pools: Mapping[str, plan.Looks], clouds: Mapping[str, plan.Lists], now: float, slots: Mapping[str, Slots]
) -> Seen:
    """All sources side by side."""
    looks: list[Callable[[], Seen]] = [
        *(lambda name=name, pool=pool: plan.look({name: pool}, {}, now, slots) for name, pool in pools.items()),
        *(lambda name=name, cloud=cloud: plan.look({}, {name: cloud}, now) for name, cloud in clouds.items()),
    ]
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="plan") as crew:
        seen = list(crew.map(lambda look: look(), looks))
    return Seen(
        jobs={name: one for part in seen for name, one in part.jobs.items()},
        startds={name: one for part in seen for name, one in part.startds.items()},
        listings={name: one for part in seen for name, one in part.listings.items()},
    )


def report(config: Config, seen: Seen, planned: tuple[Planned, ...]) -> PlanShown:
    queues = tuple(_queue(one, feeding(config, one.decision.queue)) for one in planned)
    more = sum(
        (cloud.start - cloud.release) * config.clouds[cloud.cloud].usd_per_hour
        for queue in queues
        for cloud in queue.clouds
    )
    return PlanShown(
        factory=config.factory.name, not_read=tuple(_not_read(seen)), queues=queues, usd_per_hour_more=round(more, 4)
    )


def _not_read(seen: Seen) -> Iterator[NotRead]:
    for name, jobs in seen.jobs.items():
        missing = "; ".join(f"{schedd.name}: {schedd.error}" for schedd in getattr(jobs, "schedds", ()) if schedd.error)
        if isinstance(jobs, Failed) or missing:
            yield NotRead(source=f"pool/{name} jobs", why=jobs.reason if isinstance(jobs, Failed) else missing)
    for name, startds in seen.startds.items():
        if isinstance(startds, Failed):
            yield NotRead(source=f"pool/{name} startds", why=startds.reason)
    for name, listing in seen.listings.items():
        if isinstance(listing, Failed):
            yield NotRead(source=f"cloud/{name} listing", why=listing.reason)


def _queue(one: Planned, feeds: tuple[str, ...]) -> QueuePlan:
    demand, unmet = one.decision.demand, tuple(each.why for each in one.decision.unmet)
    return QueuePlan(
        queue=one.decision.queue,
        known=demand.known,
        idle=demand.idle,
        young=demand.young,
        running=demand.running,
        held=demand.held,
        waiting=one.decision.waiting,
        clouds=tuple(_cloud(one, cloud, n) for cloud, n in one.have.items()),
        why=(*feeds, *(line for line in one.decision.why if line not in unmet)),
        cannot_run=unmet,
    )


def _cloud(one: Planned, cloud: str, have: int | None) -> CloudPlan:
    want = one.decision.wants.get(cloud)
    if have is None or want is None:
        return CloudPlan(cloud=cloud, have=have, would_be=have, start=0, release=0)
    more = want.n - have
    return CloudPlan(cloud=cloud, have=have, would_be=want.n, start=max(0, more), release=max(0, -more))


def screen(made: PlanShown) -> RenderableType:
    """The plan for a person: what did not answer, what would be done, and for each queue why."""
    parts: list[RenderableType] = [
        Text.assemble(("not read  ", "bold red"), f"{one.source}: {one.why}") for one in made.not_read
    ]
    parts += [_head(made), _table(made)]
    for queue in made.queues:
        parts += [Text(f"{queue.queue}: {line}", style="dim") for line in queue.why]
        parts += [Text(f"{queue.queue}: {line}", style="yellow") for line in queue.cannot_run]
    return Group(*parts)


def _head(made: PlanShown) -> Text:
    clouds = [cloud for queue in made.queues for cloud in queue.clouds]
    start, release = sum(cloud.start for cloud in clouds), sum(cloud.release for cloud in clouds)
    if not start and not release:
        return Text(f"factory {made.factory} would start and release nothing", style="bold")
    money = f"${abs(made.usd_per_hour_more):.2f} an hour {'more' if made.usd_per_hour_more >= 0 else 'less'}"
    return Text(
        f"factory {made.factory} would start {start} and release {number_of(release, 'VM')}: {money}", style="bold"
    )


def _table(made: PlanShown) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("queue", "jobs waiting", "running", "cloud", "VMs", "would be", ""):
        table.add_column(column, justify="right" if column in ("VMs", "would be") else "left")
    for queue in made.queues:
        jobs = (str(queue.idle), str(queue.running)) if queue.known else ("?", "?")
        for row, cloud in enumerate(queue.clouds):
            head = ("", "", "") if row else (queue.queue, *jobs)
            vms = ("?", "?") if cloud.have is None else (str(cloud.have), str(cloud.would_be))
            table.add_row(*head, cloud.cloud, *vms, _move(cloud))
    return table


def _move(cloud: CloudPlan) -> Text:
    if cloud.have is None:
        return Text("stays as it is", style="yellow")
    if cloud.start:
        return Text(f"start {cloud.start}", style="green")
    return Text(f"release {cloud.release}", style="magenta") if cloud.release else Text("")
