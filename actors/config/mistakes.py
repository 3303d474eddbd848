"""Mistakes in a configuration file: what is said of each. All of them at once, each with its place and its remedy.

A secret that was written in plain is never repeated in a message: not even a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from actors.config.outside_text import visible
from actors.config.toml_lines import Path
from actors.fleet.nearest import nearest

MISSING = "missing"
SECRET_KEY = re.compile(r"password|passwd|secret|token|credential|access_key|private_key", re.IGNORECASE)
AMOUNT = re.compile(r"^\s*\$?\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z/$%]*)\s*$")
SECONDS = {
    "ms": 0.001,
    "s": 1,
    "sec": 1,
    "second": 1,
    "m": 60,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
    "d": 86_400,
}
MIB = {"m": 1, "mb": 1, "mib": 1, "g": 1024, "gb": 1024, "gib": 1024, "t": 1024**2, "tb": 1024**2, "tib": 1024**2}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Mistake:
    """One mistake. `place` is the table path and key; `said` what was seen and what is allowed; `hint` may be empty.

    `line` 0: of the whole file.
    """

    line: int
    place: str
    said: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"line {self.line}: {self.place}" if self.line else self.place
        return f"{where}: {self.said}" + (f" ({self.hint})" if self.hint else "")


class BadConfig(Exception):
    """The configuration cannot be used. `mistakes` has them all, by line; correct the file and try again."""

    def __init__(self, path: str, mistakes: Iterable[Mistake]) -> None:
        self.path = path
        self.mistakes = tuple(sorted(set(mistakes)))
        count = "1 mistake" if len(self.mistakes) == 1 else f"{len(self.mistakes)} mistakes"
        super().__init__("\n".join([f"{path}: {count}", *(f"  {mistake}" for mistake in self.mistakes)]))


def place_of(path: Path) -> str:
    """`clouds.spot.tags."a b"`, `queues.atlas.cascade[1]`; `the file` for nothing."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{visible(part)}"')
    return text or "the file"


def shown(path: Path, value: Any) -> str:
    """The value as a message may show it: short, and not at all where a secret may stand."""
    if any(isinstance(part, str) and SECRET_KEY.search(part) for part in path):
        return "a value that is not shown"
    text = repr(value) if isinstance(value, str) else str(value)
    text = text if not isinstance(value, bool) else text.lower()
    return text if len(text) <= 60 else text[:57] + "..."


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The nearest known word as a hint, or all of them when they are few; empty when there are none."""
    words = list(dict.fromkeys(known))
    if near := nearest(word, words):
        return f"did you mean {near!r}?"
    return f"known: {', '.join(words)}" if words else ""


def unit_hint(key: str, value: Any) -> str:
    """For a number with a unit in a text ("15s", "10 GB"): how to write it in the key's own unit."""
    found = AMOUNT.match(value) if isinstance(value, str) else None
    if not found:
        return ""
    number, unit = float(found[1]), found[2].lower()
    if key.endswith("_s"):
        return _in("seconds", number, unit.rstrip("s") or unit, SECONDS)
    if key.endswith("_mib"):
        return _in("MiB", number, unit, MIB)
    return f"write {number:g}, a number without quotes or unit"


def _in(name: str, number: float, unit: str, factors: dict[str, float] | dict[str, int]) -> str:
    if unit and unit not in factors:
        return f"write a number of {name}, without quotes or unit"
    return f"write {number * factors.get(unit, 1):g}: a number of {name}, without quotes or unit"
