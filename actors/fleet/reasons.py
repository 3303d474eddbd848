"""Reasons as codes: what the program asks of a reason, beside the sentence that a person reads.

A reason is told twice, as a code and as a text. Code reads the code alone, so that a sentence may be put better, or may
quote anybody's words, without a change of what is done. Rows of a version that wrote the sentence alone have no code,
and a code of a later version is not known here: both read as `NOT_KNOWN`, which is false.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class Code(StrEnum):
    """A code of no meaning to this version is the one that stands for that."""

    @classmethod
    def _missing_(cls, value: object) -> Any:
        return cls("") if isinstance(value, str) and value else None


class Closing(Code):
    """Why nothing may be started on a cloud."""

    NOT_KNOWN = ""
    THROTTLED = "throttled"
    SILENT = "silent"  # it owes answers to launches
    NO_WORKER = "no-worker"  # no worker can be made for its VMs
    BREAKER = "breaker"
    DRAINED = "drained"  # by an operator
    STRANGERS = "strangers"  # another factory of this name launches there too
    STOPPED = "stopped"  # nothing at all is done there: an operator's freeze, or a host's freeze file


class Freezing(Code):
    """Why nothing is released on a cloud."""

    NOT_KNOWN = ""
    STOPPED = "stopped"  # as `Closing.STOPPED`
    SHORT = "short"  # a source does not show what was there before: an operator may say that it is gone
    SOURCE = "source"  # a source cannot be trusted for another cause


class Opening(Code):
    """Why a breaker opened."""

    NOT_KNOWN = ""
    FULL = "full"  # no capacity, or no quota: it needs nobody's help
    REFUSED = "refused"
    NEVER_JOINED = "never-joined"


class Unmatched(Code):
    """Why no cloud can run some jobs."""

    NOT_KNOWN = ""
    NO_CLOUD = "no-cloud"  # none suits what they ask for
    IN_VAIN = "in-vain"  # VMs were bought for them, and the pool matched none


CLOSED_FOR = {
    Closing.THROTTLED: "throttled",
    Closing.SILENT: "launches get no answer",
    Closing.NO_WORKER: "no worker can be made",
}  # the beginnings of what is told
