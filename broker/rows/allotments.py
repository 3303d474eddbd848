"""A pot that several posts take from, and together never more than it holds. Amounts are whole numbers, in any units.

Why not a post of its own that hands out shares: a share that lies idle with one member is missed by another, and a new
share costs two more mails and a leader that may be dead. Here each member keeps one row, what it *has*, and raises it
before it acts. One script adds up all members' rows and writes the raise, so two that ask at the same moment are one
after the other, and the second is told what the first has left.

The rules it keeps:

- One writer a row: a member's row is written by the holder of its post, whose lease the script checks, as with any row.
- A statement of what is there is always written, even over the limit (what exists, exists); only a raise is refused.
- A member that never said what it has may have anything: nothing is granted until it said so. So after Redis lost its
  rows nobody takes what another has.
- A raise that is not used (its asker died) stands until that post's next holder says what there is.
- What lies outside of all members and uses the pot too (`outside`) is seen by each member; of those in one `place`
  the largest counts, not the sum, since they look at the same.

Kept in one hash, `{prefix}allotments:{pot}`: member (a post) -> "own amounts, outside amounts, place".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from broker.connection.address import Site
from broker.connection.damage import text_of
from broker.errors import LeaseLost, reaching
from broker.posts.leases import NOW, PARSE, Term, leases_key

Amounts = tuple[int, ...]
MOST = 1 << 40  # so many more when nothing limits them
ROW = re.compile(r"[0-9]{1,15}( [0-9]{1,15}){0,99}")
PLACE = re.compile(r"[!-~]{0,400}")

# KEYS: leases, pot. ARGV: post, holder, fence, "own,outside", place, more, "each", "limits" (-1: none), all members.
# -> {0, granted, room before that, first member that is not known or '', totals with what was granted}
#    | {1, fence, holder, ms left}: no lease
CLAIM = (
    NOW
    + PARSE
    + """
local fence, holder, since, expires = lease(ARGV[1])
if holder ~= ARGV[2] or fence ~= tonumber(ARGV[3]) or expires <= now then
  return {1, fence, holder, expires - now}
end
local function numbers(text)
  local found = {}
  for number in string.gmatch(text, '-?%d+') do
    if #number > 15 then return {} end  -- no amount of ours
    found[#found + 1] = tonumber(number)
  end
  return found
end
local each, limits = numbers(ARGV[7]), numbers(ARGV[8])
local kinds, unknown, totals, outside = #each, '', {}, {}
for kind = 1, kinds do totals[kind] = 0 end
local function add(amounts, place)
  local most = outside[place] or {}
  for kind = 1, kinds do
    totals[kind] = totals[kind] + amounts[kind]
    most[kind] = math.max(most[kind] or 0, amounts[kinds + kind])
  end
  outside[place] = most
end
local mine = numbers(ARGV[4])
add(mine, ARGV[5])
for i = 9, #ARGV do
  if ARGV[i] ~= ARGV[1] then
    local amounts, place = string.match(redis.call('HGET', KEYS[2], ARGV[i]) or '', '^([%d ]+),(.*)$')
    if amounts and #numbers(amounts) == 2 * kinds then
      add(numbers(amounts), place)
    elseif unknown == '' then
      unknown = ARGV[i]
    end
  end
end
for _, most in pairs(outside) do
  for kind = 1, kinds do totals[kind] = totals[kind] + most[kind] end
end
local room = 1099511627776
for kind = 1, kinds do
  if limits[kind] >= 0 and each[kind] > 0 then
    room = math.min(room, math.floor((limits[kind] - totals[kind]) / each[kind]))
  end
end
room = unknown == '' and math.max(0, room) or 0
local granted = math.min(room, tonumber(ARGV[6]))
local row, said = {}, {}
for kind = 1, kinds do
  row[kind] = string.format('%.0f', mine[kind] + granted * each[kind])
  row[kinds + kind] = string.format('%.0f', mine[kinds + kind])
  said[kind] = totals[kind] + granted * each[kind]
end
redis.call('HSET', KEYS[2], ARGV[1], table.concat(row, ' ') .. ',' .. ARGV[5])
return {0, granted, room, unknown, said}
"""
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PotAsk:
    """What a member has, and how many more it asks for, of `each` so much. `limits`: None is no limit.

    `members`: the posts that share the pot, with or without the one that asks.
    """

    own: Amounts
    each: Amounts
    limits: tuple[int | None, ...]
    members: Sequence[str]
    more: int = 0
    outside: Amounts = ()
    place: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Granted:
    """`n` may be taken; there was room for `room`. `totals`: what all have, with these. `unknown`: who never said."""

    n: int
    room: int
    totals: Amounts
    unknown: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """What a member last said: what it has, and what it saw outside of all members in its place."""

    own: Amounts
    outside: Amounts
    place: str = ""


class Allotments:
    """Thread-safe. Every method may raise Unreachable."""

    def __init__(self, client: redis.Redis, site: Site) -> None:
        self._client, self._site = client, site
        self._claim = client.register_script(CLAIM)

    def claim(self, term: Term, pot: str, ask: PotAsk) -> Granted:
        """Say what the term's post has, and take up to `ask.more`. Raises LeaseLost: nothing was written."""
        outside = ask.outside or (0,) * len(ask.own)
        if not (len(ask.own) == len(ask.each) == len(ask.limits) == len(outside)) or min(*ask.own, *outside) < 0:
            raise ValueError(f"{ask}: as many amounts everywhere, none below 0, are allowed")
        if not PLACE.fullmatch(ask.place):
            raise ValueError(f"place {ask.place!r}: up to 400 printable characters without spaces are allowed")
        limits = (-1 if limit is None else limit for limit in ask.limits)
        args: list[Any] = [term.post, term.holder, term.fence, _text((*ask.own, *outside)), ask.place]
        args += [max(0, ask.more), _text(ask.each), _text(limits), *ask.members]
        with reaching():
            answer: Any = self._claim(keys=[leases_key(self._site), self._key(pot)], args=args)
        if answer[0]:
            raise LeaseLost(term.post, term.holder, term.fence, f"at fence {answer[1]}, {answer[2].decode()}")
        _, granted, room, unknown, totals = answer
        return Granted(n=granted, room=room, totals=tuple(totals), unknown=unknown.decode())

    def read(self, pot: str) -> Mapping[str, Share]:
        """What each member said, by its post. What cannot be read was not said."""
        with reaching():
            rows: Any = self._client.hgetall(self._key(pot))
        said = ((text_of(member), _share(row)) for member, row in rows.items())
        return {member: share for member, share in said if share}

    def _key(self, pot: str) -> str:
        return self._site.key("allotments", pot)


def _text(amounts: Any) -> str:
    return " ".join(str(int(amount)) for amount in amounts)


def total(shares: Iterable[Share], kinds: int) -> Amounts:
    """What they all have, of so many kinds of amounts, added up as the script does."""
    own, places = [0] * kinds, dict[str, Amounts]()
    for share in shares:
        own = [has + more for has, more in zip(own, share.own, strict=True)]
        most = places.get(share.place, (0,) * kinds)
        places[share.place] = tuple(map(max, most, share.outside))
    return tuple(has + sum(most[kind] for most in places.values()) for kind, has in enumerate(own))


def _share(row: bytes) -> Share | None:
    text, _, place = row.decode(errors="replace").partition(",")
    if not ROW.fullmatch(text) or len(text.split()) % 2:
        return None
    amounts = tuple(int(number) for number in text.split())
    half = len(amounts) // 2
    return Share(own=amounts[:half], outside=amounts[half:], place=place)
