"""Every write that Redis accepted, from its append-only file: the one witness that no host can talk round.

A script's effects stand there as the HSET and HDEL that it made, in the order in which they were made.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from broker.connection.address import Site

HEAD = re.compile(rb"\d{1,15} \d{1,15}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A row as it was written; `fence` 0: it was deleted."""

    kind: str
    post: str
    key: str
    fence: int
    body: bytes


def written(directory: Path, site: Site) -> list[Written]:
    """All writes of a factory's fenced rows since the server's first start in `directory`, the oldest first."""
    prefix = site.key("rows", "").encode()
    found: list[Written] = []
    for words in _commands(directory):
        if words[0].upper() in (b"HSET", b"HDEL") and words[1].startswith(prefix):
            kind, _, post = words[1][len(prefix) :].decode(errors="replace").partition(":")
            step = 2 if words[0].upper() == b"HSET" else 1
            for at in range(2, len(words), step):
                head, _, body = words[at + 1].partition(b"\n") if step == 2 else (b"0 0", b"", b"")
                if not HEAD.fullmatch(head):
                    continue  # no write of a host's: a test wrote garbage there
                fence = int(head.split(b" ")[1])
                found.append(
                    Written(kind=kind, post=post, key=words[at].decode(errors="replace"), fence=fence, body=body)
                )
        elif words[0].upper() == b"FLUSHALL":
            found.append(Written(kind="", post="", key="FLUSHALL", fence=0, body=b""))
    return found


def steps_back(rows: list[Written]) -> list[str]:
    """Where a post was written with a smaller fence than before. A FLUSHALL begins anew."""
    highest: dict[str, int] = {}
    wrong = []
    for row in rows:
        if row.key == "FLUSHALL":
            highest.clear()
        elif row.fence and row.fence < highest.get(row.post, 0):
            wrong.append(f"{row.kind} {row.key} of {row.post}: fence {highest[row.post]}, then {row.fence}")
        highest[row.post] = max(row.fence, highest.get(row.post, 0))
    return wrong


def _commands(directory: Path) -> Iterator[list[bytes]]:
    for file in sorted((directory / "appendonlydir").glob("*.incr.aof"), key=_number):
        yield from _parsed(file.read_bytes())


def _number(file: Path) -> int:
    return int(file.name.split(".")[-3])


def _parsed(data: bytes) -> Iterator[list[bytes]]:
    at = 0
    while at < len(data):
        end = data.find(b"\r\n", at)
        if data[at : at + 1] != b"*" or end < 0:
            return  # the last command was cut off
        count, at, words = int(data[at + 1 : end]), end + 2, []
        for _ in range(count):
            end = data.find(b"\r\n", at)
            if end < 0:
                return
            size = int(data[at + 1 : end])
            words.append(data[end + 2 : end + 2 + size])
            at = end + 2 + size + 2
        if at > len(data):
            return
        yield words
