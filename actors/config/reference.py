"""The table of all configuration keys, made from the schema and from the comments beside its fields.

The documentation holds this table; a test holds the two against each other. So a key cannot be there without its words.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from actors.config.explain import tables
from actors.config.schema import MADE, Secret

FIELD = re.compile(r"^    (\w+): .*?(?:\s{2}#\s*(.*))?$")
BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of one table: its default as TOML writes it ("" when it must be said), its range, what it is for.

    `kind` is what the table's `kind` says, where there are several.
    """

    table: str
    kind: str
    name: str
    default: str
    allowed: str
    words: str


def keys() -> Iterator[Key]:
    """Every key, table by table. Keys that several kinds of a table share come once."""
    told: set[tuple[str, str]] = set()
    for table, model in tables():
        words = _words(model)
        kind = _kind(model)
        for name, field in model.model_fields.items():
            if table and name not in MADE and (table, name) not in told:
                told.add((table, name))
                default, allowed = _default(field), _allowed(field)
                yield Key(
                    table=table, kind=kind, name=name, default=default, allowed=allowed, words=words.get(name, "")
                )


def _kind(model: type[BaseModel]) -> str:
    """What the `kind` of such a table says, empty where it may be any."""
    field = model.model_fields.get("kind")
    return str(*get_args(field.annotation)[:1]) if field else ""


def markdown() -> str:
    """The keys as Markdown tables, one for each table of the configuration."""
    lines: list[str] = []
    table, headed = ("", ""), set[str]()
    for key in keys():
        if (key.table, key.kind) != table:
            table = (key.table, key.kind)
            also = f', the keys of `kind = "{key.kind}"`' if key.table in headed else ""
            headed.add(key.table)
            lines += [
                "",
                f"#### `[{key.table}]`{also}",
                "",
                "| key | default | allowed | |",
                "| --- | --- | --- | --- |",
            ]
        default = f"`{key.default}`" if key.default else "must be said"
        lines.append(f"| `{key.name}` | {default} | {key.allowed} | {key.words.replace('|', chr(92) + '|')} |")
    return "\n".join(lines).strip() + "\n"


def _words(model: type[BaseModel]) -> dict[str, str]:
    """The comments beside the fields, or on the line above them; those of the models it is made from too."""
    words: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if issubclass(one, BaseModel) and one is not BaseModel:
            lines = inspect.getsource(one).splitlines()
            for before, line in pairwise(lines):
                found = FIELD.match(line)
                above = before.strip().removeprefix("# ") if before.startswith("    #") else ""
                if found and (found[2] or above):
                    words[found[1]] = found[2] or above
    return words


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    value: Any = field.default
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, BaseModel) or value == {}:
        return "{}"
    if value == ():
        return "[]"
    if isinstance(value, tuple):
        return json.dumps(value)
    return f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def _allowed(field: FieldInfo) -> str:
    if Secret in (field.annotation, *get_args(field.annotation)) or str(field.metadata).find("env:") >= 0:
        return "`env:NAME` or `file:PATH`"
    said = [
        f"{words} {getattr(bound, name):g}"
        for bound in field.metadata
        for name, words in BOUNDS.items()
        if getattr(bound, name, None) is not None
    ]
    choices = [one for one in get_args(field.annotation) if isinstance(one, str)]
    return ", ".join(said) or " or ".join(f"`{choice}`" for choice in choices)
