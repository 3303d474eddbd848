"""One section of AutoPyFactory's `queues.conf`, and how what it says is written as TOML."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

SILENT = {"enabled", "autofill", "cloud", "vo"}  # used, or of no weight
NAMED = re.compile(r"%\((.+?)\)s")
SECRET = re.compile(r"secret|password|token|access_key", re.IGNORECASE)


@dataclass(slots=True)
class ApfSection:
    """One section; `take` reads a key and remembers it, so that what is left over can be noted."""

    name: str
    keys: Mapping[str, str]
    taken: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def take(self, key: str) -> str:
        """The value, "" when it is not there or "None"."""
        self.taken.add(key)
        value = self.keys.get(key, "").strip()
        if missing := NAMED.search(value):
            self.notes.append(f"{key} = {value!r} names {missing[1]!r}, which is not said anywhere: taken as not said")
            return ""
        return "" if value.lower() == "none" else value

    def of_ec2(self, key: str) -> str:
        """Of a key of the plugin CondorEC2, which is also written as the submit file has it."""
        named = (f"batchsubmit.condorec2.{key}", f"batchsubmit.condorec2.ec2_{key}", f"ec2_{key}")
        return next(filter(None, [self.take(one) for one in named]), "")

    def number(self, key: str, default: float) -> float:
        value = self.take(key)
        try:
            found = float(value) if value else default
        except ValueError:
            found = math.nan
        if not math.isfinite(found):
            self.notes.append(f"{key} = {value!r} is not a number: {default:g} is taken")
            return default
        return found

    def leftovers(self) -> Iterator[str]:
        for key, value in self.keys.items():
            if key not in self.taken | SILENT and value.strip().lower() != "none":
                shown = "(not shown)" if SECRET.search(key) else repr(value.strip())
                yield f"{key} = {shown} has no counterpart and is left out"


def as_number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def as_text(value: str) -> str:
    """A TOML basic string: JSON's, but for what JSON lets stand as it is, or writes in two halves."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def as_literal(value: str) -> str:
    return f"'{value}'" if "'" not in value and value.isprintable() else as_text(value)
