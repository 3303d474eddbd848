"""A VM as its row has it: what it is drained for in a word, its hold as fields; so 0.1.0 reads and writes it."""

from __future__ import annotations

from typing import Any

from actors.fleet.drain_and_hold import DrainWhy, HoldBy

Plain = dict[str, Any]
_HOLD = {"held": "why", "held_at": "at", "held_until": "until"}  # field of the row -> field of the value


def flat(plain: Plain) -> Plain:
    """The row of a dumped `Vm`."""
    drain, hold = plain.get("drain_for"), plain.get("hold")
    row = {name: value for name, value in plain.items() if name not in ("drain_for", "hold")}
    if drain:
        row["drain_for"] = _drain_word(drain)
    if hold:
        said = {name: hold[field] for name, field in _HOLD.items() if hold.get(field)}
        by = HoldBy(hold.get("by", HoldBy.WISH))
        word = hold.get("wish_id", "") if by is HoldBy.WISH else by.value
        row |= said | ({"held_for": word} if word else {})
    return row


def nested(row: Plain) -> Plain:
    """What `Vm` is made of, from its row. A hold without words is none."""
    plain = {name: value for name, value in row.items() if name not in ("drain_for", "held_for", *_HOLD)}
    if word := row.get("drain_for"):
        plain["drain_for"] = _drain(word)
    if row.get("held"):
        hold = {field: row[name] for name, field in _HOLD.items() if name in row}
        plain["hold"] = hold | _by(row.get("held_for", ""))
    return plain


def _drain_word(drain: Plain) -> str:
    if drain["why"] == DrainWhy.WISH:
        return f"wish:{drain.get('wish_id', '')}"
    return f"{drain.get('other') or drain['why']}{', final' * bool(drain.get('final'))}"


def _drain(word: Any) -> Any:
    if not isinstance(word, str):
        return word  # damage: it is told as such
    if word.startswith("wish:"):
        return {"why": DrainWhy.WISH, "wish_id": word.removeprefix("wish:")}
    why = word.removesuffix(", final")
    if why not in set(DrainWhy) - {DrainWhy.WISH, DrainWhy.OTHER}:
        return {"why": DrainWhy.OTHER, "other": word}
    return {"why": why, "final": why != word}


def _by(word: Any) -> Plain:
    return {"by": word} if word in set(HoldBy) - {HoldBy.WISH} else {"wish_id": word}
