"""What one group of like jobs is: its queue, and what each cloud's workers would answer it. Runs in a fork of a child.

As the negotiator does it: both Requirements are evaluated with the job and a free slot of the cloud's workers (see
`policies.rules.prototype`) beside each other, and so are the job's Request expressions and its Rank. What fits is then
carved as a startd carves it (`carved`). So jobs are alike when the *answers* are, whatever they say to get them.

What the schedd would not offer to a negotiator now is no demand: `withheld` says why.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from classad2 import ClassAd, ClassAdException, ExprTree, Value, parseOne

from actors.pools.htcondor.cost import TooCostly, has, refuse_costly, text_of

IDLE = 1
NOT_OFFERED = {2: "pipe", 3: "linda", 4: "PVM", 6: "PVM daemon", 8: "MPI", 11: "parallel"}
OFFER = ("JobCoolDownExpiration", "Managed", "WantParallelScheduling")  # what `withheld` looks at
REQUEST = ("RequestCpus", "RequestMemory", "RequestDisk", "RequestGPUs")
MEMORY_STEP_MIB, DISK_STEP_KIB = 128, 1024  # MODIFY_REQUEST_EXPR_REQUESTMEMORY and ...DISK, as HTCondor has them

# The first match of a process registers HTCondor's own ClassAd functions (versionGE, split, ...) too late for itself:
# it answers false where every later one answers true (classad2 25.14). HTCondor writes versionGE into Requirements.
parseOne("Requirements = true").symmetricMatch(parseOne("Requirements = true"))

_PLAIN = re.compile(r"[\d.\s()+-]*", re.ASCII)

Slot = tuple[str, int, str]  # cloud, its tier, the ClassAd of a free slot of its workers
Answer = tuple[str, bool, bool, int, int, int, int]  # as fleet.seen.Answer


class JudgedQueue(NamedTuple):
    """A queue of the pool. `slots`: of each of its clouds; none where nothing is to be answered."""

    name: str
    jobs: ExprTree
    slots: tuple[Slot, ...]


class Unreadable(Exception):
    """These jobs are of no class but their own; the text says why."""


def matching(ad: ClassAd, queues: Sequence[JudgedQueue]) -> list[int]:
    """The numbers of the queues whose expression is exactly true. Raises Unreadable."""
    try:
        return [number for number, queue in enumerate(queues) if queue.jobs.eval(ad) is True]
    except (ClassAdException, ValueError) as error:
        raise Unreadable(f"which queue they are of cannot be evaluated: {error}") from error


def answers(ad: ClassAd, slots: Sequence[Slot]) -> tuple[Answer, ...]:
    """Each cloud's. Raises Unreadable."""
    try:
        refuse_costly(ad)
        told = [_answer(ad, _slot_ad(text)) for *_, text in slots]
        best = _best(ad, slots, [suits for suits, _ in told])
    except (TooCostly, ClassAdException) as wrong:
        raise Unreadable(str(wrong)) from wrong
    return tuple(
        (name, suits, liked, *request) for (name, _, _), (suits, request), liked in zip(slots, told, best, strict=True)
    )


