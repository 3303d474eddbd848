"""Messages to bytes and back: msgpack, and pydantic on both ends.

The rule it keeps: `decode` returns a whole, known, valid, still useful message, or raises BadMail with the
reason. Nothing else comes out, whatever bytes go in. Kombu's own decoding is not used: it delivers an empty
content type as raw bytes, and drops what it cannot read.
"""

import uuid
from typing import Any

import msgpack
from pydantic import ValidationError

from broker.envelope import SCHEMA, Envelope, Kinds, Message
from broker.errors import BadMail

CONTENT_TYPE = "application/x-msgpack"
MAX_BYTES = 64 * 1024  # bigger things go into a row, and the mail names the row
MAX_REASON = 500


def encode(
    message: Message, *, sender: str, sent_at: float, not_after: float | None = None, mail_id: str | None = None
) -> bytes:
    """Pack a message. Times are Redis seconds. Raises BadMail if it is larger than MAX_BYTES."""
    envelope = Envelope(
        id=mail_id or uuid.uuid4().hex,
        kind=message.kind,
        sender=sender,
        sent_at=sent_at,
        not_after=not_after,
        body=message.model_dump(mode="json"),
    )
    data: bytes = msgpack.packb(envelope.model_dump())
    _check_size(data)
    return data


def decode(
    data: bytes, content_type: str | None, kinds: Kinds, *, now: float | None = None
) -> tuple[Envelope, Message]:
    """Unpack and check a mail. `now` (Redis seconds) is compared with `not_after`. Raises BadMail."""
    if content_type != CONTENT_TYPE:
        raise BadMail(f"content type {str(content_type)[:80]!r}; only {CONTENT_TYPE} is read")
    _check_size(data)
    envelope = _envelope(_unpack(data))
    if now is not None and envelope.not_after is not None and envelope.not_after < now:
        raise BadMail(f"{envelope.kind} is {now - envelope.not_after:.1f} s too old")
    word = kinds.get(envelope.kind)
    if word is None:
        raise BadMail(f"kind {envelope.kind!r} is not known here")
    try:
        return envelope, word.model_validate(envelope.body)
    except ValidationError as wrong:
        raise BadMail(f"{envelope.kind}: {_mistakes(wrong)}") from wrong


def _check_size(data: bytes) -> None:
    if len(data) > MAX_BYTES:
        raise BadMail(f"{len(data)} bytes; at most {MAX_BYTES} are read: put it into a row")


def _unpack(data: bytes) -> dict[str, Any]:
    try:
        content = msgpack.unpackb(data)
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as wrong:
        raise BadMail(f"not msgpack: {str(wrong)[:200] or type(wrong).__name__}") from wrong
    if not isinstance(content, dict):
        raise BadMail(f"a {type(content).__name__} where a map is expected")
    return content


def _envelope(content: dict[str, Any]) -> Envelope:
    if (version := content.get("schema_version")) != SCHEMA:
        raise BadMail(f"schema version {str(version)[:40]!r}; only {SCHEMA} is read")
    try:
        return Envelope.model_validate(content)
    except ValidationError as wrong:
        raise BadMail(f"envelope: {_mistakes(wrong)}") from wrong


def _mistakes(wrong: ValidationError) -> str:
    """All mistakes with their places, without the values: they may be long or secret."""
    found = wrong.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found)[:MAX_REASON]
