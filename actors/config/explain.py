"""What pydantic finds wrong in a configuration, in an operator's words: what was seen, what is allowed."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from actors.config.mistakes import MISSING, Mistake, did_you_mean, place_of, shown, unit_hint
from actors.config.plugins import CLOUDS, OUR_KINDS, POOLS, BadPlugin, known_kinds
from actors.config.schema import MADE, OF_PLUGIN, Config, Ec2Account, OpenStackAccount
from actors.config.toml_lines import Path, line_of
from actors.fleet.nearest import nearest

NAME = r"^[a-z0-9][a-z0-9_-]{0,39}$"
SECRET = r"^(env:"
PATTERNS = (
    (NAME, "allowed: 1 to 40 lower-case letters, digits, - and _, the first a letter or a digit"),
    ("^https?://", 'allowed: the URL of a queue, "https://sqs.REGION.amazonaws.com/ACCOUNT/NAME"'),
    ("^(embedded$", 'allowed: "embedded", "redis://...", "rediss://..." or "sentinel://..."'),
)
TYPES = {
    "string": "a text in quotes",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "tuple": "a list in [ ]",
    "dict": "a table",
    "model": "a table",
}
IN_PLAIN = (
    'a secret in plain, or not a reference; allowed: "env:NAME" (read from the environment) or "file:PATH" (read from a'
    " file that only its owner can read)"
)


def mistake_of(
    error: ErrorDetails, raw: Mapping[str, Any], places: Mapping[Path, int], origin: Callable[[Path], Path]
) -> Mistake:
    """One of pydantic's errors as a mistake with its place in the file: `origin` of its place in `raw`."""
    path = real_path(error["loc"], raw)
    said, hint = _said(error, path, raw)
    written = origin(path)
    return Mistake(line=line_of(places, written), place=place_of(written), said=said, hint=hint)


def flat(errors: Iterable[ErrorDetails]) -> Iterator[ErrorDetails]:
    """Each by itself: those of a plugin's table come as one."""
    for error in errors:
        if error["type"] == OF_PLUGIN:
            for inner in error["ctx"]["errors"]:
                inner["loc"] = (*error["loc"], *inner["loc"])
                yield inner
        else:
            yield error


def real_path(loc: tuple[str | int, ...], raw: Any) -> Path:
    """`loc` without what pydantic adds: the kind that chose among tables, and "[key]"."""
    path: Path = ()
    for at, part in enumerate(loc):
        inside = (isinstance(raw, dict) and part in raw) or (isinstance(raw, list) and part in range(len(raw)))
        if inside:
            path, raw = (*path, part), raw[part]
        elif at == len(loc) - 1 and part != "[key]" and isinstance(raw, dict):
            path = (*path, part)
    return path


def _said(error: ErrorDetails, path: Path, raw: Mapping[str, Any]) -> tuple[str, str]:
    kind, context = error["type"], error.get("ctx", {})
    key = str(path[-1]) if path else ""
    if kind == "missing":
        return MISSING, ""
    if kind == "extra_forbidden":
        return "an unknown key", _unknown_key(path, raw)
    if kind == "union_tag_invalid" and not isinstance(error["input"], dict):
        return f"seen {shown(path, error['input'])}; allowed: a table", f"[{'.'.join(map(str, path[:1]))}.NAME]"
    if kind == "union_tag_invalid":
        known = _known_kinds(str(path[0]))
        return f"kind {context['tag']!r} is not known", did_you_mean(str(context["tag"]), known)
    if kind == "string_pattern_mismatch":
        return _pattern(str(context["pattern"]), path, error["input"])
    if kind == "literal_error":
        known = re.findall(r"'([^']+)'", str(context["expected"]))
        return f"seen {shown(path, error['input'])}; allowed: {' or '.join(known)}", ""
    if kind == "value_error":
        return str(context["error"]), ""
    seen = shown(path, error["input"])
    return f"seen {seen}; allowed: {_allowed(kind, context, error['msg'])}", unit_hint(key, error["input"])


