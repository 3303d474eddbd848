"""What other packages add: steps, clouds and pools, by entry points.

| group | an entry point's name is | it names |
| --- | --- | --- |
| autopyfactory_cloud.steps | the step's name | a frozen dataclass with `name` and `apply`, as in `policies.steps` |
| autopyfactory_cloud.clouds | the `kind` of a cloud | a class as `clouds.port.Cloud` says, with `Settings` and `of` |
| autopyfactory_cloud.pools | the `kind` of a pool | a class as `pools.port.Pool` says, with `Settings` and `of` |

`Settings` is a subclass of `config.AnyCloud` or `config.AnyPool`: the keys of its table, checked like ours.
`of(name, config)` makes the cloud or pool of that name, without any call. A name of our own cannot be taken. See
deploy/examples/step-whole-racks and deploy/examples/cloud-script.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import BaseModel

from actors.fleet.vm import KEPT_S
from actors.policies.steps import ENDED, STEPS, Step, asks, make

GROUP = "autopyfactory_cloud.steps"
CLOUDS, POOLS = "autopyfactory_cloud.clouds", "autopyfactory_cloud.pools"
OUR_KINDS = {
    CLOUDS: ("ec2", "openstack", "script", "simulated", "condor-jobs"),
    POOLS: ("htcondor", "simulated", "panda", "http-json"),
}


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


@cache
def known_kinds(group: str) -> dict[str, type[Any]]:
    """The kinds of clouds (CLOUDS) or pools (POOLS) of installed packages. Raises BadPlugin."""
    added = {point.name: _kind(point) for point in entry_points(group=group)}
    taken = sorted(added.keys() & set(OUR_KINDS[group]))
    if taken:
        raise BadPlugin(f"an installed plugin takes the name of our own kind: {', '.join(taken)}")
    return added


def _kind(point: EntryPoint) -> type[Any]:
    kind = _imported(point)
    settings = getattr(kind, "Settings", None)
    if not isinstance(settings, type) or not issubclass(settings, BaseModel) or not callable(getattr(kind, "of", None)):
        raise BadPlugin(f"the plugin {point.name!r} ({point.value}) is no class with Settings and of(name, config)")
    return kind


def step(settings: dict[str, object]) -> Step:
    """The step that a configuration's table says. Raises ValueError with what is allowed.

    A step that would look at what nobody counts here is refused: it would take "not counted" for none. Whether the
    queue's pool tells of its site's status is not known here: `checks` looks.
    """
    made = make(settings, known_steps())
    lately_s = getattr(made, "interval_s", KEPT_S) if ENDED in asks(made) else KEPT_S
    if lately_s > KEPT_S:
        raise ValueError(f"interval_s of step {made.name!r}: seen {lately_s:g}; allowed: at most {KEPT_S:g}")
    return made


def _imported(point: EntryPoint) -> type[Any]:
    try:
        kind: type[Any] = point.load()
    except (ImportError, AttributeError) as wrong:
        raise BadPlugin(f"the plugin {point.name!r} ({point.value}) cannot be loaded: {wrong}") from wrong
    return kind


def _loaded(point: EntryPoint) -> type[Any]:
    kind = _imported(point)
    wanted = isinstance(kind, type) and dataclasses.is_dataclass(kind) and getattr(kind, "name", "") == point.name
    if not wanted or not callable(getattr(kind, "apply", None)):
        raise BadPlugin(f"the plugin {point.name!r} ({point.value}) is no dataclass with that name and an apply method")
    return kind
