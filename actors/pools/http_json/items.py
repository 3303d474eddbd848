"""A JSON answer as ClassAds: its items, each with the fields that the configuration's expressions look at.

An item that is no table is one with the single field `Value`; where items are the values of a table, `Key` is where
each stood. So a plain number at the end of a path is an item as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NoReturn

from classad2 import ClassAd, ExprTree

from actors.pools.port import PoolAway

STRING = re.compile(r'"(?:\\.|[^"\\])*"')
NAMES = re.compile(r"'((?:\\.|[^'\\])*)'|([A-Za-z_]\w*)")
WORD = 2**63
EVERYTHING = "*"
KEY, VALUE = "Key", "Value"


def parsed(body: bytes) -> Any:
    """Raises PoolAway for what is no JSON, and for numbers that are none."""
    try:
        return json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as wrong:
        shown = " ".join(body[:120].decode(errors="replace").split())
        raise PoolAway(f"the answer is no JSON ({type(wrong).__name__}): {shown!r}") from None


def items_at(document: Any, path: str, several: bool = False) -> list[Mapping[str, Any]]:
    """The items at a path: "data.queues", "sites.*", "" for the whole answer. A list there is its elements.

    `several`: it has to be a list, or the path to end with "*"; a table there may be an error's. Raises PoolAway where
    the path leads nowhere.
    """
    found = [(None, document)]
    for segment in path.split(".") if path else ():
        found = [below for _, value in found for below in _below(value, segment, path)]
    if EVERYTHING not in path.split(".")[-1:]:
        if several and not all(isinstance(value, list) for _, value in found):
            raise PoolAway(f"at {path or 'its top'!r} of the answer is no list: {str(document)[:80]}")
        found = [one for key, value in found for one in _elements(key, value)]
    return [_item(key, value) for key, value in found]


def _elements(key: Any, value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, list):
        yield from ((None, one) for one in value)
    else:
        yield key, value


def _below(value: Any, segment: str, path: str) -> Iterator[tuple[Any, Any]]:
    if not isinstance(value, dict | list):
        raise PoolAway(f"at {segment!r} of {path!r} there is {str(value)[:40]!r}, no table and no list")
    if segment == EVERYTHING:
        yield from value.items() if isinstance(value, dict) else ((None, one) for one in value)
        return
    key: Any = segment
    if isinstance(value, list):
        key = int(segment) if segment.isascii() and segment.isdigit() else -1
        there = 0 <= key < len(value)
    else:
        there = segment in value
    if not there:
        known = ", ".join(list(value)[:8]) if isinstance(value, dict) else f"{len(value)} elements"
        raise PoolAway(f"the answer has no {segment!r} of {path!r}; there: {known[:200] or 'nothing'}")
    yield segment, value[key]


def _item(key: Any, value: Any) -> Mapping[str, Any]:
    named = {} if key is None else {KEY: str(key)}
    return {**named, **value} if isinstance(value, dict) else {**named, VALUE: value}


def names_in(expressions: Iterable[str]) -> frozenset[str]:
    """What may be asked of an item, in lower case."""
    text = " ".join(STRING.sub("", one) for one in expressions)
    return frozenset((quoted or plain).lower() for quoted, plain in NAMES.findall(text))


def as_ad(item: Mapping[str, Any], names: frozenset[str]) -> ClassAd:
    """Only what is asked for: most items have many more fields."""
    return ClassAd({key: _bounded(value) for key, value in item.items() if key.lower() in names})


def evaluated(expression: str, ad: ClassAd) -> object:
    """A Python value, or classad2's Undefined or Error."""
    return _tree(expression).eval(ad)


@lru_cache(maxsize=1_000)
def _tree(expression: str) -> ExprTree:
    return ExprTree(f"({expression})")


def _bounded(value: Any) -> Any:
    """No whole number that a ClassAd cannot hold: it is a text then, which nobody counts."""
    if isinstance(value, dict):
        return {str(key): _bounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_bounded(one) for one in value]
    return str(value) if type(value) is int and not -WORD <= value < WORD else value


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
