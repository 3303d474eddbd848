"""What a job's expressions may cost, told before any of them is evaluated. Runs in a child.

Attributes that stand for expressions are evaluated again wherever they are named: `A1 = A0 + A0`, `A2 = A1 + A1`, ...
takes 2^n steps in twenty lines. An expression of 100,000 terms ends the process that evaluates it. So an
expression's cost is the length of its text and what it names, each time that it names it, counted without evaluating.

A job that costs too much is of no class but its own, which is named. What cannot be told so (a pattern that takes
years, `eval` of a text that is put together) is left to the time limit: see `condor_apart`.
"""

from __future__ import annotations

import re
from functools import lru_cache

from classad2 import ClassAd

MOST_TEXT = 32_768  # characters of one expression
MOST_COST = 200_000  # characters, with all that is named, as often as it is named
MOST_DEPTH = 100  # of attributes that name attributes
USED = ("Requirements", "Rank", "RequestCpus", "RequestMemory", "RequestDisk", "RequestGPUs")

_NAMES = re.compile(r""""(?:[^"\\]|\\.)*"|(?i:target)\s*\.\s*\w+|([A-Za-z_]\w*)""", re.ASCII)


class TooCostly(Exception):
    """An expression that is not evaluated; the text says which, and why."""


def refuse_costly(ad: ClassAd, names: tuple[str, ...] = USED) -> None:
    """Return if all expressions of the job that `names` lead to are cheap. Raises TooCostly."""
    costs: dict[str, int] = {}
    have = frozenset(map(str.lower, ad))
    for name in names:
        key = name.lower()
        if key in have and _cost(ad, key, costs, (), have) > MOST_COST:
            raise TooCostly(f"its {name} costs too much to evaluate: it names attributes that name others, and so on")


def _cost(ad: ClassAd, name: str, costs: dict[str, int], path: tuple[str, ...], have: frozenset[str]) -> int:
    """In characters, capped a little above MOST_COST."""
    if name in costs:
        return costs[name]
    if name in path or len(path) > MOST_DEPTH:
        raise TooCostly(f"its {path[0]} leads to {name}, which leads on and on")
    text = _expression(ad, name)
    cost = len(text)
    for named in names_in(text):
        if named in have:
            cost = min(cost + _cost(ad, named, costs, (*path, name), have), MOST_COST + 1)
    costs[name] = cost
    return cost


def _expression(ad: ClassAd, name: str) -> str:
    """As `text_of`; numbers, which most attributes are, and short texts cost next to nothing, and name nothing."""
    try:
        value = ad[name]
    except (KeyError, ValueError):
        return ""
    if isinstance(value, int | float) or (isinstance(value, str) and len(value) <= MOST_TEXT):
        return ""
    return text_of(ad, name)


def text_of(ad: ClassAd, name: str) -> str:
    """As ClassAd text; empty where the job has none. What is no UTF-8 costs nothing, as every literal. TooCostly."""
    try:
        text = str(ad.lookup(name))
    except (KeyError, ValueError):
        return ""
    if len(text) > MOST_TEXT:
        raise TooCostly(f"its {name} has {len(text)} characters; at most {MOST_TEXT} are evaluated")
    return text


def has(ad: ClassAd, name: str) -> bool:
    """What is there and no UTF-8 is there. (`lookup` takes 2.7 us, for an expression is made of it; this takes 0.4.)"""
    try:
        ad[name]
    except KeyError:
        return False
    except ValueError:
        return True
    return True


@lru_cache(maxsize=20_000)
def names_in(text: str) -> tuple[str, ...]:
    """What an expression names of its own ad, in lower case, as often as it does. Functions are among them."""
    return tuple(name.lower() for name in _NAMES.findall(text) if name)
