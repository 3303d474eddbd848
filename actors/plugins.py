"""What other packages add: steps, by the entry points of group "autopyfactory_cloud.steps".

An entry point's name is the step's name in the configuration; it names a frozen dataclass with `name` and `apply`, as
those in `policies.steps`. A name of our own cannot be taken. See examples/step-whole-racks.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from actors.fleet.vm import KEPT_S
from actors.policies.steps import ENDED, STATUS, STEPS, Step, asks, make

GROUP = "autopyfactory_cloud.steps"


class BadPlugin(ValueError):
    """An installed plugin cannot be used: repair or uninstall it; the message names it."""


@cache
def known_steps() -> dict[str, type[Any]]:
    """All steps by name: ours, and those of installed packages. Raises BadPlugin."""
    added = {point.name: _loaded(point) for point in entry_points(group=GROUP)}
    taken = sorted(added.keys() & STEPS.keys())
    if taken:
        raise BadPlugin(f"an installed plugin takes the name of our own step: {', '.join(taken)}")
    return {**STEPS, **added}


def step(settings: dict[str, object]) -> Step:
    """The step that a configuration's table says. Raises ValueError with what is allowed.

    A step that would look at what nobody counts here is refused: it would take "not counted" for none.
    """
    made = make(settings, known_steps())
    if STATUS in asks(made):
        raise ValueError(f"step {made.name!r} asks for the site's status, which no kind of pool tells: leave it out")
    lately_s = getattr(made, "interval_s", KEPT_S) if ENDED in asks(made) else KEPT_S
    if lately_s > KEPT_S:
        raise ValueError(f"interval_s of step {made.name!r}: seen {lately_s:g}; allowed: at most {KEPT_S:g}")
    return made


def _loaded(point: EntryPoint) -> type[Any]:
    try:
        kind: type[Any] = point.load()
    except (ImportError, AttributeError) as wrong:
        raise BadPlugin(f"the plugin {point.name!r} ({point.value}) cannot be loaded: {wrong}") from wrong
    wanted = isinstance(kind, type) and dataclasses.is_dataclass(kind) and getattr(kind, "name", "") == point.name
    if not wanted or not callable(getattr(kind, "apply", None)):
        raise BadPlugin(f"the plugin {point.name!r} ({point.value}) is no dataclass with that name and an apply method")
    return kind
