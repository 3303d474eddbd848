"""What did not come in time: the one kind of failure that may be run again, since a busy machine can be its cause.

Every wait of the tests raises `NotWithin`; pyproject.toml lets a test be run again for that name alone. A broken
promise, seen before or after, is any other exception: it stands, however often the test would pass afterwards.
"""

import time
from collections.abc import Callable, Sequence


class NotWithin(TimeoutError):
    """`what` was waited for did not come; `story`: how things stand."""

    def __init__(self, limit_s: float, what: str, story: str = "") -> None:
        super().__init__(f"not within {limit_s:g} s: {what}" + (f"\n{story}" if story else ""))


class Broken(AssertionError):
    """A promise of the product was broken: no rerun makes that good."""


def within(
    limit_s: float, what: str, holds: Callable[[], object], *, poll_s: float = 0.02, story: Callable[[], str] = str
) -> float:
    """Wait for a condition; the seconds that it took. Raises NotWithin."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > limit_s:
            raise NotWithin(limit_s, what, story())
        time.sleep(poll_s)
    return time.monotonic() - began


def in_time(limit_s: float, began: float, what: str) -> None:
    """What began at `began` (monotonic) is over now. Raises NotWithin where that took longer."""
    if time.monotonic() - began > limit_s:
        raise NotWithin(limit_s, what)


def late_or_broken(late: NotWithin, wrong: Sequence[str]) -> Exception:
    """What to raise when a wait was in vain: promises that are broken already count for more."""
    return Broken("\n".join([*wrong, str(late)])) if wrong else late
