"""Readings as rows: what the monitors saw, split by queue and cloud, so that each reader decodes only its part.

| kind    | post       | key        | body |
| ------- | ---------- | ---------- | ---- |
| demand  | pool/NAME  | "@"        | DemandHead: when, which schedds, what failed |
|         |            | a queue    | its job classes; written only when they changed |
| startds | pool/NAME  | "@"        | StartdsHead |
|         |            | a cloud    | the machines that say they are of this cloud |
|         |            | "-"        | machines of no known cloud: strays that every cloud must look at |
| listing | cloud/NAME | "@"        | ListingHead |
|         |            | "all"      | its instances |

A failed reading leaves the last good one in place and says in the head that, when and why it failed. Heads are small:
who has seen a reading already looks at its head only. Who writes or reads one row again and again keeps its packer or
unpacker.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from actors.fleet.observations import (
    Failed,
    Instance,
    JobClass,
    JobsSeen,
    Listed,
    Machine,
    QueueSeen,
    ScheddSeen,
    StartdsSeen,
)
from actors.store import rows
from actors.store.bulk_codec import (
    MACHINES,
    Packer,
    Unpacker,
    instance_packer,
    instance_unpacker,
    machine_packer,
    machine_unpacker,
)
from actors.store.codec import BadRow, pack
from actors.store.rows import damaged_s
from broker.posts.leases import Term
from broker.rows.table import Place, Put, Row, Table

OLD_READINGS = 4  # a reading older than so many of its source's intervals is late, and no longer known
HEAD = "@"
STRAYS = "-"
ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandHead:
    at: float = 0.0  # of the last good reading; 0: there was none
    schedds: tuple[ScheddSeen, ...] = ()
    failed_at: float = 0.0  # of a failure after it; 0: none
    failed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartdsHead:
    at: float = 0.0
    failed_at: float = 0.0
    failed: str = ""
    told: str = ""  # which pool it is of (see `fleet.told`); empty: not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """Of one queue. `status`, `unread`: see `QueueSeen`."""

    classes: tuple[JobClass, ...] = ()
    status: str = ""
    unread: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingHead:
    at: float = 0.0
    foreign: int = 0
    foreign_cores: int = 0
    failed_at: float = 0.0
    failed: str = ""


class DemandRows:
    """Writer's side of `demand`, by the holder of a pool's post. Remembers what it wrote, to write only changes.

    What the holder before wrote counts as its own: a takeover is no news for a thousand queues.
    """

    def __init__(self, table: Table, pool: str) -> None:
        self._table, self._post = table, f"pool/{pool}"
        found = table.read("demand", self._post)
        self._head = rows.value(table, DemandHead, "demand", self._post, found.pop(HEAD, None)) or DemandHead()
        self._written = {key: row.body for key, row in found.items()}

    @property
    def failed(self) -> bool:
        """Whether the last reading failed, or missed a schedd."""
        head = self._head
        short = not head.schedds or any(schedd.error for schedd in head.schedds)
        return bool(head.failed or (head.at and short))

    def write(self, term: Term, reading: JobsSeen | Failed, queues: Iterable[str]) -> tuple[str, ...]:
        """Write the reading; returns the queues whose classes changed."""
        if isinstance(reading, Failed):
            head, bodies = replace(self._head, failed_at=reading.at, failed=reading.reason), {}
        else:
            head = DemandHead(at=reading.at, schedds=reading.schedds)
            bodies = _by_queue(reading, queues)
        changed = {key: body for key, body in bodies.items() if self._written.get(key) != body}
        self._table.write(term, [_put("demand", key, body) for key, body in {HEAD: pack(head), **changed}.items()])
        self._written.update(changed)
        self._head = head
        return tuple(changed)


def _by_queue(reading: JobsSeen, queues: Iterable[str]) -> dict[str, bytes]:
    by_queue: dict[str, list[JobClass]] = defaultdict(list)
    for job_class in reading.classes:
        by_queue[job_class.queue].append(job_class)
    said = {one.queue: one for one in reading.queues}
    nothing = QueueSeen(queue="")
    return {
        queue: pack(
            Classes(
                classes=tuple(by_queue[queue]),
                status=said.get(queue, nothing).status,
                unread=said.get(queue, nothing).unread,
            )
        )
        for queue in queues
    }


def demand_places(pool: str, queue: str) -> list[Place]:
    """Where `demand_of` has its rows from: read with others in one round trip."""
    return [("demand", f"pool/{pool}", key) for key in (HEAD, queue)]


def demand_of(table: Table, pool: str, found: Sequence[Row | None]) -> JobsSeen | Failed:
    """The queue's part of the pool's last reading, of the rows at `demand_places`.

    Failed when there is none, when the last look failed, or when what it brought of this queue cannot be used.
    """
    post, (head_row, row) = f"pool/{pool}", found
    head = rows.value(table, DemandHead, "demand", post, head_row) or DemandHead()
    seen = rows.value(table, Classes, "demand", post, row)
    if head.failed or not head.at or seen is None:
        why = head.failed or ("its row is damaged" if row or (head_row and not head.at) else "not read yet")
        return Failed(source=post, at=head.failed_at or head.at, reason=why)
    if seen.unread:
        return Failed(source=post, at=head.at, reason=seen.unread)
    said = QueueSeen(queue=row.key if row else "", status=seen.status)
    return JobsSeen(source=post, at=head.at, classes=seen.classes, schedds=head.schedds, queues=(said,))


Packers = defaultdict[str, Packer[Machine]]  # by the row's key
Unpackers = defaultdict[str, Unpacker[Machine]]


def machine_packers() -> Packers:
    return defaultdict(lambda: machine_packer(MACHINES))


def machine_unpackers() -> Unpackers:
    return defaultdict(lambda: machine_unpacker(MACHINES))


def write_startds(
    table: Table, term: Term, reading: StartdsSeen | Failed, clouds: Iterable[str], packers: Packers | None = None
) -> None:
    """By the holder of a pool's post. A failure is written into the head, and the machines stay as they were."""
    if isinstance(reading, Failed):
        before = startds_head(table, term.post.removeprefix("pool/"))
        head = replace(before, failed_at=reading.at, failed=reading.reason)
        table.write(term, [_put("startds", HEAD, pack(head))])
        return
    by_cloud: dict[str, list[Machine]] = {cloud: [] for cloud in (*clouds, STRAYS)}
    for machine in reading.machines:
        by_cloud[machine.cloud if machine.cloud in by_cloud else STRAYS].append(machine)
    packers = machine_packers() if packers is None else packers
    bodies = {cloud: packers[cloud].pack(machines) for cloud, machines in by_cloud.items()}
    bodies[HEAD] = pack(StartdsHead(at=reading.at, told=reading.told))
    table.write(term, [_put("startds", key, body) for key, body in bodies.items()])


