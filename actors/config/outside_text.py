"""Text from outside (reasons, names of startds, tags, attributes of jobs, errors of clouds), as a person may see it.

The rule it keeps: what is not printable is shown and never sent. A terminal obeys escape sequences, a line feed forges
a line of a log, a right-to-left override turns a name around; here each of them is its Python escape: `\\x1b`, `\\n`,
`\\u202e`. Printable text, in any script, stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_LINES = re.compile(r"\r\n|\n")


def visible(text: str) -> str:
    """One line: every character that is not printable as its escape, line ends too."""
    return text if text.isprintable() else "".join(map(_one, text))


def visible_lines(text: str) -> Iterable[str]:
    """As `visible`, for a text of ours that has several lines: split at its line feeds."""
    return map(visible, _LINES.split(text))


def visible_document(text: str) -> str:
    """A JSON or TOML document that means the same: where either has such characters, it is in strings or comments."""
    return "\n".join("".join(one if one.isprintable() else _json(one) for one in line) for line in text.split("\n"))


def _one(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


def _json(character: str) -> str:
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
