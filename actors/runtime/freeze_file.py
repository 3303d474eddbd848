"""A file that stops this host: while it exists, no call that starts, drains or ends anything leaves from here.

Why a file: an operator's `freeze` is a wish, and wishes need Redis. When Redis cannot be reached, or a host does what
nobody understands, `touch` still works. It is looked at right before each call, after the fence, so what was decided
before the file came is stopped too. A file that cannot be looked at counts as there: not knowing is no leave to act.

It stops one host. What this host holds stays with it, and nothing is done there: other hosts go on with theirs, so to
stop a factory put one on each.
"""

from __future__ import annotations

import socket
from pathlib import Path

from actors.config.schema import Config

_REASON = 200  # characters of the file that are told


class FrozenHere(Exception):
    """A call was not made, because this host's freeze file is there."""


class FreezeFile:
    """`told` and `check` ask the file system each time: no host needs to be told of the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, config: Config) -> FreezeFile:
        """The file of this host: the configuration's, or `freeze` in the factory's directory."""
        factory = config.factory
        return cls(Path(factory.freeze_file or f"{factory.directory}/freeze").expanduser())

    def told(self) -> str:
        """Why this host does nothing, with what stands in the file; empty when it is not there."""
        try:
            said = self.path.read_text(errors="replace")[:_REASON].strip().partition("\n")[0]
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except OSError as wrong:
            said = f"cannot be read ({wrong.strerror})"
        return f"freeze file {self.path} on {socket.gethostname()}" + (f": {said}" if said else "")

    def check(self) -> None:
        """Raises FrozenHere while the file is there."""
        if told := self.told():
            raise FrozenHere(told)
