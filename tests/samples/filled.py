"""A value of any of our frozen types with every field set, so that a sample leaves nothing out.

The same type gives the same value: numbers count up from 1, a text is its field's name.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from itertools import count
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def filled(kind: type[T]) -> T:
    """Raises TypeError for a field of a type that is not known here."""
    numbers = count(1)
    hints = get_type_hints(kind)
    return kind(**{field.name: _value(hints[field.name], field.name, numbers) for field in fields(kind)})  # type: ignore[arg-type]


def _value(hint: Any, name: str, numbers: count[int]) -> Any:
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Literal:
        return inside[-1]
    if origin in (Union, types.UnionType):
        return _value(next(one for one in inside if one is not type(None)), name, numbers)
    if origin is tuple:
        parts = inside[:1] if Ellipsis in inside else inside
        return tuple(_value(part, name, numbers) for part in parts)
    if origin is Mapping:
        return {name: _value(inside[1], name, numbers)}
    if is_dataclass(hint):
        return filled(hint)  # type: ignore[arg-type]
    if isinstance(hint, type) and issubclass(hint, tuple):  # a NamedTuple
        return hint(**{field: _value(of, field, numbers) for field, of in get_type_hints(hint).items()})
    return _plain(hint, name, numbers)


def _plain(hint: Any, name: str, numbers: count[int]) -> Any:
    if issubclass(hint, Enum):
        return list(hint)[-1]
    if hint is bool:
        return True
    if hint is str:
        return name
    if hint is int:
        return next(numbers)
    if hint is float:
        return next(numbers) + 0.5
    raise TypeError(f"{name}: no sample is known for {hint}")
