"""What can go wrong, named by the remedy.

A caller of this package never sees an exception of redis-py. Each error here tells what to do next:

========== ==========================================================================================
Unreachable Stop acting and try again later. The last write may or may not have happened: read it back.
Refused     As Unreachable, and a person must look: wrong password, missing right, memory full, foreign data.
LeaseLost   Give the post up. Another host may hold it already.
StaleRow    Read the row again and decide again.
DamagedRow  A person must remove what stands there.
BadMail     Park the mail with the reason. Never retry it.
BadUrl      Correct the configuration.
========== ==========================================================================================
"""

from collections.abc import Iterator
from contextlib import contextmanager

import redis.exceptions as said


class BrokerError(Exception):
    """The root of all errors of this package."""


class Unreachable(BrokerError):
    """Redis is away or too slow. Stop acting, retry. A write that raised this may have happened."""


class RedisRefused(Unreachable):
    """Redis is there and said no (password, right, memory, foreign data). Stop acting, retry, and tell a person."""


class AlreadyRuns(BrokerError):
    """Another process runs the embedded server of this directory. Use its address (`find`), or another directory."""


class LeaseLost(BrokerError):
    """A term no longer holds its post. `post` is the post, `seen` what the store says now."""

    def __init__(self, post: str, holder: str, fence: int, seen: str) -> None:
        super().__init__(f"{holder} wrote to {post} with fence {fence}; the post is {seen}: give it up")
        self.post, self.holder, self.fence, self.seen = post, holder, fence, seen


class StaleRow(BrokerError):
    """A row has another version than the writer read. Nothing of the call was written. `seen` 0 means no row."""

    def __init__(self, kind: str, key: str, expected: int, seen: int) -> None:
        super().__init__(f"{kind} {key}: version {expected} was expected, {seen} is there: read it again")
        self.kind, self.key, self.expected, self.seen = kind, key, expected, seen


class DamagedRow(BrokerError):
    """What stands in a row's place is no row of ours: a foreign hand wrote it. A person must look."""

    def __init__(self, kind: str, post: str, key: str) -> None:
        super().__init__(f"{kind} {key} of {post} does not read as a row; see `apf doctor rows`")
        self.kind, self.post, self.key = kind, post, key


class BadMail(BrokerError):
    """A mail that must not be acted on. `reason` goes to the dead letters."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BadUrl(BrokerError, ValueError):
    """The address of a broker cannot be used. The text names the mistake and what is allowed."""


@contextmanager
def reaching() -> Iterator[None]:
    """Turn what redis-py raises into the errors above."""
    try:
        yield
    except (said.AuthenticationError, said.AuthorizationError) as no:
        raise RedisRefused(f"Redis refused the user or password: {no}") from no
    except said.ReadOnlyError as no:
        raise Unreachable(f"this Redis is a replica now: {no}") from no
    except (said.ConnectionError, said.TimeoutError) as away:
        raise Unreachable(f"Redis is away: {away}") from away
    except said.RedisError as no:
        raise RedisRefused(f"Redis refused the call: {no}") from no