def _allowed(kind: str, context: Mapping[str, Any], message: str) -> str:
    bounds = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    for name, words in bounds.items():
        if name in context:
            return f"{words} {context[name]:g}"
    if kind == "string_too_short":
        return "a text that is not empty"
    return TYPES.get(kind.split("_")[0], message)


def _pattern(pattern: str, path: Path, value: Any) -> tuple[str, str]:
    if pattern.startswith(SECRET):
        return IN_PLAIN, ""
    seen = "a value that is not shown" if "@" in str(value) else shown(path, value)
    for known, allowed in PATTERNS:
        if pattern.startswith(known):
            return f"seen {seen}; {allowed}", ""
    return f"seen {seen}; allowed: what matches {pattern}", ""


def _unknown_key(path: Path, raw: Mapping[str, Any]) -> str:
    known = list(keys_at(path[:-1], raw))
    elsewhere = [table for table, keys in ALL_KEYS.items() if path[-1] in keys]
    if elsewhere and not nearest(str(path[-1]), known):
        return f"it belongs into [{'] or ['.join(elsewhere)}]"
    return did_you_mean(str(path[-1]), known)


def keys_at(path: Path, raw: Any) -> Iterator[str]:
    """The keys that the table at `path` may have."""
    kind: Any = Config
    for part in path:
        raw = raw.get(part) if isinstance(raw, dict) else None
        kind = _inside(kind, part, raw)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield from (name for name in kind.model_fields if name not in MADE)


def _inside(kind: Any, part: str | int, raw: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(str(part))
        return _chosen(field.annotation, raw) if field else None
    if get_origin(kind) is dict:
        return _chosen(get_args(kind)[1], raw)
    return None


def _chosen(kind: Any, raw: Any) -> Any:
    """Of several kinds of table the one that `raw` says it is, else the first."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) not in (Union, types.UnionType):
        return kind
    said = raw.get("kind") if isinstance(raw, dict) else None
    models = [model for one in get_args(kind) if (model := _model_of(one))]
    models += [other.Settings for group in (CLOUDS, POOLS) for other in _added(group).values()]
    return next((one for one in models if said in _kinds(one)), models[0])


def _known_kinds(table: str) -> list[str]:
    """That a table of `accounts`, `clouds` or `pools` may be of."""
    if table == "accounts":
        return [kind for model in (Ec2Account, OpenStackAccount) for kind in map(str, _kinds(model))]
    group = CLOUDS if table == "clouds" else POOLS
    return [*OUR_KINDS[group], *_added(group)]


def _added(group: str) -> dict[str, type[Any]]:
    try:
        return known_kinds(group)
    except BadPlugin:
        return {}  # it is said where the table is read


def _model_of(kind: Any) -> type[BaseModel] | None:
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _kinds(model: type[BaseModel]) -> tuple[Any, ...]:
    field = model.model_fields.get("kind")
    return get_args(field.annotation) if field else ()


def tables() -> Iterator[tuple[str, type[BaseModel]]]:
    """Every table of the configuration with its model: ("factory.actors", Limits), ("clouds.NAME", Ec2Cloud), ..."""
    yield from _tables("", Config)


def _tables(name: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    yield name, model
    for key, field in model.model_fields.items():
        if key in MADE:
            continue
        below = f"{name}.{key}" if name else key
        yield from _tables_of(below, field.annotation)


def _tables_of(name: str, kind: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    if get_origin(kind) is Annotated:
        yield from _tables_of(name, get_args(kind)[0])
    elif get_origin(kind) is dict:
        yield from _tables_of(f"{name}.NAME", get_args(kind)[1])
    elif get_origin(kind) in (Union, types.UnionType):
        for one in get_args(kind):
            yield from _tables_of(name, one)
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        yield from _tables(name, kind)


ALL_KEYS: dict[str, set[str]] = {}
for _table, _model in tables():
    ALL_KEYS.setdefault(_table or "the file", set()).update(_model.model_fields.keys() - MADE)
