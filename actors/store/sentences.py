"""Codes of rows that a host of 0.1.0 wrote: it wrote the sentence alone. The only place where a sentence is read.

Such rows are written anew within seconds, once their host has this version; what one tells is told the same until then.
"""

from __future__ import annotations

from dataclasses import replace

from actors.fleet.breaker import Position
from actors.fleet.history import Moment
from actors.fleet.reasons import CLOSED_FOR, Closing, Freezing, Unmatched
from actors.fleet.want import CloudView

_IN_VAIN = "they joined and got none of them"
_SHOWED = " showed "


def with_codes(view: CloudView) -> CloudView:
    """The view with the codes of what it says, where it has none."""
    if view.breaker_at is not None:
        return view
    at = Position.OPEN if view.breaker.startswith("breaker open") else Position.HALF_OPEN
    return replace(
        view,
        breaker_at=at if view.breaker else Position.CLOSED,
        closed_by=_closing(view),
        frozen_by=_freezing(view),
    )


def unmatched(sentence: str) -> Unmatched:
    return Unmatched.IN_VAIN if _IN_VAIN in sentence else Unmatched.NO_CLOUD


def with_shown(moment: Moment) -> Moment:
    """The moment with the number of its sentence that is what its startd showed, where that is not said."""
    said = [at for at, line in enumerate(moment.evidence) if _SHOWED in line] if moment.shown < 0 else []
    return replace(moment, shown=said[-1]) if said else moment


def _closing(view: CloudView) -> Closing:
    if not view.closed:
        return Closing.NOT_KNOWN
    if view.closed == view.breaker:
        return Closing.BREAKER
    if not view.closed_until:  # only an operator's word has no end
        return Closing.STOPPED if view.closed == view.frozen else Closing.DRAINED
    told = (code for code, words in CLOSED_FOR.items() if view.closed.startswith(words))
    return next(told, Closing.NOT_KNOWN)


def _freezing(view: CloudView) -> Freezing:
    if not view.frozen:
        return Freezing.NOT_KNOWN
    if view.frozen == view.closed:
        return Freezing.STOPPED
    return Freezing.SHORT if " shows " in view.frozen else Freezing.SOURCE
