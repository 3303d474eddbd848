"""Spot notices as rows, and the look that brings them there.

A notice (write-once row `notice`, key the instance and the kind) may be written by any host: two clouds of one account
may read one queue, and what one reads may be about the other's VM. The order that loses nothing: receive, write the
row, delete the message. What is no notice is put with the dead letters, then deleted: it must not come for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from actors.clouds.spot_notices import NotANotice, NoticeQueue, notice_of
from actors.fleet.spot_notice import KEPT_S, Notice, weightier
from actors.store import rows
from actors.store.codec import pack
from actors.store.readings import HEAD, ListingHead
from broker.mail.dead_letters import DeadLetters
from broker.posts.leases import Term
from broker.rows.table import Put, Table

WAIT_S = 5
LOOKED = "looked-notices"
AGAIN_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one look at a queue brought. `unknown`: why each message that is no notice is none."""

    notices: tuple[Notice, ...]
    unknown: tuple[str, ...]


def take(queue: NoticeQueue, table: Table, dead: DeadLetters, name: str, now: float) -> Taken:
    """One look, waiting for a message at most WAIT_S. Raises CloudError, Unreachable: then all come again."""
    messages = queue.receive(WAIT_S)
    notices, unknown = [], []
    for message in messages:
        try:
            notice = notice_of(message.body, now)
        except NotANotice as wrong:
            dead.add(name, str(wrong), message.body.encode(errors="replace"))
            unknown.append(str(wrong))
            continue
        table.put_once("notice", notice.key, pack(notice))
        notices.append(notice)
    if messages:
        queue.delete(messages)
    return Taken(notices=tuple(notices), unknown=tuple(unknown))


def looked_head(table: Table, post: str) -> ListingHead:
    """How the last look at the queue of this cloud's post went."""
    return rows.get(table, ListingHead, LOOKED, post, HEAD) or ListingHead()


def write_looked(table: Table, term: Term, failed: str, now: float) -> None:
    """How the last look at the queue went, for the status: at most once in AGAIN_S while nothing changes."""
    before = looked_head(table, term.post)
    if before.failed == failed and now - max(before.at, before.failed_at) < AGAIN_S:
        return
    head = replace(before, failed_at=now, failed=failed) if failed else ListingHead(at=now)
    table.write(term, [Put(kind=LOOKED, key=HEAD, body=pack(head), expected_version=None)])


def read_notices(table: Table) -> dict[str, Notice]:
    """By instance id, the weightiest of each."""
    found: dict[str, Notice] = {}
    for notice in _all(table):
        found[notice.instance_id] = weightier(found.get(notice.instance_id), notice)
    return found


def forget_notices(table: Table, now: float) -> int:
    """Delete those of more than KEPT_S ago: their instances are long gone, or their rows know."""
    old = [notice.key for notice in _all(table) if now - notice.at > KEPT_S]
    return table.delete_once("notice", old) if old else 0


def _all(table: Table) -> Iterable[Notice]:
    return rows.once(table, Notice, "notice").values()
