"""`[clouds.NAME.shapes.SHAPE]`: one cloud that offers VMs of several shapes, each at its price.

When the file is read such a cloud is *expanded*: each shape becomes a cloud of its own, NAME-SHAPE, with what the cloud
says for all and what the shape says for itself, and a cascade that names NAME names all of them, in one tier. So each
shape has its own post, rows and breaker, which is how real clouds fail: "no capacity" is said of an instance type. What
they share is the limit `max_vms` of the whole, which each of them carries as its `family`; what is bought of them is
chosen by `provisioning.shape_choice`.

Mistakes keep their place in the operator's file: `Expanded.origin` says where what the schema sees was written.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from actors.config.mistakes import MISSING, shown
from actors.config.toml_lines import Path

Raw = Mapping[str, Any]
Found = tuple[Path, str, str]
ONE_FOR_ALL = {
    "kind": "the shapes of a cloud are of one kind",
    "shapes": "a shape has no shapes of its own",
    "weight": "among the shapes of a cloud the cheapest for each waiting job is bought",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expanded:
    """`raw` is what the schema sees. `shapes`: by cloud, the clouds that its shapes became, in the file's order."""

    raw: dict[str, Any]
    written: Raw
    shapes: Mapping[str, tuple[str, ...]]
    made: Mapping[str, tuple[str, str]]  # cloud -> the cloud and the shape that it was made of
    places: Mapping[tuple[Any, int, int], int]  # queue, tier, place in the tier -> the place that was written

    def origin(self, path: Path) -> Path:
        """Where in the file what stands at `path` of `raw` was written, or should have been."""
        match path:
            case ("clouds", name, *rest) if name in self.made:
                return self._of_shape(*self.made[str(name)], tuple(rest))
            case ("queues", queue, "cascade", int(tier), int(at), *rest):
                return ("queues", queue, "cascade", tier, self.places.get((queue, tier, at), at), *rest)
        return path

    def _of_shape(self, cloud: str, shape: str, rest: Path) -> Path:
        """Of the shape what it says itself, of the cloud what that says for all. Missing is what no shape says."""
        common, shapes = self.written["clouds"][cloud], self.written["clouds"][cloud]["shapes"]
        whole: Path = ("clouds", cloud)
        own: Path = (*whole, "shapes", shape)
        if rest[:1] == ("family",) or (rest == ("max_vms",) and not _says(shapes[shape], rest)):
            return (*whole, "max_vms")
        if not rest or _says(shapes[shape], rest):
            return (*own, *rest)
        table = rest[:-1]
        in_shape = _says(shapes[shape], table) if table else any(rest[0] in one for one in shapes.values())
        return (*own, *rest) if in_shape and not _says(common, rest) else (*whole, *rest)


def expanded(raw: Raw) -> Expanded:
    """The tables with a cloud for each shape. What is not written as it should be stays as it is."""
    clouds: dict[str, Any] = {}
    shapes: dict[str, tuple[str, ...]] = {}
    made: dict[str, tuple[str, str]] = {}
    for name, cloud in _table(raw, "clouds").items():
        found = _shapes(cloud)
        for shape, own in found.items():
            one = name_of(name, shape)
            clouds[one], made[one] = _merged(name, cloud, own), (name, shape)
        if found:
            shapes[name] = tuple(name_of(name, shape) for shape in found)
        else:
            clouds[name] = cloud
    whole = dict(raw) | ({"clouds": clouds} if isinstance(raw.get("clouds"), dict) else {})
    places: dict[tuple[Any, int, int], int] = {}
    if shapes and isinstance(raw.get("queues"), dict):
        whole["queues"] = {name: _queue(name, queue, shapes, places) for name, queue in _table(raw, "queues").items()}
    return Expanded(raw=whole, written=raw, shapes=shapes, made=made, places=places)


def name_of(cloud: str, shape: str) -> str:
    """Of the cloud that a shape becomes."""
    return f"{cloud}-{shape}"


def mistakes_in_shapes(raw: Raw) -> Iterator[Found]:
    """(where, what is wrong, hint), of what the schema does not see."""
    clouds = _table(raw, "clouds")
    names: dict[str, Path] = {name: ("clouds", name) for name, one in clouds.items() if not _shapes(one)}
    for name, cloud in clouds.items():
        if not isinstance(cloud, dict):
            continue
        path: Path = ("clouds", name)
        if "family" in cloud:
            yield (*path, "family"), "an unknown key", f"write [clouds.{name}.shapes.SHAPE] for each shape"
        if isinstance(cloud.get("shapes"), dict) and cloud["shapes"]:
            yield from _in_shapes(path, cloud, names)


def _in_shapes(path: Path, cloud: Raw, names: dict[str, Path]) -> Iterator[Found]:
    if "max_vms" not in cloud:
        yield (*path, "max_vms"), MISSING, "of all its shapes together"
    for shape, own in cloud["shapes"].items():
        here: Path = (*path, "shapes", shape)
        if not isinstance(own, dict):
            yield here, f"seen {shown(here, own)}; allowed: a table", "what differs: instance_type, shape, ..."
            continue
        for key in sorted(own.keys() & ({*ONE_FOR_ALL, "family"})):
            yield (*here, key), "not a key of a shape", ONE_FOR_ALL.get(key, "")
        name = name_of(str(path[1]), shape)
        if name in names:
            yield here, f"it becomes the cloud {name!r}, and there is one already", "choose another name"
        names[name] = here


def _shapes(cloud: Any) -> dict[str, Any]:
    """The shapes of a cloud that can be expanded."""
    shapes = cloud.get("shapes") if isinstance(cloud, dict) else None
    return {name: own for name, own in shapes.items() if isinstance(own, dict)} if isinstance(shapes, dict) else {}


def _merged(name: str, cloud: Raw, own: Raw) -> dict[str, Any]:
    """Tables (attributes, tags, shape, ...) key by key."""
    one = copy.deepcopy({key: value for key, value in cloud.items() if key != "shapes"})
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(one.get(key), dict)
        one[key] = {**one[key], **value} if both else value
    if "max_vms" in cloud:
        one["family"] = {"name": name, "max_vms": cloud["max_vms"]}
    return one


def _queue(
    name: Any, queue: Any, shapes: Mapping[str, tuple[str, ...]], places: dict[tuple[Any, int, int], int]
) -> Any:
    """The queue with every cloud of several shapes as these, in the same tier."""
    if not isinstance(queue, dict) or not isinstance(queue.get("cascade"), list):
        return queue
    cascade = []
    for tier, names in enumerate(queue["cascade"]):
        meant: list[Any] = []
        for at, one in enumerate(names if isinstance(names, list) else ()):
            known = shapes.get(one, (one,)) if isinstance(one, str) else (one,)
            places.update({(name, tier, len(meant) + n): at for n in range(len(known))})
            meant += known
        cascade.append(meant if isinstance(names, list) else names)
    return {**queue, "cascade": cascade}


def _says(table: Any, path: Path) -> bool:
    for part in path:
        inside = (isinstance(table, dict) and part in table) or (isinstance(table, list) and part in range(len(table)))
        if not inside:
            return False
        table = table[part]
    return True


def _table(raw: Raw, name: str) -> Raw:
    found = raw.get(name)
    return found if isinstance(found, dict) else {}
