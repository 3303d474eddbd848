"""The words that travel between the actors.

Mail wakes, rows are the truth: every message inside the factory says only "look at that row". Losing, repeating or
reordering it does no harm, since every actor also looks by itself at a steady interval. The operator's mailbox is the
exception: there the mail is the message, and its sender repeats it until the outcome exists.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from broker.envelope import Message


class LookAtDemand(Message):
    """A pool's jobs were read anew. To the schedulers of its queues."""

    kind: ClassVar[str] = "look-at-demand"
    pool: str


class LookAtStartds(Message):
    """A pool's startds were read anew. To the retirement actors of the clouds that serve its queues."""

    kind: ClassVar[str] = "look-at-startds"
    pool: str


class LookAtListing(Message):
    """A cloud was listed anew. To its submitter and its retirement actor."""

    kind: ClassVar[str] = "look-at-listing"
    cloud: str


class LookAtWant(Message):
    """A queue's want of a cloud changed. To that cloud's submitter and retirement actor."""

    kind: ClassVar[str] = "look-at-want"
    queue: str
    cloud: str


class LookAtFleet(Message):
    """What a cloud has changed. To the schedulers of the queues it serves."""

    kind: ClassVar[str] = "look-at-fleet"
    cloud: str


class LookAtWishes(Message):
    """An operator's wish was written down. To the retirement actors that it may concern."""

    kind: ClassVar[str] = "look-at-wishes"


class LookAtNotices(Message):
    """A cloud gave notice of VMs that it will take away, or may. To the retirement actors that it may concern."""

    kind: ClassVar[str] = "look-at-notices"


class OperatorWish(Message):
    """What an operator wants done. The same id twice is one wish; repeat it until its outcome exists.

    drain: let jobs end, then end the VMs. kill: end them at once, jobs and all. Of both, `replace`: others may be
    bought instead; it goes with no other verb. hold: nothing drains or ends them. freeze: nothing is started, drained
    or ended there. undrain, release and thaw take back. `selector` says what `name` is; "all" has no name. With
    `count`, so many VMs of a queue: drain, hold and kill take the dearest and idlest first. The wish is without effect
    `life_s` seconds after it was accepted.
    """

    kind: ClassVar[str] = "wish"
    id: str = Field(pattern=r"^[A-Za-z0-9-]{8,64}$")
    verb: Literal["drain", "undrain", "hold", "release", "kill", "freeze", "thaw"]
    selector: Literal["vm", "cloud", "queue", "all"]
    name: str = Field(default="", max_length=200)
    count: int | None = Field(default=None, ge=1, le=100_000)
    reason: str = Field(min_length=1, max_length=500)
    by: str = Field(min_length=1, max_length=100)
    life_s: float = Field(default=86_400.0, gt=0, le=31_536_000)
    replace: bool = True


KINDS: dict[str, type[Message]] = {
    word.kind: word
    for word in (
        LookAtDemand, LookAtStartds, LookAtListing, LookAtWant, LookAtFleet, LookAtWishes, LookAtNotices,
        OperatorWish,
    )
}  # fmt: skip
