"""What the shapes of one cloud may have together: its `max_vms`, over all its shapes, hosts and queues.

Each shape is a cloud with a holder of its own (see `config.shapes`), so the limit is kept as an account's is: before a
launch is written down its holder raises what the shape has in the cloud's pot (`broker.rows.allotments`), and two that
ask at the same moment are one after the other. Where the queues want more than that, each has a part of it, by which
the schedulers give up and buy (`policies.fair_share`); which shapes a queue's part is made of is its scheduler's
choice.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from actors.config.schema import Config
from actors.fleet.number_of import number_of
from actors.policies.fair_share import Ask, short
from actors.store.wants import wants_of_queues
from broker.posts.leases import Term
from broker.rows import allotments
from broker.rows.allotments import MOST, Allotments
from broker.rows.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """`vms` granted now, `room` for more after that; `used` by all shapes, as far as they said it."""

    vms: int = MOST
    room: int = MOST
    used: int = 0
    why: str = ""  # there is no room: the limit
    unsaid: str = ""  # whether there is room is not known yet: whose use nobody said


ALONE = Together()


def claim(config: Config, pots: Allotments, term: Term, cloud: str, have: int, more: int) -> Together:
    """Say that this shape has `have` VMs, and ask for `more`. Raises Unreachable and LeaseLost."""
    family = config.clouds[cloud].family
    if family is None:
        return ALONE
    members = [f"cloud/{one}" for one in config.families[family.name]]
    ask = allotments.PotAsk(own=(have,), each=(1,), limits=(family.max_vms,), members=members, more=more)
    got = pots.claim(term, f"cloud/{family.name}", ask)
    left, (used,) = got.room - got.n, got.totals
    if got.unknown:
        unsaid = f"cloud {family.name} has a limit for all shapes, and what {got.unknown} has of it is not known yet"
        return Together(vms=got.n, room=left, used=used, unsaid=unsaid)
    why = f"cloud {family.name} has at most {number_of(family.max_vms, 'VM')} of all shapes, in use: {used}"
    return Together(vms=got.n, room=left, used=used, why="" if left else why)


def shares(config: Config, table: Table, cloud: str) -> dict[str, int]:
    """By queue, its part of all shapes of the cloud, where it asks for more than that. Empty where nobody has to."""
    family, queues = config.clouds[cloud].family, config.queues_of(cloud)
    if family is None or len(queues) < 2:
        return {}
    asked: Counter[str] = Counter()
    for want in wants_of_queues(table, queues):
        if want.cloud in config.families[family.name]:
            asked[want.queue] += want.asks
    return parts(config, family.max_vms, asked)


def parts(config: Config, max_vms: int, asked: Counter[str]) -> dict[str, int]:
    """`max_vms` divided among the queues by what each asks for; who gets all of it is absent."""
    known = ((name, config.queues[name], n) for name, n in asked.items())
    return short(max_vms, [Ask(queue=name, asked=n, priority=q.priority, share=q.share) for name, q, n in known])
