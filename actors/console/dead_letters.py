"""`apf dead`: mail that nobody could read, for a person to look at, send again or forget.

What stands in a letter may come from anyone who can write to Redis: nothing of it reaches the terminal but printable
characters.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgpack
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from actors.console.opened import Store
from actors.console.refusals import NoLetter
from broker.errors import BadMail
from broker.mail.dead_letters import DeadLetter
from broker.mail.replay import replay

ALL = "all"


def do(rows: Store, what: str, letter_id: str) -> tuple[RenderableType, bool]:
    """list, show, replay or drop: what to print, and whether it was done. Raises NoLetter, Unreachable."""
    if what == "list":
        letters = rows.dead.list()
        return (_listed(letters) if letters else Text("no dead letters")), True
    letters = _found(rows, letter_id)
    if what == "show":
        return Group(*(_shown(letter) for letter in letters)), True
    if what == "drop":
        return Text(f"{sum(rows.dead.remove(letter.id) for letter in letters)} dropped"), True
    return _replayed(rows, letters)


def _found(rows: Store, letter_id: str) -> list[DeadLetter]:
    """One letter, or with "all" every one, the oldest first. Raises NoLetter, Unreachable."""
    if letter_id == ALL:
        return rows.dead.list()[::-1]
    letter = rows.dead.get(letter_id)
    if letter is None:
        raise NoLetter(f"there is no dead letter {letter_id!r}; `list` shows those that there are")
    return [letter]


def _listed(letters: Iterable[DeadLetter]) -> Table:
    """The newest first."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("id", "when", "mailbox", "bytes", "why it was put aside"):
        table.add_column(column, overflow="fold")
    for letter in letters:
        table.add_row(letter.id, _when(letter), letter.mailbox, str(letter.size), letter.reason)
    return table


def _shown(letter: DeadLetter) -> Group:
    """All of one letter."""
    lines = [
        f"id            {letter.id}",
        f"when          {_when(letter)}",
        f"mailbox       {letter.mailbox}",
        f"why           {letter.reason}",
        f"content type  {letter.content_type or 'none: it was no mail'}",
        f"bytes         {letter.size}" + ("" if letter.whole else f", of which {len(letter.body)} were kept"),
        f"body          {_body(letter)}",
    ]
    return Group(*map(Text, lines))


def _replayed(rows: Store, letters: list[DeadLetter]) -> tuple[RenderableType, bool]:
    refused = {letter.id: why for letter in letters if (why := _sent(rows, letter))}
    told = [Text(f"{len(letters) - len(refused)} sent again")]
    told += [Text(f"{letter_id} not sent: {why}") for letter_id, why in refused.items()]
    return Group(*told), not refused


def _sent(rows: Store, letter: DeadLetter) -> str:
    try:
        replay(rows.site, rows.dead, letter)
    except BadMail as bad:
        return bad.reason
    return ""


def _when(letter: DeadLetter) -> str:
    return datetime.fromtimestamp(letter.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _body(letter: DeadLetter) -> str:
    """As a map where it is msgpack, else as bytes."""
    try:
        content: Any = msgpack.unpackb(letter.body)
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException):
        content = letter.body
    return repr(content)
