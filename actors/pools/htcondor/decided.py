"""Which part of the Requirements decided that no cloud suits a job: in the words of attributes. Runs in a fork.

Requirements are mostly a chain of conditions, joined by &&. Those that do not hold beside a free slot of the first
cloud are told by what they ask of the slot; where the job's hold, the slot's own START refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from classad2 import ClassAd, ClassAdException, ExprTree

from actors.pools.htcondor.cost import has

MOST_NAMES = 4
_TOKEN = re.compile(r""""(?:[^"\\]|\\.)*"|&&|\|\||[()?:]|[^"&|()?:]+|.""", re.DOTALL)


def decided(ad: ClassAd, slot: ClassAd) -> str:
    """For example "HasLicence (not advertised)". Empty where it cannot be told."""
    try:
        failing = [part for part in parts(str(ad.lookup("Requirements"))) if not _holds(part, ad, slot)]
        if failing:
            return _names(failing, ad, slot)
        if "Start" in slot and not _holds("Start", slot, ad):
            refusing = [part for part in parts(str(slot.lookup("Start"))) if not _holds(part, slot, ad)]
            return f"the workers' START refuses: {_short(' && '.join(refusing))}"
    except (ClassAdException, ValueError, AttributeError):
        return ""
    return ""


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


def _names(failing: list[str], ad: ClassAd, slot: ClassAd) -> str:
    names: dict[str, None] = {}
    for part in failing:
        for name in ClassAd().externalRefs(ExprTree(part)):
            scope, _, rest = name.partition(".")
            asked = rest or scope
            if (scope.lower() == "target" and rest) or (not rest and not has(ad, asked)):
                names[asked if asked in slot else f"{asked} (not advertised)"] = None
    if not names:
        return _short(failing[0])
    return ", ".join(sorted(names)[:MOST_NAMES])


def _short(text: str, most: int = 100) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
