"""Rows as bytes: msgpack of what pydantic makes of our frozen types, and back, checked.

A row that this version cannot read raises BadRow with what was wrong, and is never taken for an empty one.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgpack
from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")


class BadRow(Exception):
    """A stored row is not what this version writes."""


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def pack(value: Any) -> bytes:
    """Bytes of a frozen dataclass or model, without the fields that have their default."""
    plain = _adapter(type(value)).dump_python(value, mode="json", exclude_defaults=True)
    packed: bytes = msgpack.packb(plain)
    return packed


def unpack(kind: type[T], body: bytes) -> T:
    """The value of type `kind`. Raises BadRow."""
    try:
        value: T = _adapter(kind).validate_python(msgpack.unpackb(body))
    except (ValidationError, ValueError, msgpack.UnpackException) as wrong:
        raise BadRow(f"a row is not a {kind.__name__}: {wrong}") from wrong
    return value
