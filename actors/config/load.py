"""Read the configuration file. Either it is right, or all its mistakes are told at once, each with its line and a hint.

Unknown keys are mistakes: a key that is silently passed over is a limit that is not there.
"""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path as File
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from actors.config.bounds import DEEPEST, Found, out_of_bounds, told_by_parser
from actors.config.checks import checks
from actors.config.explain import flat, mistake_of
from actors.config.mistakes import MISSING, BadConfig, Mistake, place_of
from actors.config.schema import Config, Secret
from actors.config.secrets import NoSecret, secret
from actors.config.shapes import expanded
from actors.config.toml_lines import Path, line_of, lines_of

DEFAULT_KINDS = {"pools": "htcondor", "accounts": "ec2", "clouds": "ec2"}
ANYWHERE = 0


def load(path: str | File) -> Config:
    """The configuration in `path`. Raises BadConfig with every mistake."""
    file = File(path).expanduser()
    return parse(_read(file), str(path))


def lines_in(path: str | File) -> dict[Path, int]:
    """The line of each key of a file that `load` takes."""
    return lines_of(_read(File(path).expanduser()))


def parse(text: str, name: str = "configuration") -> Config:
    """The configuration in `text` (TOML). Raises BadConfig with every mistake; `name` is the file's in messages."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise BadConfig(name, [_syntax(str(wrong), text)]) from wrong
    except (RecursionError, ValueError) as wrong:
        line, said = told_by_parser(wrong, text)
        raise BadConfig(name, [Mistake(line=line, place="not TOML", said=said)]) from None
    if beyond := list(out_of_bounds(raw)):
        raise BadConfig(name, _beyond(beyond, text))
    places = lines_of(text)
    whole = expanded(raw)
    mistakes = list(checks(raw, whole, places))
    raw = _with_kinds(whole.raw)
    try:
        config = Config.model_validate(raw)
    except ValidationError as wrong:
        found = [mistake_of(error, raw, places, whole.origin) for error in flat(wrong.errors(include_url=False))]
        raise BadConfig(name, _once(mistakes, found)) from None  # pydantic's own text would show secrets
    if mistakes:
        raise BadConfig(name, mistakes)
    return config


def _read(file: File) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")  # some editors begin a file with a byte order mark
    except OSError as wrong:
        said = f"cannot be read: {wrong.strerror or wrong}"
    except UnicodeDecodeError as wrong:
        said = f"is not UTF-8 text: byte {wrong.start} is not"
    raise BadConfig(str(file), [Mistake(line=ANYWHERE, place="the file", said=said)])


def _beyond(found: list[Found], text: str) -> list[Mistake]:
    """With their lines, unless the depth is what is wrong."""
    deep = any(len(path) >= DEEPEST for path, _, _ in found)
    places = {} if deep else lines_of(text)
    return [
        Mistake(line=line_of(places, path) if places else ANYWHERE, place=place_of(path), said=said, hint=hint)
        for path, said, hint in found
    ]


def _syntax(message: str, text: str) -> Mistake:
    found = re.search(r"\(at line (\d+), column (\d+)\)", message)
    line = int(found[1]) if found else text.count("\n") + 1
    column = f", column {found[2]}" if found else ""
    said = re.sub(r"\s*\(at .*\)$", "", message)
    return Mistake(line=line, place=f"not TOML{column}", said=said[:1].lower() + said[1:])


def _with_kinds(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The tables with the kind that is meant when none is said."""
    whole = copy.deepcopy(dict(raw))
    for group, kind in DEFAULT_KINDS.items():
        tables = whole.get(group)
        for table in tables.values() if isinstance(tables, dict) else ():
            if isinstance(table, dict):
                table.setdefault("kind", kind)
    return whole


def _once(mistakes: list[Mistake], found: list[Mistake]) -> list[Mistake]:
    """One mistake a place: what the checks say is more telling. And a mistyped key is not missing too."""
    told = {mistake.place for mistake in mistakes}
    meant = {_meant(mistake) for mistake in found}
    return mistakes + [
        one for one in found if one.place not in told and not (one.said == MISSING and one.place in meant)
    ]


def _meant(mistake: Mistake) -> str:
    """The place of the key that a mistyped one probably means."""
    suggested = re.fullmatch(r"did you mean '(.+)'\?", mistake.hint)
    return f"{mistake.place.rpartition('.')[0]}.{suggested[1]}".lstrip(".") if suggested else ""


def missing_secrets(config: Config) -> tuple[str, ...]:
    """References that lead nowhere on this host, as sentences: "factory.redis_password: the file X cannot be read"."""
    return tuple(_missing(config))


def secrets_of(config: Config) -> tuple[str, ...]:
    """All references to secrets in it."""
    return tuple(reference for _, reference in _references(config, ()))


def _missing(config: Config) -> Iterator[str]:
    for path, reference in _references(config, ()):
        try:
            secret(reference)
        except NoSecret as wrong:
            yield f"{'.'.join(str(part) for part in path)}: {wrong}"


def _references(section: BaseModel, path: Path) -> Iterator[tuple[Path, str]]:
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        if isinstance(value, BaseModel):
            yield from _references(value, (*path, key))
        elif isinstance(value, dict):
            for name, inner in value.items():
                if isinstance(inner, BaseModel):
                    yield from _references(inner, (*path, key, name))
        elif isinstance(value, str) and Secret in (field.annotation, *get_args(field.annotation)):
            yield (*path, key), value