def _answer(ad: ClassAd, slot: ClassAd) -> tuple[bool, tuple[int, int, int, int]]:
    asked = [_asked(ad, amount, slot) for amount in REQUEST]
    numbers = all(number is not None for number in asked)
    if not numbers or not ad.symmetricMatch(slot):
        return False, (1, 0, 0, 0)
    cpus, memory_mib, disk_kib, gpus = (math.ceil(number or 0.0) for number in asked)
    if slot.get("PartitionableSlot") is True:
        memory_mib = carved(memory_mib, MEMORY_STEP_MIB, slot.get("Memory"))
        disk_kib = carved(disk_kib, DISK_STEP_KIB, slot.get("Disk"))
    return True, (max(1, cpus), memory_mib, -(-disk_kib // 1024), gpus)


def carved(asked: int, step: int, has: object) -> int:
    """What each of as many jobs as fit into a slot that `has` so much takes of it.

    A startd rounds a request up to a step, but for the last job: that one gets what is left, where it is enough
    (measured, 25.14: 950 MiB run on 1,000; of eight jobs of 1,000 MiB seven on 8,000).
    """
    rounded = -(-asked // step) * step
    if not isinstance(has, int) or not 0 < asked <= has:
        return rounded
    jobs = (has - asked) // rounded + 1
    share = has // jobs
    return share if share < rounded and has // share == jobs else rounded


def _asked(ad: ClassAd, name: str, slot: ClassAd) -> float | None:
    """What a request amounts to on this slot; 0 where there is none, None where it is no number that a slot can have.

    Undefined and error are integers in Python (Value is an IntEnum): they are looked for first.
    """
    try:
        value = ad[name]
        if isinstance(value, ExprTree):
            value = value.eval(ad, slot)
    except KeyError:
        return 0.0
    except ValueError:
        return None  # a text, and no UTF-8
    if value is Value.Undefined:
        return 0.0  # where that matters, the slot's own Requirements do not hold
    if isinstance(value, Value) or not isinstance(value, int | float) or not 0 <= value < 1e15:
        return None
    return float(value)


def _best(ad: ClassAd, slots: Sequence[Slot], suits: Sequence[bool]) -> list[bool]:
    """Whether a slot suits and none of its tier is ranked higher. A Rank that is no number is 0."""
    if sum(suits) < 2 or _PLAIN.fullmatch(text_of(ad, "Rank")):
        return list(suits)  # the same everywhere, as in most jobs
    expression = ad.lookup("Rank")
    ranks = [_number(expression.eval(ad, _slot_ad(slot))) for *_, slot in slots]
    most: dict[int, float] = {}
    for good, rank, (_, tier, _) in zip(suits, ranks, slots, strict=True):
        most[tier] = max(most.get(tier, rank), rank) if good else most.get(tier, -math.inf)
    return [good and rank == most[tier] for good, rank, (_, tier, _) in zip(suits, ranks, slots, strict=True)]


def _number(value: object) -> float:
    if isinstance(value, Value) or not isinstance(value, int | float) or value != value:
        return 0.0
    return float(value)


@lru_cache(maxsize=1_000)
def _slot_ad(text: str) -> ClassAd:
    return parseOne(text)


def withheld(ad: ClassAd, now: float) -> str:
    """Why the schedd does not offer these idle jobs to a negotiator now; empty where it does."""
    universe = ad.get("JobUniverse")
    if universe in NOT_OFFERED:
        return f"are of universe {NOT_OFFERED[universe]}, which is not served by these workers"
    if not any(has(ad, name) for name in OFFER):
        return ""
    if _value(ad, "WantParallelScheduling") is True:
        return "want parallel scheduling, which is not served by these workers"
    if _value(ad, "Managed") == "External":
        return 'are managed by another program (Managed = "External")'
    until = _value(ad, "JobCoolDownExpiration")
    if isinstance(until, int | float) and not isinstance(until, Value) and until > now:
        return "cool down after a run that failed (JobCoolDownExpiration), and are not offered before"
    return ""


def _value(ad: ClassAd, name: str) -> Any:
    try:
        return ad.eval(name) if has(ad, name) else None
    except (ValueError, ClassAdException):
        return None


def own_request(ad: ClassAd) -> tuple[int, int, int, int]:
    """cpus, MiB, MiB, gpus as the ad alone tells: for those who only show it. What is no number is the default."""
    amounts = []
    for name, default in zip(REQUEST, (1, 0, 0, 0), strict=True):
        value = _value(ad, name)
        plain = isinstance(value, int | float) and not isinstance(value, Value) and 0 <= value < 1e15
        amounts.append(math.ceil(value) if plain else default)
    cpus, memory, disk, gpus = amounts
    return cpus, memory, -(-disk // DISK_STEP_KIB), gpus
