"""Who may advertise a worker: what globs allow, and what `{launch}` in them holds a worker to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.fleet.matching import match
from actors.fleet.observations import Machine
from actors.fleet.vm import State, Vm
from actors.fleet.worker_identity import may_advertise, one_a_launch

OWN = ("worker-{launch}@pool",)
hexes = st.text("0123456789abcdef", min_size=12, max_size=12)


@pytest.mark.parametrize(
    ("identity", "globs", "may"),
    [
        ("worker@pool", (), True),
        ("", (), True),
        ("worker@pool", ("worker@*",), True),
        ("evil@pool", ("worker@*",), False),
        ("", ("worker@*",), False),
        ("other@pool", ("worker@*", "other@pool"), True),
        ("worker-a1@pool", OWN, True),
        ("worker-b2@pool", OWN, False),
        ("worker@pool", OWN, False),
    ],
)
def test_an_identity_is_held_against_the_globs_and_the_launch(identity: str, globs: tuple[str, ...], may: bool) -> None:
    assert may_advertise(identity, globs, "a1") is may


@given(hexes, hexes)
def test_no_launch_may_speak_for_another(one: str, other: str) -> None:
    assert may_advertise(f"worker-{one}@pool", OWN, other) is (one == other)


@pytest.mark.parametrize("launch", ["*", "?", "[a-z]"])
def test_a_launch_that_a_tag_says_is_text_and_no_pattern(launch: str) -> None:
    assert not may_advertise("worker-b@pool", OWN, launch)
    assert may_advertise(f"worker-{launch}@pool", OWN, launch)


def test_where_the_launch_is_not_known_any_launchs_identity_will_do_and_no_other() -> None:
    assert may_advertise("worker-a1@pool", OWN)
    assert not may_advertise("worker@pool", OWN)


def test_only_globs_that_name_the_launch_ask_for_a_token_each() -> None:
    assert one_a_launch(("worker@*", "worker-{launch}@*"))
    assert not one_a_launch(("worker@*",))
    assert not one_a_launch(())


def row(launch: str) -> Vm:
    facts = {"cloud": "spot", "queue": "atlas", "since": 1.0, "born": 1.0, "reason": "wanted"}
    return Vm(id=f"{launch}-0", intent=launch, instance_id=f"i-{launch}", state=State.READY, **facts)


def ad(vm: Vm, identity: str) -> Machine:
    return Machine(
        name=f"{vm.id}.lab",
        address="<10.0.0.1:9618>",
        instance_id=vm.instance_id,
        queue="atlas",
        cloud="spot",
        identity=identity,
    )


def test_a_neighbour_with_a_token_of_its_own_launch_is_an_impostor_whatever_it_advertises() -> None:
    victim, liar = row("a1"), row("b2")
    seen = match([ad(victim, "worker-b2@pool"), ad(liar, "worker-b2@pool")], [victim, liar], OWN)
    assert seen.machines.keys() == {liar.id}
    assert "allowed: worker-a1@pool" in seen.impostors[victim.id]


def test_a_row_of_before_that_names_no_launch_is_matched_by_any_launchs_identity() -> None:
    vm = Vm(id="x", cloud="spot", queue="atlas", instance_id="i-1", state=State.READY, since=1.0, born=1.0, reason="")
    assert match([ad(vm, "worker-b2@pool")], [vm], OWN).machines.keys() == {"x"}
