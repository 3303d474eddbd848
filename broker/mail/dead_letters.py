"""Mail that could not be acted on, kept with its reason for a person to read.

A Redis stream (its ids are Redis time) of at most `most` letters; the oldest go first. Long bodies are cut. Mail is
repeated by its sender or by the next steady look, never from here by itself; a person may put a whole letter back into
its mailbox (`replay`), after an upgrade that knows its kind.
"""

import re
from dataclasses import dataclass
from typing import Any

import redis

from broker.connection.address import Site
from broker.errors import reaching

MOST = 1000
KEPT_BYTES = 4096
ID = re.compile(r"\d{1,20}-\d{1,20}")


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetter:
    """One letter. `at` is Redis time in seconds; `body` the first 4,096 bytes of `size`.

    `content_type` is empty for what was no mail at all: a raw item of the mailbox that nobody could read.
    """

    id: str
    at: float
    mailbox: str
    reason: str
    content_type: str
    size: int
    body: bytes

    @property
    def whole(self) -> bool:
        """Whether the body was kept to the end."""
        return len(self.body) == self.size


class DeadLetters:
    """The letters of one factory. Thread-safe. Every method may raise Unreachable."""

    def __init__(self, client: redis.Redis, site: Site, most: int = MOST) -> None:
        self._client, self._most = client, most
        self._key = site.key("dead-letters")

    def add(self, mailbox: str, reason: str, body: bytes, content_type: str | None = None) -> None:
        """Keep a letter; forget the oldest if there are too many."""
        fields: dict[Any, Any] = {
            "mailbox": mailbox,
            "reason": reason[:1000].encode(errors="replace"),
            "content_type": (content_type or "")[:200].encode(errors="replace"),
            "size": len(body),
            "body": body[:KEPT_BYTES],
        }
        with reaching():
            self._client.xadd(self._key, fields, maxlen=self._most, approximate=False)

    def list(self, most: int = MOST) -> list[DeadLetter]:
        """The newest letters, newest first."""
        with reaching():
            entries: Any = self._client.xrevrange(self._key, count=most)
        return [_letter(stamp, fields) for stamp, fields in entries]

    def get(self, letter_id: str) -> DeadLetter | None:
        """One letter; None when there is none with this id."""
        if not ID.fullmatch(letter_id):
            return None
        with reaching():
            entries: Any = self._client.xrange(self._key, letter_id, letter_id)
        return _letter(*entries[0]) if entries else None

    def remove(self, letter_id: str) -> bool:
        """Forget one letter. False: there is none."""
        if not ID.fullmatch(letter_id):
            return False
        with reaching():
            return bool(self._client.xdel(self._key, letter_id))

    def count(self) -> int:
        """How many letters are kept."""
        with reaching():
            length: Any = self._client.xlen(self._key)
        return int(length)


def _letter(stamp: bytes, fields: dict[bytes, bytes]) -> DeadLetter:
    return DeadLetter(
        id=stamp.decode(),
        at=int(stamp.split(b"-")[0]) / 1000,
        mailbox=fields[b"mailbox"].decode(errors="replace"),
        reason=fields[b"reason"].decode(errors="replace"),
        content_type=fields[b"content_type"].decode(errors="replace"),
        size=int(fields[b"size"]),
        body=fields[b"body"],
    )
