"""The host's decisions as sentences for a stranger: what it did, to what, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deploy.lab.demo_host import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A decision: when, what, and why. `colour` is the state's, on the screen."""

    at: str
    what: str
    why: str
    colour: str


def said(line: Line) -> Said | None:
    """The sentence for a log line; None for lines that are no decision."""
    words = _WORDS.get(line.what)
    made = words(line.fields) if words else None
    if made is None and line.weight not in ("info", "debug"):
        made = (line.what, str(line.fields.get("why", "")), "red")
    return Said(at=line.at, what=made[0], why=made[1], colour=made[2]) if made else None


_Words = tuple[str, str, str]
_Fields = Mapping[str, Any]


def _want(fields: _Fields) -> _Words:
    more = fields["now"] > fields["was"]
    what = f"wants {fields['now']} of {fields['cloud']} (was {fields['was']})"
    return what, fields["why"], "cyan" if more else "yellow"


def _launch(fields: _Fields) -> _Words:
    return f"asks {fields['cloud']} for {fields['vms']} VMs", f"decision {fields['decision']}", "cyan"


def _vm(fields: _Fields) -> _Words | None:
    verb = {"ready": "joined", "draining": "drains", "ending": "ends", "failed": "failed"}.get(fields["now"])
    if verb is None:
        return None
    colour = {"ready": "green", "draining": "yellow", "ending": "magenta", "failed": "red"}[fields["now"]]
    return (
        f"{verb} a VM of {fields['cloud']}" if verb != "joined" else f"a VM of {fields['cloud']} joined",
        fields["why"],
        colour,
    )


def _closed(fields: _Fields) -> _Words:
    return f"starts nothing on {fields['cloud']} for {fields['for_s']:g} s", fields["why"], "yellow"


_WORDS: dict[str, Callable[[_Fields], _Words | None]] = {
    "want": _want,
    "launch": _launch,
    "vm": _vm,
    "cloud closed": _closed,
    "redis is empty": lambda _: None,  # so it is at a first start
}
