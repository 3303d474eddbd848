"""What a script prints, as readings. Pure.

The rule it keeps: a row without a usable id makes a list no whole one; any other field that is no good value spoils
itself only, and is named in the row's reason. A state that is not known counts as running: it is not buried.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from actors.clouds.port import Unknown
from actors.fleet.observations import Instance

STATES = frozenset({"pending", "running", "ending", "stopped", "terminated", "defunct"})
_LONGEST = 1_000
_TEXTS = ("address", "intent", "queue", "token", "market", "reason", "pool")
Value = str | int | float


def instances(output: bytes, verb: str) -> tuple[Instance, ...]:
    """Raises Unknown where it is no JSON list of objects with ids, each once."""
    rows = _parsed(output, verb)
    if not isinstance(rows, list):
        raise Unknown(f"{verb} printed no JSON list of instances but {_shown(rows)}", "output")
    found = tuple(_instance(row, f"{verb}: row {number}") for number, row in enumerate(rows, 1))
    if len({one.id for one in found}) < len(found):
        raise Unknown(f"{verb} printed an id twice", "output")
    return found


def accepted(output: bytes, ids: tuple[str, ...]) -> tuple[str, ...]:
    """Of `ids` those that an end printed; all, where it printed nothing."""
    if not output.strip():
        return ids
    said = _parsed(output, "end")
    if not isinstance(said, list) or not all(isinstance(one, str) for one in said):
        raise Unknown(f"end printed no JSON list of ids but {_shown(said)}", "output")
    return tuple(id_ for id_ in ids if id_ in said)


def _parsed(output: bytes, verb: str) -> Any:
    try:
        return json.loads(output)
    except (ValueError, RecursionError) as error:
        raise Unknown(f"{verb} printed no JSON: {error}; it begins with {output[:80]!r}", "output") from error


def _instance(row: Any, what: str) -> Instance:
    if not isinstance(row, Mapping) or not isinstance(row.get("id"), str) or not 0 < len(row["id"]) <= _LONGEST:
        raise Unknown(f"{what} is no object with an id: {_shown(row)}", "output")
    wrong: list[str] = []

    def read(key: str, good: Callable[[Any], bool], otherwise: Any) -> Any:
        value = row.get(key, otherwise)
        if value is not otherwise and not good(value):
            wrong.append(f"its {key} is {_shown(value)}")
            return otherwise
        return value

    texts = {key: read(key, _is_text, "") for key in _TEXTS}
    state = read("state", lambda value: isinstance(value, str) and value in STATES, "running")
    launched_at = float(read("launched_at", _is_time, 0.0))
    index = read("index", lambda value: type(value) is int and value >= 0, -1)
    reason = "; ".join([*filter(None, [texts.pop("reason")]), *wrong])
    return Instance(id=row["id"], state=state, launched_at=launched_at, index=index, reason=reason, **texts)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < 1e11 and math.isfinite(value)


def _shown(value: Any) -> str:
    return repr(value)[:80]
