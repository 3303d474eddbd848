"""Wants and wishes as rows.

A want (kind `want`, post `queue/NAME`, key the cloud) is written by the queue's scheduler alone. A wish (write-once row
`wish`, key its id) is written by whichever host read the operator's mail first; the same id twice is one wish. Its
outcome is a write-once row too.

Both are forgotten a while after the wish is over (`forget_wishes`); until then its id, seen again, is that one wish.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from actors.fleet.reasons import Unmatched
from actors.fleet.want import Want
from actors.fleet.wish import Wish
from actors.policies.provisioning.doubt import Doubt
from actors.policies.provisioning.past import NO_PAST, Past
from actors.store import rows
from actors.store.codec import BadRow, pack, unpack
from actors.store.sentences import unmatched
from broker.posts.leases import Term
from broker.rows.table import Put, Row, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class WishOutcome:
    """What became of a wish: `accepted` and what it does, or `refused` and why.

    A refused one has no other row: it says what it was.
    """

    id: str
    verdict: str
    why: str
    at: float
    said: str = ""  # of a refused one: verb, selector, name
    by: str = ""
    reason: str = ""

    @property
    def verb(self) -> str:
        return self.said.partition(" ")[0]

    @property
    def what(self) -> str:
        """Selector and name of a refused one."""
        return self.said.partition(" ")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStanding:
    """How a queue stands, in its scheduler's words. Counts are jobs; `waiting`: a cloud could run them, had it room."""

    known: bool
    idle: int = 0
    young: int = 0
    running: int = 0
    held: int = 0
    waiting: int = 0
    why: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()  # jobs that no cloud can run: how many, and why not
    unmet_by: tuple[Unmatched, ...] = ()  # the codes of `unmet`, in its order; empty: not known
    in_vain: tuple[str, ...] = ()  # clouds on which VMs got none of their jobs, while others may run them
    status: str = ""  # what the workload system says of the queue's site; empty: nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubts:
    doubts: tuple[Doubt, ...] = ()


def write_standing(table: Table, term: Term, standing: QueueStanding) -> None:
    table.write(term, [standing_row(standing)])


def standing_row(standing: QueueStanding) -> Put:
    return Put(kind="standing", key="@", body=pack(standing), expected_version=None)


def read_standing(table: Table, queue: str) -> QueueStanding | None:
    found = rows.get(table, QueueStanding, "standing", f"queue/{queue}", "@")
    if found is None or len(found.unmet_by) == len(found.unmet):
        return found
    return replace(found, unmet_by=tuple(map(unmatched, found.unmet)))


def doubts_row(doubts: tuple[Doubt, ...]) -> Put:
    """Which clouds a queue's scheduler buys nothing on, for which of its job classes (see `policies.vain`)."""
    return Put(kind="doubts", key="@", body=pack(Doubts(doubts=doubts)), expected_version=None)


def read_doubts(table: Table, queue: str) -> tuple[Doubt, ...]:
    found = rows.get(table, Doubts, "doubts", f"queue/{queue}", "@")
    return found.doubts if found else ()


def past_row(past: Past) -> Put:
    """What a queue's demand was seen to do, for who takes it over."""
    return Put(kind="past", key="@", body=pack(past), expected_version=None)


def read_past(table: Table, queue: str) -> Past:
    return rows.get(table, Past, "past", f"queue/{queue}", "@") or NO_PAST


def want_row(want: Want) -> Put:
    return Put(kind="want", key=want.cloud, body=pack(want), expected_version=None)


def read_wants(table: Table, queue: str) -> dict[str, Want]:
    """A queue's wants by cloud."""
    return rows.read(table, Want, "want", f"queue/{queue}")


def wants_of_queues(table: Table, queues: Iterable[str]) -> list[Want]:
    """All wants of these queues, in one read. Raises DamagedRow, for a while: without one of them too much is left."""
    by_post = rows.read_many(table, Want, "want", [f"queue/{queue}" for queue in queues])
    rows.frozen_while_damaged(table, "want", by_post)
    return [want for wants in by_post.values() for want in wants.values()]


def wants_of_cloud(table: Table, cloud: str, queues: Iterable[str]) -> dict[str, Want]:
    """What each queue wants of a cloud; a queue that never said is absent."""
    names = list(queues)
    found = table.get_at_once([("want", f"queue/{queue}", cloud) for queue in names])
    return rows.known({queue: _want(table, queue, row) for queue, row in zip(names, found, strict=True)})


def _want(table: Table, queue: str, row: Row | None) -> Want | None:
    try:
        return _known(row.body) if row else None
    except BadRow:
        return rows.value(table, Want, "want", f"queue/{queue}", row)  # which notes it


@lru_cache(maxsize=10_000)
def _known(body: bytes) -> Want:
    """Most wants are the same from look to look, and there are hundreds of them."""
    return unpack(Want, body)


def read_wishes(table: Table, now: float) -> tuple[Wish, ...]:
    """The wishes that still live, the oldest first."""
    wishes = rows.once(table, Wish, "wish").values()
    return tuple(sorted((wish for wish in wishes if wish.ends > now), key=lambda wish: (wish.at, wish.id)))


def accept(table: Table, wish: Wish, why: str = "") -> None:
    """Write the wish first, then its outcome: whoever sees the outcome finds the wish. `why`: what it does."""
    table.put_once("wish", wish.id, pack(wish))
    conclude(table, WishOutcome(id=wish.id, verdict="accepted", why=why, at=wish.at))


def conclude(table: Table, outcome: WishOutcome) -> None:
    table.put_once("outcome", outcome.id, pack(outcome))


def forget_wishes(table: Table, now: float, kept_s: float) -> int:
    """Delete the wishes that ended more than `kept_s` ago, and outcomes as old without a wish; returns how many.

    Any host may, as often as it likes. A wish is written before its outcome; so outcomes are read first, and one
    without a wish is of a refused wish, or of one that is gone.
    """
    outcomes = read_outcomes(table)
    wishes = rows.once(table, Wish, "wish")
    over = {key for key, wish in wishes.items() if wish.ends + kept_s < now}
    known = wishes.keys() | {damage.where.field for damage in table.damages.all() if damage.where.key == "once:wish"}
    alone = {key for key, outcome in outcomes.items() if key not in known and outcome.at + kept_s < now}
    table.delete_once("outcome", over | alone)
    table.delete_once("wish", over)  # last: a host that dies in between leaves a wish, which the next one sees
    return len(over | alone)


def read_outcomes(table: Table) -> Mapping[str, WishOutcome]:
    return rows.once(table, WishOutcome, "outcome")
