"""Rows as bytes: msgpack of what pydantic makes of our frozen types, and back, checked.

A row that this version cannot read raises BadRow with what was wrong, and is never taken for an empty one.

Every row carries the version of its shape, so that hosts of two versions can work side by side. A field more with a
default is the same shape: older hosts pass over it. What an older host must not misread is another shape: raise SCHEMA,
and go on reading the one before.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import msgpack
from pydantic import TypeAdapter, ValidationError

from actors.fleet.vm import Vm
from actors.store import vm_form

T = TypeVar("T")

SCHEMA = 1
VERSION = "v"  # the key of the shape's version in each row; rows of before it was written have none, and are 1


class BadRow(Exception):
    """A stored row is not what this version writes."""


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def pack(value: Any) -> bytes:
    """Bytes of a frozen dataclass or model, without the fields that have their default."""
    plain = stored(value, exclude_defaults=True)
    packed: bytes = msgpack.packb({VERSION: SCHEMA, **plain})
    return packed


def stored(value: Any, exclude_defaults: bool = False) -> Any:
    """What of a value stands in its row, as JSON has it."""
    plain = _adapter(type(value)).dump_python(value, mode="json", exclude_defaults=exclude_defaults)
    return vm_form.flat(plain) if isinstance(value, Vm) else plain


def unpack(kind: type[T], body: bytes) -> T:
    """The value of type `kind`. Raises BadRow."""
    try:
        content = msgpack.unpackb(body)
        if isinstance(content, dict) and (version := content.pop(VERSION, 1)) != SCHEMA:
            raise BadRow(f"a {kind.__name__} has shape {version!r}; this version reads {SCHEMA}: upgrade this host")
        if not _finite(content):
            raise BadRow(f"a {kind.__name__} has a number that is none, or has no end")
        if kind is Vm and isinstance(content, dict):
            content = vm_form.nested(content)
        value: T = _adapter(kind).validate_python(content)
    except (ValidationError, ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as wrong:
        raise BadRow(f"a row is not a {kind.__name__}: {wrong}") from wrong
    return value


def _finite(content: Any) -> bool:
    """Whether all its numbers are numbers: no time or price of ours is NaN or without end."""
    if isinstance(content, float):
        return math.isfinite(content)
    if isinstance(content, dict):
        content = content.values()
    elif not isinstance(content, list):
        return True
    return all(_finite(one) for one in content if isinstance(one, float | dict | list))
