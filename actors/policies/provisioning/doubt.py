"""A doubt about a pair of job class and cloud, as it is kept from one decision to the next (see `vain`)."""

from __future__ import annotations

from dataclasses import dataclass

Pair = tuple[str, str]  # a cloud, and a class as it was matched with its workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """`vms` were bought for `jobs` and got none of them. Times are Redis seconds; before `until` none is tried.

    `running`, `claims`: the least of the class's running jobs and of the cloud's claims since.
    """

    cloud: str
    pair: str
    jobs: int
    vms: int
    until: float
    tries: int
    why: str
    running: int = 0
    claims: int = 0
    asked: str = ""  # what one of the jobs asked, as a word
