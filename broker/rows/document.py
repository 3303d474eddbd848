"""A document that all hosts agree on: one text with a number that grows by one with each change.

The rule it keeps: a change names the number it was made from; if somebody else was quicker, nothing is written. So two
people who change it at once cannot undo each other without seeing it.

What stands there and does not read as a document is no edition, and never taken for one (DamagedRow): a host that knows
the document writes it back over that (`mend`), and what stood there is set aside.

Kept in one hash, `{prefix}document:{name}`: number, body, by, at (Redis seconds), and the same of the one before, with
`old_` before each name, where that is known.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import redis
import redis.exceptions as said

from broker.connection.address import Site
from broker.connection.damage import Infirmary, Where
from broker.errors import DamagedRow, StaleRow, reaching

NUMBER = re.compile(rb"[0-9]{1,15}")

FIELDS = ("number", "body", "by", "at")

# KEYS: document. ARGV: expected number, body, by. -> {1, new number} or {0, number seen}
REPLACE = """
local number = tonumber(redis.call('HGET', KEYS[1], 'number') or '0') or -1
if number ~= tonumber(ARGV[1]) then return {0, number} end
local t = redis.call('TIME')
local at = string.format('%.3f', t[1] + t[2] / 1000000)
if number > 0 then
  for _, field in ipairs({'number', 'body', 'by', 'at'}) do
    redis.call('HSET', KEYS[1], 'old_' .. field, redis.call('HGET', KEYS[1], field))
  end
end
redis.call('HSET', KEYS[1], 'number', number + 1, 'body', ARGV[2], 'by', ARGV[3], 'at', at)
return {1, number + 1}
"""

# KEYS: document. ARGV: number, body, by, at. -> 1 if it was written
PUT_BACK = """
if (tonumber(redis.call('HGET', KEYS[1], 'number') or '0') or 0) >= tonumber(ARGV[1]) then return 0 end
redis.call('HDEL', KEYS[1], 'old_number', 'old_body', 'old_by', 'old_at')
redis.call('HSET', KEYS[1], 'number', ARGV[1], 'body', ARGV[2], 'by', ARGV[3], 'at', ARGV[4])
return 1
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Edition:
    """The document as it is: `number` is at least 1, `at` is Redis seconds."""

    number: int
    body: bytes
    by: str
    at: float


class Document:
    """Thread-safe. Every method may raise Unreachable."""

    def __init__(self, client: redis.Redis, site: Site, name: str) -> None:
        self._client, self._name = client, name
        self._key = site.key("document", name)
        self.infirmary = Infirmary(client, site)
        self._replace = client.register_script(REPLACE)
        self._put_back = client.register_script(PUT_BACK)

    def number(self) -> int:
        """The number alone; 0 when there is no document. Raises DamagedRow too."""
        return self._number(self._asked(self._client.hget, "number"))

    def read(self) -> Edition | None:
        """Raises DamagedRow too."""
        return self._read("")

    def before(self) -> Edition | None:
        """The one that the present one replaced; None: there was none, or Redis lost it, or it cannot be read."""
        try:
            return self._read("old_")
        except DamagedRow:
            return None

    def _read(self, which: str) -> Edition | None:
        number, body, by, at = self._asked(self._client.hmget, [f"{which}{field}" for field in FIELDS])
        if number is None and body is None:
            return None
        if not self._number(number) or body is None:
            raise self._damaged("number or body")
        return Edition(
            number=self._number(number),
            body=body,
            by=(by or b"?").decode(errors="backslashreplace"),
            at=_time(at or b""),
        )

    def mend(self, edition: Edition) -> None:
        """Set aside what stands there, whatever it is, and write the edition as it was."""
        self.infirmary.set_aside(Where(key=f"document:{self._name}"))
        self.put_back(edition)

    def _asked(self, ask: Any, *args: Any) -> Any:
        with reaching():
            try:
                return ask(self._key, *args)
            except said.ResponseError as no:
                if not str(no).startswith("WRONGTYPE"):
                    raise
        raise self._damaged("key: it has a type that is not ours")

    def _number(self, text: bytes | None) -> int:
        if text is None:
            return 0
        if not NUMBER.fullmatch(text):
            raise self._damaged("number")
        return int(text)

    def _damaged(self, what: str) -> DamagedRow:
        return DamagedRow("document", self._name, what)

    def replace(self, body: bytes, expected: int, by: str) -> int:
        """Write it if its number is `expected` (0: there is none); returns the new number. Raises StaleRow."""
        with reaching():
            answer: Any = self._replace(keys=[self._key], args=[expected, body, by])
        if not answer[0]:
            raise StaleRow("document", self._name, expected, answer[1])
        return int(answer[1])

    def put_back(self, edition: Edition) -> bool:
        """After Redis lost it: write it as it was, number and all. False: one as new is there, and stays."""
        with reaching():
            args: list[Any] = [edition.number, edition.body, edition.by, f"{edition.at:.3f}"]
            return bool(self._put_back(keys=[self._key], args=args))


def _time(text: bytes) -> float:
    """0 when it cannot be read: it is only shown."""
    try:
        at = float(text)
    except ValueError:
        return 0.0
    return at if math.isfinite(at) else 0.0
