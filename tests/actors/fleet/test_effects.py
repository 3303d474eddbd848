"""A wish says what it will do and what it will not, before it is sent and in its answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.fleet.drain_and_hold import POLICY, VmHold
from actors.fleet.effects import NOTHING, WishScene, effects
from actors.fleet.vm import State, Vm
from actors.fleet.wish import Wish
from tests.actors.fleet.made import NOW, vm

ALIVE = [State.LAUNCHING, State.BOOTING, State.READY, State.DRAINING, State.DRAINED, State.ENDING]


def wish(verb: str, selector: str = "all", *names: str, at: float = NOW, **more: object) -> Wish:
    made = Wish(
        id=f"w-{verb}-{at}", verb=verb, selector=selector, names=names, reason="why", by="ada", at=at, ends=NOW + 60
    )
    return replace(made, **more)  # type: ignore[arg-type]


def fleet(*states: State, **changes: object) -> list[Vm]:
    return [vm(state, id=f"x-{n}", instance_id=f"i-{n}", **changes) for n, state in enumerate(states)]


def said(one: Wish, vms: list[Vm], *wishes: Wish, frozen: dict[str, str] | None = None) -> str:
    scene = WishScene(vms=vms, wishes=wishes, queues={"private": ("atlas",), "spot": ("atlas",)}, frozen=frozen or {})
    return "; ".join(effects(one, scene))


def test_a_kill_during_a_freeze_is_announced_for_the_thaw() -> None:
    freeze = wish("freeze", "cloud", "private", at=NOW - 1)
    told = said(wish("kill"), fleet(State.READY), freeze, frozen={"private": "freeze by ada: why"})
    assert "1 VM on private, which is frozen (freeze by ada: why): it is killed at the thaw, and not before" in told


def test_a_thaw_says_what_was_wished_meanwhile_and_happens_now() -> None:
    freeze, kill = wish("freeze", "cloud", "private", at=NOW - 2), wish("kill", at=NOW - 1)
    told = said(wish("thaw"), fleet(State.READY, State.READY), freeze, kill, frozen={"private": "freeze by ada: why"})
    assert "private: then 2 VMs will be killed, as was wished meanwhile" in told


def test_a_thaw_does_not_take_back_a_hosts_freeze_file() -> None:
    assert "private: stays frozen, the file" in said(
        wish("thaw"), [], frozen={"private": "the file /f/freeze is there"}
    )


@pytest.mark.parametrize("verb", ["undrain", "release"])
def test_what_takes_back_and_finds_nothing_to_take_back_says_so(verb: str) -> None:
    assert NOTHING in said(wish(verb), fleet(State.READY, State.DRAINING, drain_for=POLICY))


def test_an_undrain_tells_what_comes_back_and_what_does_not() -> None:
    drain = wish("drain", at=NOW - 1)
    told = said(wish("undrain"), fleet(State.READY, State.DRAINING, State.DRAINED, State.ENDING), drain)
    assert "the drain of 1 VM is taken back, if the queue wants it and a job runs there" in told
    assert "2 VMs drained or ending already: it never comes back" in told
    assert "private, spot: open for buying again" in told
    assert NOTHING not in told


def test_what_is_not_replaced_is_said() -> None:
    for verb in ("drain", "kill"):
        assert "others may be bought instead" in said(wish(verb), fleet(State.READY))
        assert "no others are bought instead" in said(wish(verb, replace=False), fleet(State.READY))
    assert "bought" not in said(wish("kill"), fleet(State.ENDING))


def test_a_held_vm_is_left_by_a_drain_and_ended_by_a_kill() -> None:
    held = fleet(State.READY, hold=VmHold(why="hold by ada: a look"))
    assert "1 VM held: left alone until released" in said(wish("drain"), held)
    assert "1 VM held: a kill comes before a hold" in said(wish("kill"), held)


@given(
    verb=st.sampled_from(["drain", "undrain", "hold", "release", "kill", "freeze", "thaw"]),
    selector=st.sampled_from([("all",), ("cloud", "private"), ("queue", "atlas"), ("vm", "x-0")]),
    states=st.lists(st.sampled_from(ALIVE), max_size=5),
    earlier=st.lists(st.sampled_from(["drain", "undrain", "hold", "kill", "freeze"]), max_size=3),
    frozen=st.booleans(),
)
def test_every_wish_says_something_whatever_it_meets(
    verb: str, selector: tuple[str, ...], states: list[State], earlier: list[str], frozen: bool
) -> None:
    before = [wish(one, at=NOW - 9 + n) for n, one in enumerate(earlier)]
    told = said(wish(verb, *selector), fleet(*states), *before, frozen={"private": "why"} if frozen else {})
    assert told
