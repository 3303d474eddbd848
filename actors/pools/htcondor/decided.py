"""Which part of the Requirements decided that no cloud suits a job: in the words of attributes. Runs in a fork.

Requirements are mostly a chain of conditions, joined by &&. Those that do not hold beside a free slot of a cloud are
told by what they ask of the slot; where the job's hold, the slot's own START refuses. What the slot says of these
attributes, and who says so, is known to who made it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from classad2 import ClassAd, ClassAdException, ExprTree, parseOne

from actors.pools.htcondor.cost import has
from actors.pools.htcondor.judge import Slot

MOST_NAMES, MOST_CLOUDS = 4, 8
MOST_SHOWN = 60  # characters of a name
Decided = tuple[
    str, tuple[tuple[str, tuple[str, ...]], ...]
]  # a phrase; attributes, each with the clouds where it decides
NOTHING: Decided = ("", ())
_TOKEN = re.compile(r""""(?:[^"\\]|\\.)*"|&&|\|\||[()?:]|[^"&|()?:]+|.""", re.DOTALL)


def decided(ad: ClassAd, slots: Sequence[Slot]) -> Decided:
    """Nothing where it cannot be told. Of the first MOST_CLOUDS clouds."""
    asks: dict[str, tuple[str, ...]] = {}
    phrase = ""
    for cloud, _, text in slots[:MOST_CLOUDS]:
        try:
            names, said = _of_slot(ad, parseOne(text))
        except (ClassAdException, ValueError, AttributeError):
            continue
        phrase = phrase or said
        for name in names:
            asks[name] = (*asks.get(name, ()), cloud)
    return phrase, tuple(sorted(asks.items()))[:MOST_NAMES]


def _of_slot(ad: ClassAd, slot: ClassAd) -> tuple[list[str], str]:
    failing = [part for part in parts(str(ad.lookup("Requirements"))) if not _holds(part, ad, slot)]
    if failing:
        names = list(_names(failing, ad, slot))
        return names, "" if names else _short(failing[0])
    if "Start" in slot and not _holds("Start", slot, ad):
        refusing = [part for part in parts(str(slot.lookup("Start"))) if not _holds(part, slot, ad)]
        return [], f"the workers' START refuses: {_short(' && '.join(refusing))}"
    return [], ""


def parts(text: str) -> Iterator[str]:
    """The conditions that && joins at the top, also within one pair of parentheses around all."""
    found, depth, piece = [], 0, ""
    for token in _TOKEN.findall(text):
        depth += (token == "(") - (token == ")")
        if depth == 0 and token in ("||", "?"):
            yield text
            return
        if depth == 0 and token == "&&":
            found.append(piece)
            piece = ""
        else:
            piece += token
    for one in (*found, piece):
        inner = one.strip()
        yield inner


def _holds(part: str, ad: ClassAd, beside: ClassAd) -> bool:
    return ExprTree(part).eval(ad, beside) is True


def _names(failing: list[str], ad: ClassAd, slot: ClassAd) -> dict[str, None]:
    """What the failing conditions ask of the slot, as the slot spells it."""
    spelled = {name.lower(): name for name in slot}
    names: dict[str, None] = {}
    for part in failing:
        for name in ClassAd().externalRefs(ExprTree(part)):
            scope, _, rest = name.partition(".")
            asked = (rest or scope)[:MOST_SHOWN]
            if (scope.lower() == "target" and rest) or (not rest and not has(ad, asked)):
                names[spelled.get(asked.lower(), asked)] = None
    return names


def _short(text: str, most: int = 100) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
