"""The life of a VM: one table. Nothing else moves a VM from state to state.

The table is data, so that the manual's diagram is drawn from it and every edge is tested. An event that the table does
not know in a state is refused with what was seen and what was allowed; the caller logs and counts it, and goes on.

Two edges that are missing on purpose: nothing leads from `drained` back to `ready` (after Drained/Idle a slot keeps a
retirement time of 0, so a graceful drain would evict its next job at once; one whose last job ends as its drain is
taken back has the same, stays `draining`, and is drained anew while it is idle), and nothing leads to `ended` because
something was not seen, but for an instance whose end the cloud had accepted. Two that lead back from `ending` are for a
host that died before it made the end call.

A pilot has no startd (see `fleet.pilots`): it runs when its cloud says so, is never drained, and ends by itself. So
nothing but an operator's kill leads from `ready` to its end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from actors.fleet.vm import State, Vm


class Event(StrEnum):
    STARTED = "started"
    REFUSED = "refused"
    JOINED = "joined"
    LATE = "late"
    TAKEN_BACK = "taken-back"
    EVICTED = "evicted"
    DRAIN = "drain"
    EMPTIED = "emptied"
    BACK = "back"
    DECLINED = "declined"
    FORGOT = "forgot"
    VERIFIED = "verified"
    KILLED = "killed"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    source: State
    event: Event
    target: State
    when: str


KILLABLE = (State.BOOTING, State.READY, State.DRAINING, State.DRAINED)

TABLE: tuple[Edge, ...] = tuple(
    Edge(source=source, event=event, target=target, when=when)
    for source, event, target, when in (
        (State.LAUNCHING, Event.STARTED, State.BOOTING, "the cloud gave an instance id"),
        (State.LAUNCHING, Event.REFUSED, State.FAILED, "the cloud refused for sure: capacity, quota, credentials"),
        (State.LAUNCHING, Event.GONE, State.ENDED, "found by token or tag, already stopped or terminated"),
        (State.BOOTING, Event.JOINED, State.READY, "a startd advertises its instance id; of a pilot: it runs"),
        (State.BOOTING, Event.LATE, State.ENDING, "boot deadline over, with the pool healthy all that time"),
        (State.BOOTING, Event.TAKEN_BACK, State.ENDING, "a pilot that waits is not wanted any more, or is stuck"),
        (State.BOOTING, Event.GONE, State.ENDED, "the cloud says stopped or terminated"),
        (State.READY, Event.DRAIN, State.DRAINING, "want lowered, operator's wish, its life is over"),
        (State.READY, Event.EVICTED, State.BOOTING, "a pilot waits again: it was evicted, or held"),
        (State.READY, Event.GONE, State.ENDED, "the cloud says stopped or terminated"),
        (State.DRAINING, Event.EMPTIED, State.DRAINED, "every slot Drained and Idle with our nonce"),
        (State.DRAINING, Event.BACK, State.READY, "demand is back while its last job runs: our drain cancelled"),
        (State.DRAINING, Event.DECLINED, State.READY, "the startd refused the drain: it would evict"),
        (State.DRAINING, Event.GONE, State.ENDED, "the cloud says stopped or terminated"),
        (State.DRAINED, Event.VERIFIED, State.ENDING, "the startd itself, or all schedds, say that no job is there"),
        (State.DRAINED, Event.FORGOT, State.DRAINING, "the startd restarted and forgot its drain: asked again"),
        (State.DRAINED, Event.GONE, State.ENDED, "the cloud says stopped or terminated"),
        *((state, Event.KILLED, State.ENDING, "an operator's kill: its jobs die") for state in KILLABLE),
        (State.ENDING, Event.JOINED, State.READY, "its startd joined, or the pilot runs, before the end call was made"),
        (State.ENDING, Event.FORGOT, State.DRAINING, "its startd forgot the drain before the end call was made"),
        (State.ENDING, Event.GONE, State.ENDED, "a complete listing says so"),
    )
)

_TARGETS = {(edge.source, edge.event): edge.target for edge in TABLE}


class NotAllowed(Exception):
    """The table does not know this event in this state."""

    def __init__(self, vm: Vm, event: Event) -> None:
        allowed = ", ".join(edge.event for edge in TABLE if edge.source is vm.state) or "nothing"
        super().__init__(f"VM {vm.id}: {event} in {vm.state}; allowed here: {allowed}")


def move(vm: Vm, event: Event, now: float, reason: str, **changes: Any) -> Vm:
    """The VM after `event`, with `reason` and any further `changes` of its row. Raises NotAllowed."""
    target = _TARGETS.get((vm.state, event))
    if target is None:
        raise NotAllowed(vm, event)
    return replace(vm, state=target, since=now, reason=reason, **changes)
