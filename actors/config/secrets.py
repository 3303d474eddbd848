"""Secrets are references: `env:NAME` or `file:PATH`. They are read when they are needed, and never logged or shown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


class Hidden(str):
    """A secret's text, which prints as `***` wherever it is shown: in messages, logs, reprs of what holds it.

    It compares and encodes as the text that it is; `reveal` gives that text, where it is handed to who needs it.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"

    def __str__(self) -> str:
        return "***"

    def __format__(self, _: str) -> str:
        return "***"

    def reveal(self) -> str:
        """The text, as a plain one."""
        return self[:]


class NoSecret(LookupError):
    """What a reference points to cannot be read. Set the variable, or write the file; the message says which."""


def secret(reference: str, environment: Mapping[str, str] = os.environ) -> Hidden:
    """The secret behind `reference`, without surrounding white space. Raises NoSecret."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        found = environment.get(name, "").strip()
        if not found:
            raise NoSecret(f"the environment variable {name} is not set or empty")
        return Hidden(found)
    if kind == "file":
        return _from_file(Path(name).expanduser())
    raise NoSecret('not a reference: write "env:NAME" or "file:PATH"')


def _from_file(path: Path) -> Hidden:
    try:
        found = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as wrong:
        why = wrong.strerror if isinstance(wrong, OSError) else "it is not text"
        raise NoSecret(f"the file {path} cannot be read: {why}") from wrong
    if not found:
        raise NoSecret(f"the file {path} is empty")
    return Hidden(found)
