"""Fenced rows: the truth of the factory.

All rows of a kind and a post lie in one hash, `{prefix}rows:{kind}:{post}`: key -> "version fence\\n" + body. So
reading a post is one call, and a post can only write rows of its own.

The rules it keeps:

- One writer: a write carries the writer's Term. The same Lua call that writes first checks that the post is
  held by this holder, with this fence, unexpired by Redis TIME. Else LeaseLost.
- No lost update: a change may name the version it was decided on. Another one there: StaleRow.
- All or nothing: every check comes before the first write.
- The fence of a row never goes back: a row with a larger fence than the writer's refuses him.

A version is 1 for a new row and grows by 1 with each write. A row that is deleted and put again starts at 1:
do not reuse keys whose versions travel in mail.

What does not read as a row is left out and noted (`Table.damages`): it spoils nothing beside it. A put that names no
version writes over it, and what stood there goes to the hash `{prefix}aside`. A key of another type refuses all writes,
since all its rows are gone: its post's holder sets it aside and begins anew; a stream of lines goes aside by itself.

Rows that many may write, but once only (an operator's wish, its outcome), are not fenced: `put_once`.

What a row was before is not in it. So a change may come with a line of history (`Append`), written in the same Lua
call or not at all: a stale holder tells nothing. The lines of a kind and a post are one stream,
`{prefix}lines:{kind}:{post}`, bounded by their number and by their age; `broker.rows.streams` reads them.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import redis
import redis.exceptions as said
import structlog

from broker.connection.address import Site
from broker.connection.damage import ASIDE, SHORT, Damages, Where, printable, text_of
from broker.connection.generation import unbroken_since
from broker.errors import BrokerError, DamagedRow, LeaseLost, StaleRow, reaching
from broker.posts.leases import NOW, PARSE, POST, Term, leases_key

KIND = re.compile(r"[a-z][a-z0-9-]{0,62}")
DIGITS = 15  # of versions and fences: what is longer was not written by us
AHEAD_MS = 365 * 24 * 3_600_000  # a fence so far in the future was not written by us
MOST_CHANGES = 10_000  # in one call; Redis answers nobody else meanwhile (measured: 1,000 take 18 ms, 10,000 0.4 s)

# KEYS: leases, what is set aside, then one hash, or stream of lines, for each kind. ARGV: post, holder, fence, how the
# keys of streams begin, then two for each change: "put|delete|append, index of its hash in KEYS, expected version or -,
# key" with spaces between, and the body. For an append the expected version is "most lines:seconds kept".
# -> {0, versions} | {1, fence, holder, ms left}: no lease | {2, which change, version seen}: stale
#    | {3, which, fence seen}: newer than ours | {4, which}: not a row
WRITE = (
    NOW
    + PARSE
    + """
local fence, holder, since, expires = lease(ARGV[1])
if holder ~= ARGV[2] or fence ~= tonumber(ARGV[3]) or expires <= now then
  return {1, fence, holder, expires - now}
end
for i = 3, #KEYS do
  local type, ours = redis.call('TYPE', KEYS[i]).ok, string.find(KEYS[i], ARGV[4], 1, true) == 1 and 'stream' or 'hash'
  if type ~= 'none' and type ~= ours then
    if ours == 'hash' then return {5, KEYS[i]} end
    local name = string.format('%s:%.0f:%s', KEYS[2], now, KEYS[i])
    redis.call('RENAME', KEYS[i], name)
    redis.call('HSET', KEYS[2], name, 'a whole key')
  end
