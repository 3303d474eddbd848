"""What differs between two shared configurations, in the words of the operator's file.

One line for each key, with its whole path: `clouds.private.shape.cpus: 4 -> 1`. What `config.shapes` made of a cloud of
several shapes is told as it was written: what changes alike in all its shapes once, of the cloud.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from actors.config.as_file import ORDER, as_written
from actors.config.mistakes import place_of
from actors.config.toml_lines import Path

Shapes = Mapping[tuple[str | int, ...], set[str | int]]  # by the path of a cloud, the names of its shapes


def changes(before: bytes, after: bytes) -> list[str]:
    """One line for each key that is another one, was added (+) or left out (-); empty when nothing changes.

    `before` may be empty: there was none.
    """
    old, new = _flat(before), _flat(after)
    lines = {path: _line(old, new, path) for path in {*old, *new} if old.get(path) != new.get(path)}
    shapes = _shapes([*old, *new])
    told = {_placed(path, lines, shapes): line for path, line in lines.items()}
    return [told[path].format(place_of(path)) for path in sorted(told, key=_order)]


def _flat(body: bytes) -> dict[Path, str]:
    try:
        return dict(_leaves(as_written(json.loads(body), spread=True), ())) if body else {}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}  # not a configuration, whoever wrote it: all of the new one is told


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Lists are told whole: of `cascade` or `steps` an item alone says nothing."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    else:
        yield path, json.dumps(value, ensure_ascii=False)


def _order(path: Path) -> tuple[int, tuple[str, ...]]:
    table = str(path[0]) if path else ""
    return ORDER.index(table) if table in ORDER else len(ORDER), tuple(map(str, path))


def _line(old: Mapping[Path, str], new: Mapping[Path, str], path: Path) -> str:
    """With {} where the place goes."""
    was, now = (found.get(path, "").replace("{", "{{").replace("}", "}}") for found in (old, new))
    if not was:
        return f"+ {{}} = {now}"
    return f"  {{}}: {was} -> {now}" if now else f"- {{}} = {was}"


def _shapes(paths: list[Path]) -> Shapes:
    found: dict[Path, set[str | int]] = {}
    for path in paths:
        if path[:1] == ("clouds",) and path[2:3] == ("shapes",):
            found.setdefault(path[:2], set()).add(path[3])
    return found


def _placed(path: Path, lines: Mapping[Path, str], shapes: Shapes) -> Path:
    """Of the cloud, where all its shapes change alike."""
    cloud, rest = path[:2], path[4:]
    if path[2:3] != ("shapes",) or cloud not in shapes:
        return path
    alike = all(lines.get((*cloud, "shapes", one, *rest)) == lines[path] for one in shapes[cloud])
    return (*cloud, *rest) if alike else path
