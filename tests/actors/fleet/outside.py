"""Tables of what other projects expect of their machines, in this project's words, and what it does itself.

A row says what is given, what they expect then, and runs this project's own functions on it. Where it differs on
purpose the row says why, and the test holds this project to its own outcome; any other row must come out as theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from actors.fleet.reconcile import Act, World, act, advance
from actors.fleet.vm import State, Vm
from actors.policies.disruption.converge import Scene, follow
from tests.actors.fleet.made import NOW, machine, slot

OVER = "over"  # ended, or never was


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`they`: the outcome that they expect. `we`: this project's, where it `differs`, which says why."""

    case: str
    they: str
    run: Callable[[], str]
    we: str = ""
    differs: str = ""


def cases(rows: Iterable[Row]) -> list[Any]:
    return [pytest.param(row, id=row.case.replace(" ", "-")) for row in rows]


def check(row: Row) -> None:
    assert bool(row.differs) == bool(row.we), "a row that differs says what comes out, and why"
    assert row.we != row.they, "a row that comes out as theirs does not differ"
    assert row.run() == (row.we or row.they), row.differs


def outcome(vm: Vm, now: float = NOW) -> str:
    """A VM's state, and whether the world is asked for something because of it."""
    if not vm.alive:
        return OVER
    asks = act(vm, now)
    if asks is Act.DRAIN:
        return "draining, asked"
    if asks is Act.VERIFY and vm.state is State.DRAINED:
        return "drained, looked at once more"
    if asks in (Act.END, Act.END_UNJOINED):
        return "ending, asked"
    return vm.state.value


def seen(vm: Vm, world: World) -> Callable[[], str]:
    """What becomes of the VM when its holder sees this world."""
    return lambda: outcome(advance(vm, world))


def not_wanted(vm: Vm) -> Callable[[], str]:
    """What becomes of it when its queue wants no VM any more."""

    def run() -> str:
        shown = {vm.id: machine(slot())} if vm.state is State.READY else {}
        scene = Scene(wants={"atlas": 0}, machines=shown, wishes=(), idle_since={}, frozen="", now=NOW)
        return outcome(follow([vm], scene).rows.get(vm.id, vm))

    return run


def young(vm: Vm) -> Vm:
    """It was launched a minute ago: its boot deadline is not over."""
    return replace(vm, born=NOW - 60, since=NOW - 60)