end
local changes, versions, seen, garbage = {}, {}, {}, {}
for i = 5, #ARGV, 2 do
  local which = (i - 5) / 2
  local what, index, expected, key = string.match(ARGV[i], '^(%l+) (%d+) (%S+) (.*)$')
  local hash, place = KEYS[tonumber(index)], index .. ' ' .. key
  local version = seen[place]
  if what == 'append' then
    versions[which + 1] = -1
    changes[which + 1] = {hash, key, expected}
  else
    if version == nil then
      local row = redis.call('HGET', hash, key)
      version = 0
      if row then
        local v, f = string.match(row, '^(%d+) (%d+)\\n')
        if v and (#v > 15 or #f > 15 or tonumber(f) > now + AHEAD) then v = nil end
        if not v and expected ~= '-' then return {4, which} end
        if not v then
          garbage[hash .. ' ' .. key] = row
        else
          version = tonumber(v)
          if tonumber(f) > fence then return {3, which, tonumber(f)} end
        end
      end
    end
    if expected ~= '-' and tonumber(expected) ~= version then return {2, which, version} end
    if what == 'put' then version = version + 1 else version = 0 end
    seen[place] = version
    versions[which + 1] = version
    changes[which + 1] = {hash, key}
  end
end
for place, row in pairs(garbage) do
  redis.call('HSET', KEYS[2], string.format('%s %.0f', place, now), row)
end
local told = {}
for which, change in ipairs(changes) do
  local version = versions[which]
  if version < 0 then
    local most, kept = string.match(change[3], '^(%d+):(%d+)$')
    redis.call('XADD', change[1], 'MAXLEN', '~', most, '*', 'k', change[2], 'b', ARGV[2 * which + 4])
    told[change[1]] = tonumber(kept)
    versions[which] = 0
  elseif version > 0 then
    local head = string.format('%.0f %.0f\\n', version, fence)
    redis.call('HSET', change[1], change[2], head .. ARGV[2 * which + 4])
  else
    redis.call('HDEL', change[1], change[2])
  end
end
for stream, kept in pairs(told) do
  redis.call('XTRIM', stream, 'MINID', '~', string.format('%.0f', math.max(0, now - kept * 1000)))
  redis.call('EXPIRE', stream, kept)
end
return {0, versions}
"""
).replace("AHEAD", str(AHEAD_MS))


# KEYS: hashes. ARGV: a key for each. -> of each hash its row, or nil (a table with `err` would end the script)
EACH = """
local rows = {}
for i, hash in ipairs(KEYS) do
  local row = redis.pcall('HGET', hash, ARGV[i])
  if type(row) == 'table' then row = {'damaged'} end
  rows[i] = row
end
return rows
"""

Place = tuple[str, str, str]  # of a row: kind, post, key

log = structlog.get_logger("table")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A row as read. `version` is at least 1; `fence` is that of the term which wrote it."""

    key: str
    version: int
    fence: int
    body: bytes

    @property
    def packed(self) -> bytes:
        """As it stands in Redis."""
        return b"%d %d\n%b" % (self.version, self.fence, self.body)


@dataclass(frozen=True, kw_only=True, slots=True)
class Put:
    """Write a row. `expected_version`: 0 it must not exist, n it must be at n, None whatever is there."""

    kind: str
    key: str
    body: bytes
    expected_version: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Delete:
    """Remove a row. `expected_version` as for Put; None also accepts that there is none."""

    kind: str
    key: str
    expected_version: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Append:
    """A line about `key`. Lines beyond the newest `most`, or older than `kept_s`, go: about so, a hundred late."""

    kind: str
    key: str
    body: bytes
    most: int
    kept_s: int


class Table:
    """Rows of all posts. Thread-safe. Every method may raise Unreachable."""

    def __init__(self, client: redis.Redis, site: Site) -> None:
        self._client, self._site = client, site
        self.damages = Damages()
        self._write, self._each = client.register_script(WRITE), client.register_script(EACH)

    def unbroken_since(self) -> float:
        """Since when (Redis seconds) no row can have been lost, as far as this can be told; 0: not known."""
        return unbroken_since(self._client, self._site)

    def read(self, kind: str, post: str) -> dict[str, Row]:
        """All rows of a kind and a post, by key."""
        return self.read_many(kind, [post])[post]

    def read_many(self, kind: str, posts: Iterable[str]) -> dict[str, dict[str, Row]]:
        """As `read`, for several posts in one round trip. Not one moment: each post is one of its own."""
        names = list(posts)
        with reaching():
            pipe = self._client.pipeline(transaction=False)
            for post in names:
                pipe.hgetall(self._rows_key(kind, post))
            answers = pipe.execute(raise_on_error=False)
            return {post: self._rows_of(kind, post, answer) for post, answer in zip(names, answers, strict=True)}

    def get(self, kind: str, post: str, key: str) -> Row | None:
        """One row, or None."""
        return self.get_many([(kind, post, key)])[0]

    def get_many(self, places: Sequence[Place]) -> list[Row | None]:
        """As `get` for each (kind, post, key), in one round trip and in order. Not one moment."""
        with reaching():
            pipe = self._client.pipeline(transaction=False)
            for kind, post, key in places:
                pipe.hget(self._rows_key(kind, post), key)
            answers = pipe.execute(raise_on_error=False)
            return self._rows(places, answers)

    def get_at_once(self, places: Sequence[Place]) -> list[Row | None]:
        """As `get_many`, all of one moment, and in a part of its time: a tenth for a thousand. Needs the right to run
        scripts, which those who only look may not have.
        """
        if not places:
            return []
        with reaching():
            answers: Any = self._each(
                keys=[self._rows_key(kind, post) for kind, post, _ in places], args=[key for *_, key in places]
            )
        return self._rows(places, answers)

    def write(self, term: Term, changes: Sequence[Put | Delete | Append]) -> list[int]:
        """Do all changes, in order, or none; return the new version of each (0: deleted, or a line).

        Raises LeaseLost, StaleRow: nothing was written. Raises Unreachable: all may be written, or nothing.
        """
        rows = sum(not isinstance(change, Append) for change in changes)
        if rows > MOST_CHANGES:
            raise ValueError(f"{rows} changes in one write; at most {MOST_CHANGES} are allowed")
        if not changes:
            return []
        holds = dict.fromkeys((isinstance(change, Append), change.kind) for change in changes)
        keys = [leases_key(self._site), self._site.key(ASIDE)]
        for line, kind in holds:
            keys.append(lines_key(self._site, kind, term.post) if line else self._rows_key(kind, term.post))
        place = {hold: index + 3 for index, hold in enumerate(holds)}  # Lua counts from 1, and has two before
        args: list[Any] = [term.post, term.holder, term.fence, self._site.key("lines") + ":"]
        for change in changes:
            args += _arguments(change, place[isinstance(change, Append), change.kind])
        with reaching():
            answer: Any = self._write(keys=keys, args=args)
        if answer[0] == 5:
            kind = text_of(answer[1]).removeprefix(self._site.key("rows", "")).partition(":")[0]
            self._not_a_hash(Where(key=f"rows:{kind}:{term.post}"), said.ResponseError("WRONGTYPE"))
            raise DamagedRow(kind, term.post, "key")
        if answer[0] != 0:
            raise _refusal(answer, term, changes)
        return list(answer[1])

    def put_once(self, kind: str, key: str, body: bytes) -> bool:
        """Write a row that is never overwritten. False: there is one already, and it stays."""
        with reaching():
            return bool(self._client.hsetnx(self._once_key(kind), key, body))

    def read_once(self, kind: str) -> dict[str, bytes]:
        """All write-once rows of a kind, by key."""
        with reaching():
            try:
                rows: Any = self._client.hgetall(self._once_key(kind))
            except said.ResponseError as no:
                rows = self._not_a_hash(Where(key=f"once:{kind}"), no)
        for key in [key for key in rows if not _is_text(key)]:
            self.damaged(kind, "", text_of(key), "its key is no text", rows.pop(key))
        return {key.decode(): body for key, body in rows.items()}

    def get_once(self, kind: str, key: str) -> bytes | None:
        """One write-once row, or None."""
        with reaching():
            body: Any = self._client.hget(self._once_key(kind), key)
        return None if body is None else bytes(body)

    def delete_once(self, kind: str, keys: Iterable[str]) -> int:
        """Forget write-once rows; return how many there were."""
        names = [key.encode(errors="surrogateescape") for key in keys]
        if not names:
            return 0
        with reaching():
            gone: Any = self._client.hdel(self._once_key(kind), *names)
        return int(gone)

    def damaged(self, kind: str, post: str, key: str, why: str, raw: bytes | None) -> None:
        """Note that a row, or (no post) a write-once row, cannot be read."""
        place = Where(key=f"rows:{kind}:{post}" if post else f"once:{kind}", field=key)
        if self.damages.note(place, why, raw):
            log.error("row cannot be read", place=printable(str(place)), why=printable(why)[:SHORT])

    def _rows_of(self, kind: str, post: str, answer: Any) -> dict[str, Row]:
        if isinstance(answer, Exception):
            answer = self._not_a_hash(Where(key=f"rows:{kind}:{post}"), answer)
        rows = ((key, self._row(kind, post, key, packed)) for key, packed in answer.items())
        return {text_of(key): row for key, row in rows if row}

    def _rows(self, places: Sequence[Place], answers: Sequence[Any]) -> list[Row | None]:
        rows: list[Row | None] = []
        for (kind, post, key), packed in zip(places, answers, strict=True):
            if isinstance(packed, list):
                packed = said.ResponseError("WRONGTYPE")
            if isinstance(packed, Exception):
                self._not_a_hash(Where(key=f"rows:{kind}:{post}"), packed)
                packed = None
            rows.append(None if packed is None else self._row(kind, post, key.encode(errors="surrogateescape"), packed))
        return rows

    def _row(self, kind: str, post: str, key: bytes, packed: bytes) -> Row | None:
        row = _row(text_of(key), packed) if _is_text(key) else None
        if row is None:
            self.damaged(kind, post, text_of(key), "it does not read as a row", packed)
        return row

    def _not_a_hash(self, where: Where, answer: Exception) -> dict[bytes, bytes]:
        """Of a key with another type nothing is known."""
        if not str(answer).startswith("WRONGTYPE"):
            raise answer
        if self.damages.note(where, "the key has a type that is not ours"):
            log.error("key cannot be read", place=str(where), why="it has a type that is not ours")
        return {}

    def _rows_key(self, kind: str, post: str) -> str:
        return self._site.key("rows", _known(kind), _post(post))

    def _once_key(self, kind: str) -> str:
        return self._site.key("once", _known(kind))


def lines_key(site: Site, kind: str, post: str) -> str:
    """Where the lines of a kind and a post stand."""
    return site.key("lines", _known(kind), _post(post))


def _post(post: str) -> str:
    if not POST.fullmatch(post):
        raise ValueError(f"post {post!r}: 1 to 200 printable characters without spaces are allowed")
    return post


def _known(kind: str) -> str:
    if not KIND.fullmatch(kind):
        raise ValueError(f"kind {kind!r}: a lower-case letter, then letters, digits and '-' are allowed")
    return kind


def _is_text(key: bytes) -> bool:
    try:
        key.decode()
    except UnicodeDecodeError:
        return False
    return True


def _row(key: str, packed: bytes) -> Row | None:
    """None for what is no row of ours."""
    head, _, body = packed.partition(b"\n")
    version, _, fence = head.partition(b" ")
    if not (version.isdigit() and fence.isdigit() and len(version) <= DIGITS and len(fence) <= DIGITS):
        return None
    return Row(key=key, version=int(version), fence=int(fence), body=body)


def _arguments(change: Put | Delete | Append, place: int) -> tuple[str, bytes]:
    if isinstance(change, Append):
        return f"append {place} {change.most}:{change.kept_s} {change.key}", change.body
    expected = "-" if change.expected_version is None else change.expected_version
    if isinstance(change, Put):
        return f"put {place} {expected} {change.key}", change.body
    return f"delete {place} {expected} {change.key}", b""


def _refusal(answer: Sequence[Any], term: Term, changes: Sequence[Put | Delete | Append]) -> BrokerError:
    if answer[0] == 1:
        fence, holder, left_ms = answer[1:]
        seen = "free" if holder == b"-" else f"{'held' if left_ms > 0 else 'expired, last held'} by {holder.decode()}"
        return LeaseLost(term.post, term.holder, term.fence, f"{seen}, at fence {fence}")
    change = changes[int(answer[1])]
    if answer[0] == 3:
        seen = f"further: its {change.kind} {change.key} was written with fence {answer[2]}"
        return LeaseLost(term.post, term.holder, term.fence, seen)
    if answer[0] == 4:
        return DamagedRow(change.kind, term.post, change.key)
    expected = 0 if isinstance(change, Append) else change.expected_version or 0  # a line is never stale
    return StaleRow(change.kind, change.key, expected, answer[2])
