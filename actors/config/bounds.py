"""What no TOML value may be, whatever its key: looked at before anything else, by a walk that depth cannot break.

A file may come from a program or from a stranger. Tables in tables without end, numbers of thousands of digits and
texts with a NUL in them are right TOML, and each ends some library in an error of its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from actors.config.toml_lines import Path

DEEPEST = 16  # tables and lists in each other; the deepest key that there is has 6
MOST = 2**63 - 1  # as TOML says
Found = tuple[Path, str, str]


def out_of_bounds(raw: Any) -> Iterator[Found]:
    """(where, what is wrong, hint)"""
    left: list[tuple[Path, Any]] = [((), raw)]
    while left:
        path, value = left.pop()
        if len(path) > DEEPEST:
            yield path[:DEEPEST], f"more than {DEEPEST} tables or lists in each other", "no key is so deep"
        elif isinstance(value, dict):
            left += (((*path, key), inner) for key, inner in value.items())
        elif isinstance(value, list):
            left += (((*path, at), inner) for at, inner in enumerate(value))
        elif said := _wrong(value):
            yield path, said, ""


def _wrong(value: Any) -> str:
    if isinstance(value, int) and not -MOST <= value <= MOST:
        return f"a number of {value.bit_length()} bits; allowed: at most 63"
    if isinstance(value, float) and not math.isfinite(value):
        return f"seen {value}; allowed: a finite number"
    if isinstance(value, str) and "\0" in value:
        return "a text with a NUL character (\\u0000) in it; allowed: a text without"
    return ""


def told_by_parser(wrong: Exception, text: str) -> tuple[int, str]:
    """(line or 0, what is wrong) of what `tomllib` itself cannot stand: it stops with no word about the place."""
    if isinstance(wrong, RecursionError):
        return 0, f"tables or lists too deep in each other; allowed: {DEEPEST}"
    digits = re.search(r"\d[\d_]{4000,}", text)
    if digits:
        return text.count("\n", 0, digits.start()) + 1, f"a number of {len(digits[0])} digits; allowed: at most 19"
    return 0, str(wrong)