def demand_head(table: Table, pool: str) -> DemandHead:
    return rows.get(table, DemandHead, "demand", f"pool/{pool}", HEAD) or DemandHead()


def startds_head(table: Table, pool: str) -> StartdsHead:
    return rows.get(table, StartdsHead, "startds", f"pool/{pool}", HEAD) or StartdsHead()


def read_startds(table: Table, pool: str, cloud: str, unpackers: Unpackers | None = None) -> StartdsSeen | Failed:
    """The cloud's machines and the strays, by the last reading. Failed when there is none, or the last look failed."""
    post = f"pool/{pool}"
    head = startds_head(table, pool)
    if head.failed or not head.at:
        return Failed(source=post, at=head.failed_at, reason=head.failed or "not read yet")
    unpackers = machine_unpackers() if unpackers is None else unpackers
    machines: list[Machine] = []
    for key in (cloud, STRAYS):
        row = table.get("startds", post, key)
        if row is None and damaged_s(table, "startds", post, key):
            return Failed(source=post, at=head.at, reason="its rows are damaged")
        try:
            machines.extend(unpackers[key].unpack(row.body) if row else ())
        except BadRow as bad:
            table.damaged("startds", post, key, str(bad), row.packed if row else None)
            return Failed(source=post, at=head.at, reason="its rows are damaged")
    return StartdsSeen(source=post, at=head.at, machines=tuple(machines), told=head.told)


def write_listing(table: Table, term: Term, reading: Listed | Failed, packer: Packer[Instance] | None = None) -> None:
    """By the holder of a cloud's post."""
    if isinstance(reading, Failed):
        before = listing_head(table, term.post.removeprefix("cloud/"))
        head = replace(before, failed_at=reading.at, failed=reading.reason)
        table.write(term, [_put("listing", HEAD, pack(head))])
        return
    body = (packer or instance_packer()).pack(reading.instances)
    head = ListingHead(at=reading.at, foreign=reading.foreign, foreign_cores=reading.foreign_cores)
    table.write(term, [_put("listing", ALL, body), _put("listing", HEAD, pack(head))])


def listing_head(table: Table, cloud: str) -> ListingHead:
    """`at` is that of the last complete listing; 0: there was none."""
    return rows.get(table, ListingHead, "listing", f"cloud/{cloud}", HEAD) or ListingHead()


def newer_listing(
    table: Table, cloud: str, seen: Listed | None, unpacker: Unpacker[Instance] | None = None
) -> Listed | None:
    """The last complete listing if it is newer than `seen`, else `seen` itself."""
    head = listing_head(table, cloud)
    if not head.at or (seen and seen.at >= head.at):
        return seen
    post = f"cloud/{cloud}"
    row = table.get("listing", post, ALL)
    if row is None:
        return seen  # it is damaged: an empty listing is written too
    try:
        instances = (unpacker or instance_unpacker()).unpack(row.body)
    except BadRow as bad:
        table.damaged("listing", post, ALL, str(bad), row.packed)
        return seen
    return Listed(
        source=post,
        at=head.at,
        instances=instances,
        foreign=head.foreign,
        foreign_cores=head.foreign_cores,
    )


def _put(kind: str, key: str, body: bytes) -> Put:
    return Put(kind=kind, key=key, body=body, expected_version=None)
