"""What every cloud does for the factory. One conformance suite (deploy/conformance/clouds.py) runs over all of
them.

No cloud knows our fences. So a launch is written down before the call (the intent), the request is frozen, and its
token is what makes a repeat harmless. After any answer but a clear yes or a clear no the launch is *unknown*, and is
looked up by token and tag. Calls have time limits and are safe from many threads; libraries' own retries are off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from actors.fleet.observations import Instance, Listed


class CloudError(Exception):
    """What a cloud did not do, named by the remedy. `code` is the cloud's own word."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class NoCapacity(CloudError):
    """Sure: nothing was started, the place is full. Try another cloud now, this one later."""


class Quota(CloudError):
    """Sure: nothing was started, our account may not have more. A person, or fewer VMs, may help."""


class Throttled(CloudError):
    """Sure: nothing was started, too many calls. The same request again, later."""


class Refused(CloudError):
    """Sure: nothing was started, and a repeat will not help (credentials, image, parameters). A person must act."""


class Unknown(CloudError):
    """Not sure: time-out, lost connection, 5xx, token mismatch. Look up by token and tag; never a new token."""


class TokenUsed(Unknown):
    """The token was used before, for what looks like another request: something *was* started. Only look it up."""


class Spent(CloudError):
    """Sure: this token started an instance that is ended already. Only a new intent can start another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a launch is for. The cloud makes its frozen request from it, once."""

    intent: str
    queue: str
    count: int
    token: str
    user_data: str = field(repr=False)  # the worker's token stands in it
    decision: str
    pool: str = ""  # what the worker is told to join (see `fleet.told`), to be kept with the instance


class Cloud(Protocol):
    """`now` is Redis time in seconds; it becomes the listing's `at`."""

    def prepare(self, order: Order) -> str:
        """The whole request as JSON, made without any call. The same order gives the same text."""
        ...

    def launch(self, request: str) -> tuple[Instance, ...]:
        """Send a prepared request. At least one instance, at most `count`: fewer means that there was no room for
        more. The same request twice starts nothing new and answers the same.
        """
        ...

    def find(self, intent: str, token: str) -> tuple[Instance, ...]:
        """Everything that this intent started, dead ones included, by its token and its tag."""
        ...

    def listing(self, now: float) -> Listed:
        """All instances with our tags, all pages, dead ones as long as the cloud shows them. In full, or it raises."""
        ...

    def end(self, ids: Sequence[str]) -> tuple[str, ...]:
        """Ask the cloud to end instances; returns the ids it accepted (already gone ones too). Safe to repeat."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class TakesBack(Protocol):
    """What a cloud does whose VMs join no pool (`AnyCloud.joins_pool`): they are pilots, and no startd can be asked
    whether one is busy. So the cloud itself spares those that run. Their instances are `pending` while they wait,
    `stuck` when they will wait for ever, and `running` from then on.
    """

    def take_back(self, ids: Sequence[str]) -> tuple[str, ...]:
        """End those that do not run, decided at the moment of the act. Returns the ids that are over now, those that
        were already among them; the others run. Safe to repeat.
        """
        ...


@runtime_checkable
class KeepsHolds(Protocol):
    """What a cloud may do besides: keep the words of a hold with an instance, and show them as `Instance.held`.

    Where it cannot, a hold is lost when Redis loses everything while no host runs; `apf status` says so.
    """

    def mark_held(self, ids: Sequence[str], words: str) -> None:
        """Keep these words with these instances, in the place of others; "" takes them away. Safe to repeat; ids that
        are gone do no harm. `words` have at most 200 characters of A-Z a-z 0-9 _ . : / = + @ - and single spaces.
        """
        ...
