"""Where each key of a TOML text stands. `tomllib` gives values without positions, so a small scanner finds the lines.

It does not parse values itself: it takes lines until `tomllib` can read them as one statement. So it agrees with the
parser by construction. Use it on texts that `tomllib` has read as a whole.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str | int, ...]


def lines_of(text: str) -> dict[Path, int]:
    """The line (from 1) of each table and key, by its path. Items of an array have their statement's line."""
    places: dict[Path, int] = {}
    table: Path = ()
    arrays: dict[Path, int] = {}
    for line, statement in _statements(text):
        if statement.lstrip().startswith("["):
            table = _header(statement, arrays)
            for depth in range(1, len(table) + 1):  # [a.b] begins a too, unless that has a header of its own before
                places.setdefault(table[:depth], line)
        else:
            for path in _paths(tomllib.loads(statement)):
                places.setdefault(table + path, line)
    return places


def line_of(places: Mapping[Path, int], path: Path) -> int:
    """The line of `path`, or of the nearest table around it that has one; 1 for the file."""
    while path:
        if path in places:
            return places[path]
        path = path[:-1]
    return 1


def _statements(text: str) -> Iterator[tuple[int, str]]:
    start, pending = 0, ""
    for line, content in enumerate(text.split("\n"), 1):
        if not pending and (not content.strip() or content.lstrip().startswith("#")):
            continue
        start = start if pending else line
        pending += content + "\n"
        if _complete(pending):
            yield start, pending
            pending = ""


def _complete(statement: str) -> bool:
    try:
        tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _header(statement: str, arrays: dict[Path, int]) -> Path:
    """The path of a `[table]`, or of the next item of an `[[array]]`."""
    path: Path = ()
    value: Any = tomllib.loads(statement)
    while value:
        if isinstance(value, list):
            arrays[path] = arrays.get(path, -1) + 1
            path, value = (*path, arrays[path]), value[0]
        else:
            key = next(iter(value))
            path, value = (*path, key), value[key]
            if isinstance(value, dict) and path in arrays:
                path = (*path, arrays[path])
    return path


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _paths(inner, (*path, key))
