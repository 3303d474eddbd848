"""The list of mutations: one TOML file a part of the product, in this folder.

[[place]]
file = "broker/posts/leases.py"                  # of the product
tests = ["tests/broker/posts/test_leases.py"]    # of its place: what must notice
limit_s = 120                              # optional

[[place.mutant]]
old = "..."                                # exact; it must stand exactly once in the file
new = "..."
tests = [...]                              # optional: others than the place's
survives = "why no test can notice"        # optional
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
LIMIT_S = 120.0


class Stale(Exception):
    """An entry does not fit the code any more: it has to be written anew, or taken out with the guard that it tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """`file` and `tests` are paths below the root. `survives`: why it may, or empty."""

    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    survives: str = ""
    limit_s: float = LIMIT_S

    @property
    def name(self) -> str:
        """A line for people: what became what."""
        return f"{self.file}: {_line(self.old)} -> {_line(self.new) or '(nothing)'}"

    def applied(self, text: str) -> str:
        """The file's text with the mutation. Raises Stale."""
        found = text.count(self.old)
        if found != 1:
            raise Stale(f"{self.name}: the old text stands {found} times in the file; exactly once is allowed")
        if self.old == self.new:
            raise Stale(f"{self.name}: it changes nothing")
        return text.replace(self.old, self.new)


def listed(lists: Iterable[Path] | None = None) -> list[Mutant]:
    """All mutants, in the order of the files' names. Raises KeyError or TOMLDecodeError for a list that is none."""
    found = sorted(HERE.glob("*.toml")) if lists is None else lists
    places = [place for path in found for place in tomllib.loads(path.read_text())["place"]]
    return [_mutant(place, one) for place in places for one in place["mutant"]]


def _mutant(place: dict, one: dict) -> Mutant:
    return Mutant(
        file=place["file"],
        old=one["old"],
        new=one["new"],
        tests=tuple(one.get("tests", place["tests"])),
        survives=one.get("survives", ""),
        limit_s=float(place.get("limit_s", LIMIT_S)),
    )


def _line(text: str) -> str:
    return " / ".join(line.strip() for line in text.strip().splitlines())
