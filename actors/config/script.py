"""The keys of a cloud that is a script of the operator's own: commands that start, list and end VMs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from actors.config.clouds import AnyCloud
from actors.config.mistakes import MISSING
from actors.config.toml_lines import Path

VERBS = ("start", "list", "end")
Words = tuple[str, ...]


class ScriptCloud(AnyCloud):
    kind: Literal["script"]  # what answers there
    command: Words = ()  # with its arguments; `start`, `list` or `end` is added; or one for each:
    start: Words = ()  # one for starting VMs
    list: Words = ()  # one for listing them
    end: Words = ()  # one for ending them
    find: Words = ()  # one for finding a launch; none: it is looked for in the list
    environment: dict[str, str] = {}  # what the commands find in theirs, beside the host's own
    image: str = ""  # a name for what its VMs are started from

    @property
    def made_from(self) -> str:
        return self.image

    def command_of(self, verb: Literal["start", "list", "end", "find"]) -> Words:
        """Empty only for `find`."""
        own: Words = {"start": self.start, "list": self.list, "end": self.end, "find": self.find}[verb]
        return own or ((*self.command, verb) if self.command and verb != "find" else ())


def script_cloud(cloud: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, str, str]]:
    """(where, what is wrong, hint) for a cloud's raw table."""
    if not cloud.get("command"):
        for verb in VERBS:
            if not cloud.get(verb):
                yield (*path, verb), MISSING, "a command with its arguments, or command = [...] for all of them"
    for key in ("command", *VERBS, "find"):
        words = cloud.get(key)
        if isinstance(words, list) and words and (not isinstance(words[0], str) or not words[0].strip()):
            yield (*path, key), "its first word names no program", '["/usr/local/bin/rack"]'
