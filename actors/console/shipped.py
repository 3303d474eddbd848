"""`apf files DIR`: what is installed beside the code, written out where an operator can edit it.

Example configurations; the systemd unit, Redis' files, alerts, dashboards, what containers need, policies of clouds.
They are data of the installed package, so that no checkout is needed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

PLACES = (
    "configs",
    "deploy/container",
    "deploy/docs",
    "deploy/grafana",
    "deploy/prometheus",
    "deploy/redis",
    "deploy/systemd",
    "deploy/iam-policy.json",
    "deploy/spot-notices.json",
    "deploy/requirements.lock",
    "deploy/README.md",
)
CODE = (".py", ".pyc")
RUNS = ".sh"


class InTheWay(FileExistsError):
    """Files that are there already, and say something else. The message names them."""


def shipped() -> Iterator[tuple[Path, bytes]]:
    """Each file: its place below the folder it is written to, and its bytes."""
    for place in PLACES:
        package, *below = place.split("/")
        yield from _files(Path(place), resources.files(package).joinpath(*below))


def _files(place: Path, found: Traversable) -> Iterator[tuple[Path, bytes]]:
    if found.is_file():
        yield place, found.read_bytes()
    elif found.is_dir():
        for one in sorted(found.iterdir(), key=lambda one: one.name):
            if not one.name.startswith(("_", ".")) and not one.name.endswith(CODE):
                yield from _files(place / one.name, one)


def write(folder: Path, *, force: bool = False) -> tuple[Path, ...]:
    """Write all of them; what is there and the same stays. Returns what was written.

    Raises InTheWay, before anything is written, where a file says something else and `force` is not said; OSError.
    """
    new = [(folder / place, body) for place, body in shipped() if not _same(folder / place, body)]
    if there := [str(path) for path, _ in new if path.exists() and not force]:
        raise InTheWay(f"there already, and with another content: {', '.join(there)}; --force writes over them")
    for path, body in new:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        os.chmod(path, 0o755 if path.suffix == RUNS else 0o644)
    return tuple(path for path, _ in new)


def _same(path: Path, body: bytes) -> bool:
    return path.is_file() and path.read_bytes() == body
