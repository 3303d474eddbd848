"""What a VM is drained for, and why it is held: values of its row. Words are what rows and histories say of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DrainWhy(StrEnum):
    POLICY = "policy"  # its queue wants fewer
    WISH = "wish"  # an operator's
    SPOT = "spot"  # its cloud takes it
    REBALANCE = "rebalance"  # its cloud may take it
    AGE = "age"  # it has lived its time
    BLACK_HOLE = "black hole"
    OTHER = "other"  # a later version's reason, not known here


@dataclass(frozen=True, slots=True)
class DrainFor:
    """`final`: a drain of policy's that is not taken back, whatever is wanted. `other`: what a later version said."""

    why: DrainWhy
    wish_id: str = ""
    final: bool = False
    other: str = ""

    def __str__(self) -> str:
        """As rows and histories have it: "policy", "policy, final", "wish:ID", "spot", ..."""
        if self.why is DrainWhy.WISH:
            return f"wish:{self.wish_id}"
        return f"{self.other or self.why.value}{', final' * self.final}"


POLICY = DrainFor(DrainWhy.POLICY)
POLICY_FINAL = DrainFor(DrainWhy.POLICY, final=True)
AGE = DrainFor(DrainWhy.AGE)


def by_wish(wish_id: str) -> DrainFor:
    return DrainFor(DrainWhy.WISH, wish_id=wish_id)


class HoldBy(StrEnum):
    WISH = "wish"
    BLACK_HOLE = "black hole"  # policy, for a look
    TAG = "tag"  # known from the tag on its instance alone


@dataclass(frozen=True, slots=True, kw_only=True)
class VmHold:
    """No policy drains the VM, nothing ends it but a kill. Times are Redis seconds.

    `at`: since when policy, or the tag, holds it; 0 for a wish. `until`: when it ends by itself; 0: when it is taken
    back. A wish without an id is not known any more, and holds until somebody releases the VM.
    """

    why: str
    by: HoldBy = HoldBy.WISH
    wish_id: str = ""
    at: float = 0.0
    until: float = 0.0

    @property
    def word(self) -> str:
        """Who holds it, in a word: the wish's id, or else what does."""
        return self.wish_id if self.by is HoldBy.WISH else self.by.value
