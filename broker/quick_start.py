"""What redis-py and structlog import of their own accord, and nothing here uses: half of the start-up of a command.

redis-py imports its asyncio half with the other one: here it is a module that becomes the real one when it is first
asked for something. structlog imports rich's tracebacks, where rich is installed: it is told that there are none, and
renders plain ones.

The rule it keeps: where a library is not as it was when this was written, everything is imported as ever.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

ASYNC, FOR_TRACEBACKS = "redis.asyncio", ("rich.traceback", "rich.pretty")


class _Later(ModuleType):
    """Not run yet: its modules can be imported, and whatever else it is asked for makes it the real one."""

    def __getattr__(self, name: str) -> Any:
        spec: ModuleSpec | None = self.__dict__.get("__spec__")
        if (name.startswith("__") and name.endswith("__")) or spec is None or spec.loader is None:
            raise AttributeError(name)
        self.__class__ = ModuleType  # type: ignore[assignment]
        spec.loader.exec_module(self)
        return getattr(self, name)


def skip_asyncio() -> None:
    """Before redis is imported."""
    redis = PathFinder.find_spec("redis")
    found = PathFinder.find_spec(ASYNC, redis.submodule_search_locations) if redis else None
    if "redis" in sys.modules or found is None or found.loader is None or not found.submodule_search_locations:
        return
    module = _Later(ASYNC)
    module.__spec__, module.__path__ = found, list(found.submodule_search_locations)
    module.__package__, module.__file__ = ASYNC, found.origin
    sys.modules[ASYNC] = module


def skip_rich_tracebacks() -> None:
    """Import structlog as if there were none."""
    if "structlog" in sys.modules:
        return
    without = [name for name in FOR_TRACEBACKS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(without))  # type: ignore[arg-type]
    try:
        import_module("structlog")
    finally:
        for name in without:
            del sys.modules[name]
