"""What can be made to go wrong in the lab's EC2 API, and how its clouds are set.

Why: the factory's promises are about the hard answers: the call that worked but answered late, the 500 after the
instance was made, the listing that does not show the newest yet. They are asked for here, one by one, and used up.

The rule it keeps: a fault applies to the next `times` calls of its action that reach it, and to nothing else.
"""

from __future__ import annotations

import threading
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

HYPERVISOR_KEY = "lab-hypervisor"  # the key id of the lab's own calls: they meet no faults and use none up
Kind = Literal[
    "refuse", "delay", "fail_after", "garbage_after", "page_after", "drop_before", "drop_after", "hide_newest"
]


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Fault(Strict):
    """One thing that goes wrong, `times` times.

    `refuse`: an error with `code`, nothing is done. `delay`: done, then the answer waits `seconds`. `fail_after`: done,
    then HTTP 500. `garbage_after`: done, then 200 with a text that is no XML; `page_after`: with one that is, but is a
    web page. `drop_before`, `drop_after`: the connection is closed without an answer, before or after the work.
    `hide_newest`: a listing without the `count` newest instances.
    """

    kind: Kind
    action: str = "RunInstances"  # an EC2 action, or "*"
    times: Annotated[int, Field(ge=1)] = 1
    code: str = "InternalError"
    message: str = "asked for by the lab"
    status: Annotated[int, Field(ge=400, le=599)] = 400
    seconds: Annotated[float, Field(ge=0)] = 0.0
    count: Annotated[int, Field(ge=1)] = 1


class Settings(Strict):
    """How the clouds behave while nothing goes wrong. Types of instances stand for clouds."""

    capacity: dict[str, int] = {}  # instances of a type that may be alive at once; a type not named: no limit
    usd_per_hour: dict[str, float] = {}  # a spot request that offers less is refused; the ledger notes the price
    access_keys: tuple[str, ...] = ()  # the key ids that are let in; none: all
    pending_s: float = 0.0  # an instance stays `pending` for so long
    ending_s: float = 0.0  # and `shutting-down` for so long
    heeds_dry_run: bool = True  # there are clouds that do what they were asked only to check


class Faults:
    """The faults that wait for their call. Safe from many threads."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def take(self, action: str) -> Fault | None:
        """The oldest fault for this action, with one of its `times` used up."""
        with self._lock:
            for place, fault in enumerate(self._waiting):
                if fault.action in (action, "*"):
                    left = fault.model_copy(update={"times": fault.times - 1})
                    self._waiting[place : place + 1] = [left] if left.times else []
                    return fault
        return None

    def waiting(self) -> list[Fault]:
        with self._lock:
            return list(self._waiting)
