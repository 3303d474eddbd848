"""Spot notices as EventBridge writes them into a queue, and what reads such a queue.

The two events that say something about an instance before it happens (Amazon's documentation, "Spot interruption
notices" and "EC2 instance rebalance recommendations"): their `detail` names the instance. Whatever else is in the queue
is not guessed at: NotANotice says what it is, and the reader puts it aside.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from actors.fleet.spot_notice import Kind, Notice

SOURCE = "aws.ec2"
KINDS = {
    "EC2 Spot Instance Interruption Warning": Kind.INTERRUPTION,
    "EC2 Instance Rebalance Recommendation": Kind.REBALANCE,
}
_LONGEST = 100  # characters of an instance id, or of what is quoted


class NotANotice(ValueError):
    """A message that is none of the two. The text says what was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedMessage:
    """One message of the queue. `receipt` is what it is deleted by."""

    body: str
    receipt: str


class NoticeQueue(Protocol):
    """A queue that brings notices at least once. Calls have time limits, and may raise CloudError."""

    def receive(self, wait_s: int) -> tuple[QueuedMessage, ...]:
        """Some messages, waiting for the first at most `wait_s`; they come again unless they are deleted."""
        ...

    def delete(self, messages: Sequence[QueuedMessage]) -> None:
        """They need not come again. One that could not be deleted comes again: that does no harm."""
        ...

    def close(self) -> None: ...


def notice_of(body: str, now: float) -> Notice:
    """The notice in a message. `now`: Redis seconds. Raises NotANotice."""
    event = _object(body)
    what = f"{str(event.get('source'))[:_LONGEST]}, {str(event.get('detail-type'))[:_LONGEST]}"
    kind = KINDS.get(str(event.get("detail-type")))
    if event.get("source") != SOURCE or kind is None:
        raise NotANotice(f"an event of another kind: {what}")
    detail = event.get("detail")
    instance_id = detail.get("instance-id") if isinstance(detail, dict) else None
    if not isinstance(instance_id, str) or not instance_id or len(instance_id) > _LONGEST:
        raise NotANotice(f"an event without an instance id: {what}")
    action = str(detail.get("instance-action", "")) if isinstance(detail, dict) else ""
    told = f"the cloud will {action[:20] or 'take'} it" if kind is Kind.INTERRUPTION else "the cloud may take it"
    return Notice(instance_id=instance_id, kind=kind, at=now, told=told)


def _object(body: str) -> dict[str, Any]:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError) as wrong:
        raise NotANotice(f"not JSON: {wrong}") from wrong
    if not isinstance(event, dict):
        raise NotANotice(f"not an event: {body[:_LONGEST]}")
    return event
