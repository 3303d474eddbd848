"""The configuration as a JSON schema, so that editors complete it and say what is wrong while it is written.

Made from the models that read the file; what those models see only after the file was read is told here: which kind a
table is of (`kind` chooses, and kinds of installed packages take any key), and clouds that are written as several
`shapes`. What a schema cannot say (names that must exist, units, secrets' files) `apf check` says.
"""

from __future__ import annotations

from typing import Any

from actors.config.load import DEFAULT_KINDS
from actors.config.schema import MADE, AnyCloud, AnyPool, Config

DIALECT = "https://json-schema.org/draft/2020-12/schema"
OF_ANY = {AnyPool.__name__, AnyCloud.__name__}
Schema = dict[str, Any]


def json_schema() -> Schema:
    """The schema of a whole file, as JSON: its dialect is 2020-12."""
    schema = Config.model_json_schema()
    models: Schema = schema["$defs"]
    for table in ("pools", "accounts", "clouds"):
        by_name: Schema = schema["properties"][table]["patternProperties"]
        default = DEFAULT_KINDS[table]
        by_name.update({pattern: _by_kind(of_table, models, default) for pattern, of_table in by_name.items()})
    for table in ("pools", "accounts", "clouds", "queues"):
        schema["properties"][table]["additionalProperties"] = False
    for model in models.values():
        _as_written(model)
    for name in OF_ANY:
        models.pop(name, None)
    return {"$schema": DIALECT, **schema, "title": "A factory of AutoPyFactory Cloud"}


def _by_kind(table: Schema, models: Schema, default: str) -> Schema:
    """`kind` says which model's keys there are; where it is not said, `default` is meant."""
    kinds = {kind: one for one in table["oneOf"] for kind in _kinds(models[_name(one)]) if _name(one) not in OF_ANY}
    chosen = [{"if": _is(kind, kind == default), "then": one} for kind, one in kinds.items()]
    known = {"anyOf": [{"enum": list(kinds)}, {"type": "string"}]}  # what editors offer, and what packages add
    return {"type": "object", "properties": {"kind": known}, "allOf": chosen}


def _is(kind: str, default: bool) -> Schema:
    said: Schema = {"properties": {"kind": {"const": kind}}}
    return said if default else {**said, "required": ["kind"]}


def _name(reference: Schema) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def _kinds(model: Schema) -> list[str]:
    kind = model["properties"].get("kind", {})
    return list(kind.get("enum", [kind["const"]] if "const" in kind else []))


def _as_written(model: Schema) -> None:
    """Without the keys that are made from others, and with `shapes` in the place of one `shape`."""
    keys = model.get("properties", {})
    for made in MADE & keys.keys():
        del keys[made]
    if "shape" in model.get("required", ()):
        keys["shapes"] = {"type": "object", "additionalProperties": {"type": "object"}}
        model["required"] = [key for key in model["required"] if key != "shape"]
        model["anyOf"] = [{"required": ["shape"]}, {"required": ["shapes"]}]
