"""The host's decisions as sentences for a stranger: what it did, to what, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deploy.lab.demo.host import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A decision: when, what, and why. `colour` is the state's, on the screen."""

    at: str
    what: str
    why: str
    colour: str


def said(line: Line, names: Mapping[str, str]) -> Said | None:
    """The sentence for a log line; None for lines that are no decision. `names`: what a VM's id is called here."""
    words = _WORDS.get(line.what)
    made = words(line.fields, names) if words else None
    if words is None and line.weight not in ("info", "debug"):
        made = (line.what, str(line.fields.get("why", "")), "red")
    return Said(at=line.at, what=made[0], why=made[1], colour=made[2]) if made else None


_Words = tuple[str, str, str]
_Fields = Mapping[str, Any]
_Names = Mapping[str, str]


def _want(fields: _Fields, _: _Names) -> _Words:
    more = fields["now"] > fields["was"]
    what = f"wants {fields['now']} of {fields['cloud']}, not {fields['was']}"
    return what, fields["why"], "cyan" if more else "yellow"


def _vm(fields: _Fields, names: _Names) -> _Words | None:
    verb, colour = _VERBS.get(fields["now"], ("", ""))
    if not verb:
        return None
    return f"{verb} {names.get(fields['vm'], fields['vm'])}", fields["why"], colour


def _closed(fields: _Fields, _: _Names) -> _Words:
    return f"starts nothing on {fields['cloud']} for {fields['for_s']:g} s", fields["why"], "yellow"


_VERBS = {"draining": ("drains", "yellow"), "ending": ("ends", "magenta"), "failed": ("did not get", "red")}
_WORDS: dict[str, Callable[[_Fields, _Names], _Words | None]] = {
    "want": _want,
    "vm": _vm,
    "cloud closed": _closed,
    "breaker open": _closed,
    "redis is empty": lambda *_: None,  # so it is at a first start
}
