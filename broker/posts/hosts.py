"""Which hosts are alive, by one clock.

Each host beats: its name goes into a sorted set, scored by Redis TIME taken inside the script, and what it says of
itself into a hash. One round trip also answers with the time and everyone who beat lately, so all hosts judge by
the same clock. A host's name is `host#incarnation`, and each process start is a new incarnation: a host that was
restarted is another host, and its old terms are not its own.

A beat of the future, or what does not read as a host, is a foreign hand's: it is nobody's beat.

Absence is only used to share work; who holds a post is for the leases to say.
"""

import secrets
from collections.abc import Iterable, Sequence
from typing import Any

import redis
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from broker.connection.address import Site
from broker.errors import reaching

FORGET_S = 24 * 3600

# KEYS: beats, infos. ARGV: name, info, within_s, forget_s. -> {seconds, microseconds, name, score, info, ...}
BEAT = """
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
redis.call('ZADD', KEYS[1], string.format('%.6f', now), ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[4])) do
  redis.call('ZREM', KEYS[1], gone)
  redis.call('HDEL', KEYS[2], gone)
end
local answer = {t[1], t[2]}
local live = redis.call('ZRANGEBYSCORE', KEYS[1], string.format('(%.6f', now - ARGV[3]), now + ARGV[3], 'WITHSCORES')
for i = 1, #live, 2 do
  answer[#answer + 1] = live[i]
  answer[#answer + 1] = live[i + 1]
  answer[#answer + 1] = redis.call('HGET', KEYS[2], live[i]) or ''
end
return answer
"""


def new_incarnation() -> str:
    """A word that no other process start has."""
    return secrets.token_hex(4)


class HostInfo(BaseModel):
    """What a host says of itself. A newer host's extra fields are ignored, so that versions can be mixed."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    host: str = Field(pattern=r"^[!-\"$-~]{1,150}$")  # printable, without space and '#'
    incarnation: str = Field(pattern=r"^[A-Za-z0-9]{1,32}$")
    version: str
    posts: tuple[str, ...] = ("*",)  # patterns of the posts that it takes
    declines: tuple[str, ...] = ()  # posts that it leaves to others for a while, if there are such
    started_at: float  # Redis seconds
    config_generation: int | None = None
    troubles: tuple[str, ...] = ()  # what a person should know of it: threads that fail, posts that it set aside

    @property
    def name(self) -> str:
        """The holder's name in leases."""
        return f"{self.host}#{self.incarnation}"


class Live(BaseModel):
    """A host that beat lately. `age_s` is since its last beat, by Redis TIME."""

    model_config = ConfigDict(frozen=True)

    info: HostInfo
    age_s: float


class Beat(BaseModel):
    """The answer to a beat: Redis time in seconds, and the live hosts by name."""

    model_config = ConfigDict(frozen=True)

    now: float
    live: tuple[Live, ...]


class Hosts:
    """The hosts of a factory. Thread-safe. Every method may raise Unreachable."""

    def __init__(self, client: redis.Redis, site: Site) -> None:
        self._client = client
        self._keys = [site.key("hosts"), site.key("host-infos")]
        self._script = client.register_script(BEAT)

    def beat(self, info: HostInfo, within_s: float) -> Beat:
        """Say that we are alive; answer who else beat in the last `within_s` seconds (we are among them)."""
        with reaching():
            answer: Any = self._script(keys=self._keys, args=[info.name, info.model_dump_json(), within_s, FORGET_S])
        now = _seconds(answer[:2])
        return Beat(now=now, live=_live_of((answer[i : i + 3] for i in range(2, len(answer), 3)), now))

    def live(self, within_s: float) -> tuple[Live, ...]:
        """Who beat in the last `within_s` seconds, by name. Says nothing of ourselves.

        No script: Redis gives scripts with keys to those only who may write them, and a dashboard may not.
        """
        with reaching():
            pipe = self._client.pipeline(transaction=True)
            pipe.time()
            pipe.zrange(self._keys[0], 0, -1, withscores=True)
            pipe.hgetall(self._keys[1])
            time, beats, infos = pipe.execute()
        now = _seconds(time)
        return _live_of(((name, at, infos.get(name, b"")) for name, at in beats if abs(now - at) < within_s), now)

    def leave(self, info: HostInfo) -> None:
        """Stop counting as alive, at once."""
        with reaching():
            pipe = self._client.pipeline(transaction=True)
            pipe.zrem(self._keys[0], info.name)
            pipe.hdel(self._keys[1], info.name)
            pipe.execute()


def _seconds(time: Sequence[Any]) -> float:
    """Redis TIME: seconds, and microseconds of the next."""
    return int(time[0]) + int(time[1]) / 1e6


def _live_of(said: Iterable[Sequence[Any]], now: float) -> tuple[Live, ...]:
    found = [one for one in (_live(each, now) for each in said) if one]
    return tuple(sorted(found, key=lambda one: one.info.name))


def _live(said: Sequence[Any], now: float) -> Live | None:
    """None for what is no host of ours: a foreign hand wrote it, and it must not stop the beat."""
    name, score, info = said
    try:
        read = HostInfo.model_validate_json(info)
    except ValidationError:
        return None
    return Live(info=read, age_s=max(0.0, now - float(score))) if read.name.encode() == name else None
