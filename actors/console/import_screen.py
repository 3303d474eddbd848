"""`apf import`: an AutoPyFactory `queues.conf` from its file."""

from __future__ import annotations

from pathlib import Path

from actors.console.import_apf import BadQueuesConf, Imported, convert


def read(path: Path, factory: str, collector: str) -> Imported:
    """The file as this project's configuration. Raises BadQueuesConf, also when it cannot be read."""
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        raise BadQueuesConf(f"{path} cannot be read: {wrong}") from wrong
    try:
        return convert(text, factory=factory, collector=collector)
    except BadQueuesConf as wrong:
        raise BadQueuesConf(f"{path}: {wrong}") from wrong
